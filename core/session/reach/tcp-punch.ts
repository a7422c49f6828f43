// A hole for TCP: both sides know as which port the relay sees the other, and send their SYNs at the same moment. One connection comes
// of it, and each side has dialled: who speaks first is settled by the two endpoints, which both know.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { CallResult, Introduction } from '../../relay/client-port.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { never, pause } from '../pauses.ts';
import type { PunchPorts } from './punch-ports.ts';

/** Ports are learnt from the relay by both sides at once: the call that tells ours may come before the other has its own. */
const MAX_CALLS = 4;
const AGAIN_MS = 150;
/** The other side speaks as soon as its end stands. */
const SPEAK_MS = 5_000;

export interface TcpPunchParts {
  readonly ports: PunchPorts;
  /** Takes a stream on which the other side speaks first. */
  readonly accept: (stream: ByteStream) => void;
}

/**
 * Our side of the hole.
 * @returns the stream when we speak first; else it comes in as any other does, and this never does
 */
export async function punchTcp(
  { ports, accept }: TcpPunchParts,
  relay: Endpoint,
  target: Endpoint,
  signal: AbortSignal,
): Promise<ByteStream> {
  const own = ports.seen(relay);
  const stream = await ports.punch(relay, target, signal);
  if (own !== undefined && endpointKey(own) > endpointKey(target)) return stream;
  accept(stream);
  return never(SPEAK_MS, signal, 'the peer does not speak');
}

/**
 * The caller's part: calls again until both have told their ports.
 * @param saidPort as which port we said that the relay sees us, in the call that led to `introduction`
 * @returns what to follow: a TCP punch of which both ports are known, or what the called peer chose instead
 */
export async function agreeOnPorts(
  ports: PunchPorts,
  introduction: Introduction,
  saidPort: number,
  callAgain: () => Promise<CallResult>,
  signal: AbortSignal,
): Promise<Introduction> {
  let agreed = introduction;
  let said = saidPort;
  for (let call = 1; call < MAX_CALLS; call++) {
    if (agreed.way !== 'tcp-punch' || (said !== 0 && agreed.target !== undefined)) return agreed;
    await ports.prepare(agreed.relay);
    if (call > 1) await pause(AGAIN_MS, signal);
    said = ports.seenPort(agreed.relay);
    const result = await callAgain();
    if (result.kind !== 'go') throw new Error(`no hole for TCP: ${result.code}`);
    agreed = result.introduction;
  }
  if (agreed.way === 'tcp-punch' && (agreed.target === undefined || said === 0))
    throw new Error('one side has no port to punch from');
  return agreed;
}
