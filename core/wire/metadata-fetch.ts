// Fetches the info dictionary from many peers at once (BEP 9) and finds out who lied. Invariants: a size that somebody
// claims is trusted for that peer's own bytes only; memory grows only with bytes that came, up to MAX_HELD_BYTES; nothing
// leaves here that does not match the info hash; no peer can hold up another's bytes.
import { createHash } from 'node:crypto';
import { bytesEqual, concatBytes } from '../base/bytes.ts';
import type { InfoHash } from '../base/ids.ts';
import { MetadataCopy } from './metadata-copy.ts';
import { MAX_METADATA_BYTES, type MetadataMessage } from './ut-metadata.ts';

/** For all copies together: four of the longest. Beyond it the copy of the largest claimed size goes. */
const MAX_HELD_BYTES = 4 * MAX_METADATA_BYTES;
/** After a mixed copy failed each peer makes one of its own: so many at once, and one more with every wait. */
const OWN_COPIES = 3;
/** So that slow liars cannot keep the honest from their turn. */
const MORE_COPIES_AFTER_MS = 5_000;
/** Covers a round trip of half a second at 4 Mbit/s; Transmission queues 64 before it rejects. */
const REQUESTS_PER_PEER = 8;
/** A silent peer is asked no more for a while after this; with several peers its pieces are asked elsewhere at once. */
const REQUEST_TIMEOUT_MS = 8_000;
/** Doubles with each failure in a row. A peer that rejects may get the metadata itself in the meantime. */
const BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 60_000;
/** Data nobody asked for: some may cross a time-out, more is a flood. */
const MAX_UNASKED = 16;

interface FetchPeer<Peer> {
  readonly key: Peer;
  readonly size: number;
  copy: MetadataCopy<Peer> | undefined;
  /** Piece -> Clock ms when it was asked. */
  readonly inFlight: Map<number, number>;
  /** Asked and not answered, timed out or not: a late answer still counts. */
  readonly asked: Set<number>;
  failures: number;
  unasked: number;
  notBeforeMs: number;
}

interface FailedCopy<Peer> {
  /** Spares honest peers the repeat, and tells the liar later; undefined when memory was short. */
  copy: MetadataCopy<Peer> | undefined;
  readonly atMs: number;
}

export interface MetadataRequest<Peer> {
  readonly peer: Peer;
  readonly piece: number;
}

/** @typeParam Peer whatever the owner tells connections apart by */
export class MetadataFetch<Peer> {
  readonly #infoHash: InfoHash;
  readonly #peers = new Map<Peer, FetchPeer<Peer>>();
  #copies: MetadataCopy<Peer>[] = [];
  /** By size: from then on each peer of that size makes a copy of its own. */
  readonly #failed = new Map<number, FailedCopy<Peer>>();
  readonly #liars: Peer[] = [];
  #result: Uint8Array | undefined;

  constructor(infoHash: InfoHash) {
    this.#infoHash = infoHash;
  }

  /** The verified info dictionary, once it is there. */
  get result(): Uint8Array | undefined {
    return this.#result;
  }

  /** Of the copy that is furthest, for showing. */
  get progress(): { readonly receivedBytes: number; readonly totalBytes: number } | undefined {
    let best: MetadataCopy<Peer> | undefined;
    for (const copy of this.#copies) if (best === undefined || copy.fraction > best.fraction) best = copy;
    return best === undefined
      ? undefined
      : { receivedBytes: Math.round(best.fraction * best.size), totalBytes: best.size };
  }

  /**
   * Call for every extended handshake of a peer that takes ut_metadata.
   * @param metadataSize as that handshake says; undefined changes nothing: later handshakes name only what changed
   */
  addPeer(peer: Peer, metadataSize: number | undefined): void {
    if (metadataSize === undefined || this.#peers.get(peer)?.size === metadataSize) return;
    this.removePeer(peer);
    if (metadataSize < 1 || metadataSize > MAX_METADATA_BYTES) return;
    this.#peers.set(peer, {
      key: peer,
      size: metadataSize,
      copy: undefined,
      inFlight: new Map(),
      asked: new Set(),
      failures: 0,
      unasked: 0,
      notBeforeMs: 0,
    });
  }

  removePeer(peer: Peer): void {
    const state = this.#peers.get(peer);
    if (state === undefined) return;
    this.#release(state);
    this.#peers.delete(peer);
    if (state.copy?.only === peer) this.#drop(state.copy);
  }

  /** @returns a reason to end the connection, if the peer gave one. Requests are MetadataServe's: not taken here. */
  handleMessage(
    peer: Peer,
    message: Exclude<MetadataMessage, { readonly kind: 'request' }>,
    nowMs: number,
  ): string | undefined {
    const state = this.#peers.get(peer);
    if (message.kind === 'unknown' || state === undefined || this.#result !== undefined) return undefined;
    const copy = state.copy;
    const isInFlight = state.inFlight.has(message.piece);
    const wasAsked = state.asked.delete(message.piece);
    this.#unask(state, message.piece);
    if (message.kind === 'reject') {
      if (isInFlight) this.#backOff(state, nowMs);
      return undefined;
    }
    if (!wasAsked || copy === undefined)
      return ++state.unasked > MAX_UNASKED ? 'flood of metadata that nobody asked for' : undefined;
    if (message.totalSize !== undefined && message.totalSize !== state.size)
      return `metadata of ${message.totalSize} bytes where ${state.size} were announced`;
    if (message.bytes.length !== copy.lengthOf(message.piece))
      return `metadata piece of ${message.bytes.length} bytes`;
    state.failures = 0;
    copy.store(message.piece, message.bytes, peer);
    if (copy.isComplete) this.#check(copy, nowMs);
    else this.#boundMemory(nowMs);
    return undefined;
  }

  /** @returns what to ask now; each counts as sent at `nowMs`. Call after every change and at nextTimeoutMs. */
  poll(nowMs: number): MetadataRequest<Peer>[] {
    const requests: MetadataRequest<Peer>[] = [];
    if (this.#result !== undefined) return requests;
    this.#expire(nowMs);
    this.#assign(nowMs);
    const idle = new Set([...this.#peers.values()].filter((state) => state.notBeforeMs <= nowMs));
    // Round by round, so that the pieces spread over the peers before anyone gets a long queue.
    for (let depth = 1; depth <= REQUESTS_PER_PEER; depth++) {
      for (const state of idle) {
        if (state.inFlight.size >= depth) continue;
        const { copy } = state;
        const piece = copy === undefined ? -1 : copy.pick((index) => state.inFlight.has(index));
        if (copy === undefined || piece < 0) {
          idle.delete(state);
          continue;
        }
        copy.ask(piece);
        state.inFlight.set(piece, nowMs);
        state.asked.add(piece);
        requests.push({ peer: state.key, piece });
      }
    }
    return requests;
  }

  /** Peers proven to have sent false bytes, each once: ban them. */
  pollLiars(): Peer[] {
    return this.#liars.splice(0);
  }

  /** Clock ms after `nowMs` when poll has something to do even if nothing happens; undefined: nothing to wait for. */
  nextTimeoutMs(nowMs: number): number | undefined {
    if (this.#result !== undefined) return undefined;
    let next: number | undefined;
    const consider = (atMs: number): void => {
      if (atMs > nowMs && (next === undefined || atMs < next)) next = atMs;
    };
    for (const state of this.#peers.values()) {
      for (const sentMs of state.inFlight.values()) consider(sentMs + REQUEST_TIMEOUT_MS);
      consider(state.notBeforeMs);
      if (state.copy === undefined) consider(nowMs + MORE_COPIES_AFTER_MS);
    }
    return next;
  }

  #expire(nowMs: number): void {
    for (const state of this.#peers.values()) {
      let isLate = false;
      for (const [piece, sentMs] of state.inFlight) {
        if (nowMs - sentMs < REQUEST_TIMEOUT_MS) continue;
        this.#unask(state, piece);
        isLate = true;
      }
      if (isLate) this.#backOff(state, nowMs);
    }
  }

  /** Gives every peer a copy to work on: the shared one of its size, or after that failed, its own when it is its turn. */
  #assign(nowMs: number): void {
    for (const state of this.#peers.values()) {
      if (state.copy !== undefined) continue;
      const failed = this.#failed.get(state.size);
      if (failed === undefined) {
        state.copy = this.#copies.find((copy) => copy.size === state.size && copy.only === undefined);
        if (state.copy !== undefined) continue;
      } else {
        const turns = Math.floor((nowMs - failed.atMs) / MORE_COPIES_AFTER_MS);
        if (this.#busyOwnCopies(state.size, nowMs) >= OWN_COPIES + turns) continue;
      }
      state.copy = new MetadataCopy<Peer>(state.size, failed === undefined ? undefined : state.key);
      if (failed?.copy !== undefined) state.copy.adopt(failed.copy, state.key);
      this.#copies.push(state.copy);
    }
  }

  #busyOwnCopies(size: number, nowMs: number): number {
    let count = 0;
    for (const state of this.#peers.values()) {
      if (state.size === size && state.copy?.only !== undefined && state.notBeforeMs <= nowMs) count++;
    }
    return count;
  }

  /** True sizes are small ones as a rule, and false small ones are complete, and disproved, soon. */
  #boundMemory(nowMs: number): void {
    let held = 0;
    let largest: MetadataCopy<Peer> | undefined;
    for (const copy of this.#copies) {
      held += copy.storedBytes;
      if (largest === undefined || copy.size > largest.size) largest = copy;
    }
    for (const failed of this.#failed.values()) {
      held += failed.copy?.storedBytes ?? 0;
      if (held > MAX_HELD_BYTES) failed.copy = undefined;
    }
    if (held <= MAX_HELD_BYTES || largest === undefined) return;
    for (const state of this.#peers.values()) {
      if (state.copy !== largest) continue;
      this.#backOff(state, nowMs);
      state.copy = undefined;
    }
    this.#drop(largest);
  }

  #check(copy: MetadataCopy<Peer>, nowMs: number): void {
    const info = concatBytes(copy.pieces as Uint8Array[]);
    this.#drop(copy);
    if (bytesEqual(createHash('sha1').update(info).digest(), this.#infoHash)) {
      this.#result = info;
      for (const other of [this.#failed.get(copy.size)?.copy, ...this.#copies]) {
        if (other?.size === copy.size)
          for (const liar of other.sendersThatDifferFrom(copy)) this.#accuse(liar);
      }
      this.#copies = [];
      this.#failed.clear();
      return;
    }
    const senders = copy.senders();
    if (senders.size === 1) for (const liar of senders) this.#accuse(liar);
    else this.#failed.set(copy.size, { copy, atMs: nowMs });
    for (const state of this.#peers.values()) {
      if (state.copy !== copy) continue;
      this.#release(state);
      state.copy = undefined;
    }
  }

  #accuse(liar: Peer): void {
    if (!this.#liars.includes(liar)) this.#liars.push(liar);
    this.removePeer(liar);
  }

  #unask(state: FetchPeer<Peer>, piece: number): void {
    if (state.inFlight.delete(piece)) state.copy?.unask(piece);
  }

  #release(state: FetchPeer<Peer>): void {
    for (const piece of [...state.inFlight.keys()]) this.#unask(state, piece);
  }

  #backOff(state: FetchPeer<Peer>, nowMs: number): void {
    this.#release(state);
    state.notBeforeMs = nowMs + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** state.failures);
    state.failures++;
  }

  #drop(copy: MetadataCopy<Peer>): void {
    this.#copies = this.#copies.filter((other) => other !== copy);
  }
}
