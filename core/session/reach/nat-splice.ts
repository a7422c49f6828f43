// A connection whose bytes a relay passes on: opened towards the relay with a ticket, and the peer's from then on.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { encodeFrame } from '../../relay/frame.ts';
import type { ByteStream, ByteStreamEvents } from '../../transport/byte-stream.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import { STALLED_MS } from '../peer-limits.ts';

/** Everything is the relay's socket but the name: bans, PEX and `yourip` are about the peer behind it. */
class SplicedStream implements ByteStream {
  readonly transport = 'relayed';
  readonly remote: Endpoint;
  readonly relay: Endpoint;
  readonly #inner: ByteStream;

  constructor(inner: ByteStream, relay: Endpoint, remote: Endpoint) {
    this.#inner = inner;
    this.relay = relay;
    this.remote = remote;
  }

  get localPort(): number {
    return this.#inner.localPort;
  }
  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }
  get receivedBytes(): number {
    return this.#inner.receivedBytes ?? 0;
  }
  get sentBytes(): number {
    return this.#inner.sentBytes ?? 0;
  }
  get events(): ByteStreamEvents {
    return this.#inner.events;
  }
  set events(events: ByteStreamEvents) {
    this.#inner.events = events;
  }
  write(bytes: Uint8Array, sent?: () => void): void {
    this.#inner.write(bytes, sent);
  }
  cork(): void {
    this.#inner.cork();
  }
  uncork(): void {
    this.#inner.uncork();
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  destroy(): void {
    this.#inner.destroy();
  }
}

/**
 * @param connect dials the relay
 * @param remote the peer as the relay sees it
 */
export async function openSplice(
  connect: (relay: Endpoint) => Promise<ByteStream>,
  relay: Endpoint,
  ticket: Uint8Array,
  remote: Endpoint,
): Promise<ByteStream> {
  const inner = await connect(relay);
  inner.write(encodeFrame('splice', ticket));
  return new SplicedStream(inner, relay, remote);
}

/**
 * A relay does not answer any more: whatever it passed on is dead with it, unless bytes came a moment ago (the control connection may be
 * uTP and the way of datagrams alone be dead). Whom we dialled is dialled again at once, by way of another relay.
 */
export function closeDeadSplices(
  connections: Iterable<PeerConnection>,
  silent: Endpoint,
  nowMs: number,
): void {
  const key = endpointKey(silent);
  for (const connection of [...connections]) {
    const { relay } = connection.stream;
    if (relay === undefined || endpointKey(relay) !== key) continue;
    if (nowMs - connection.lastReceivedAtMs >= STALLED_MS) connection.close('the relay is silent', true);
  }
}
