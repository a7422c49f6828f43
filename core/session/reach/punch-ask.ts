// We as the initiator of BEP 55: one neighbour after the other is asked to introduce us to one peer, until one does.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { UT_HOLEPUNCH } from '../../wire/extensions.ts';
import { encodeHolepunch } from '../../wire/ut-holepunch.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** Neighbours asked for one peer: each costs the swarm two messages. */
const MAX_ASKED = 4;
/** Silence for so long is a no: libtorrent's relay says nothing when its target does not take the extension. */
const ANSWER_TIMEOUT_MS = 1_000;

export class PunchAsk {
  readonly endpoint: Endpoint;
  readonly result: Promise<ByteStream>;
  readonly #waiting: PeerConnection[];
  readonly #dial: (endpoint: Endpoint) => Promise<ByteStream>;
  #settle!: { resolve(stream: ByteStream): void; reject(error: unknown): void };
  #asked: PeerConnection | undefined;
  /** A late answer is an answer all the same. */
  readonly #everAsked = new Set<PeerConnection>();
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    endpoint: Endpoint,
    neighbours: readonly PeerConnection[],
    dial: (endpoint: Endpoint) => Promise<ByteStream>,
    signal: AbortSignal,
  ) {
    this.endpoint = endpoint;
    this.#waiting = neighbours.slice(0, MAX_ASKED);
    this.#dial = dial;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    signal.addEventListener('abort', () => this.#end(new Error('not wanted any more')), { once: true });
    this.#askNext();
  }

  hasAsked(relay: PeerConnection): boolean {
    return this.#everAsked.has(relay);
  }

  /** @param endpoint where the relay says that the peer is; may be another port than we knew */
  handleConnect(relay: PeerConnection, endpoint: Endpoint): void {
    if (this.#isOver || !this.#everAsked.has(relay)) return;
    clearTimeout(this.#timer);
    this.#asked = undefined;
    this.#isOver = true;
    this.#dial(endpoint).then(this.#settle.resolve, this.#settle.reject);
  }

  handleRefused(relay: PeerConnection, code: number): void {
    if (!this.#isOver && relay === this.#asked) this.#askNext(`refused with code ${code}`);
  }

  handleGone(relay: PeerConnection): void {
    if (!this.#isOver && relay === this.#asked) this.#askNext('the neighbour left');
  }

  #askNext(failure = 'nobody introduces us'): void {
    clearTimeout(this.#timer);
    const next = this.#waiting.shift();
    this.#asked = next;
    if (next === undefined) {
      this.#end(new Error(`no introduction to ${endpointKey(this.endpoint)}: ${failure}`));
      return;
    }
    if (next.isClosing) {
      this.#askNext(failure);
      return;
    }
    this.#everAsked.add(next);
    next.wire.sendExtended(UT_HOLEPUNCH.name, encodeHolepunch('rendezvous', this.endpoint));
    this.#timer = setTimeout(() => this.#askNext('no answer'), ANSWER_TIMEOUT_MS);
    this.#timer.unref();
  }

  #end(error: Error): void {
    clearTimeout(this.#timer);
    this.#asked = undefined;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settle.reject(error);
  }
}
