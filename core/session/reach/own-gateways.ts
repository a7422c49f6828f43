// How many hops open all our own gateways, and no more: asked of a relay (relay/fathom.ts), from the UDP port that holes are punched from.
import { bytesEqual, concatBytes, EMPTY_BYTES } from '../../base/bytes.ts';
import { type Rng, randomBytes } from '../../base/clock.ts';
import type { DatagramPort } from '../../base/datagram-port.ts';
import type { Endpoint } from '../../base/endpoint.ts';
import { FATHOM_TTLS, hopsOf, KNOCK, portOfEcho, portsInFathom } from '../../relay/fathom.ts';
import { decodeFrame, encodeFrame, FRAME_BYTES, TOKEN_BYTES } from '../../relay/frame.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { pause } from '../pauses.ts';

export interface FathomOptions {
  /** By TCP, so that the relay knows our address. */
  readonly dial: (relay: Endpoint) => Promise<ByteStream>;
  readonly datagrams: Pick<DatagramPort, 'send' | 'addReceiver'>;
  readonly rng: Rng;
  readonly signal: AbortSignal;
}

const ANSWER_MS = 4_000;
/** Knocked again where nothing came. */
const AGAIN_MS = 1_500;
const KNOCKS = 3;
/** Datagrams that were sent together come together. */
const TOGETHER_MS = 150;

/** @returns as `hopsOf`. Rejects when the relay does not answer, or datagrams do not pass */
export async function fathom(relay: Endpoint, options: FathomOptions): Promise<number | undefined> {
  const { dial, datagrams, rng, signal } = options;
  const token = randomBytes(rng, TOKEN_BYTES);
  const stream = await dial(relay);
  const arrived = new Set<number>();
  let heard: () => void = () => {};
  const stop = datagrams.addReceiver((bytes, from) => {
    if (bytes.length !== FRAME_BYTES || from.host !== relay.host) return false;
    const frame = decodeFrame(bytes);
    if (frame === undefined || frame.kind !== 'fathom' || !bytesEqual(frame.token, token)) return false;
    const port = portOfEcho(frame);
    if (port !== undefined) arrived.add(port);
    if (port === KNOCK) heard();
    return true;
  });
  try {
    const ports = await portsOf(stream, token, signal);
    const knocked = new Promise<boolean>((resolve) => {
      heard = () => resolve(true);
    });
    for (let i = 0; i < KNOCKS && !arrived.has(KNOCK); i++) {
      send(datagrams, relay.host, ports, token);
      await Promise.race([knocked, pause(AGAIN_MS, signal)]);
    }
    if (!arrived.has(KNOCK)) throw new Error('the relay does not hear our datagrams');
    await pause(TOGETHER_MS, signal);
    return hopsOf(arrived);
  } finally {
    stop();
    stream.destroy();
  }
}

function send(
  datagrams: Pick<DatagramPort, 'send'>,
  host: string,
  ports: readonly number[],
  token: Uint8Array,
): void {
  for (const [i, ttl] of FATHOM_TTLS.entries())
    if (ttl !== undefined) datagrams.send(new Uint8Array(1), { host, port: ports[i] as number }, { ttl });
  // Last, so that all doors are open when the relay answers.
  datagrams.send(encodeFrame('fathom', token), { host, port: ports[KNOCK] as number });
}

function portsOf(stream: ByteStream, token: Uint8Array, signal: AbortSignal): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    let held: Uint8Array = EMPTY_BYTES;
    const fail = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', fail);
      stream.destroy();
      reject(new Error('the relay lends no ports'));
    };
    const timer = setTimeout(fail, ANSWER_MS);
    timer.unref();
    signal.addEventListener('abort', fail);
    stream.events = {
      onBytes: (bytes) => {
        held = concatBytes([held, bytes]);
        if (held.length < FRAME_BYTES) return;
        const frame = decodeFrame(held);
        const ports = frame && bytesEqual(frame.token, token) ? portsInFathom(frame) : undefined;
        if (ports === undefined) {
          fail();
          return;
        }
        clearTimeout(timer);
        signal.removeEventListener('abort', fail);
        held = EMPTY_BYTES;
        resolve(ports);
      },
      onDrain: () => {},
      onClose: fail,
    };
    if (signal.aborted) fail();
    else stream.write(encodeFrame('fathom', token));
  });
}
