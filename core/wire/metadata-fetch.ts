// Fetches the info dictionary from many peers at once (BEP 9) and finds out who lied. Invariants: a size that somebody
// claims is trusted for that peer's own bytes only; memory is bounded by MAX_COPIES sizes and grows only with bytes that
// came; nothing leaves here that does not match the info hash.
import { createHash } from 'node:crypto';
import { bytesEqual, concatBytes } from '../base/bytes.ts';
import type { InfoHash } from '../base/ids.ts';
import { MetadataCopy } from './metadata-copy.ts';
import { MAX_METADATA_BYTES, type MetadataMessage } from './ut-metadata.ts';

/** Copies built at the same time: different claimed sizes, or one peer's copy each after a failure. */
const MAX_COPIES = 4;
/** Failed copies whose bytes are kept, to spare honest peers the repeat and to find the liar later. */
const MAX_FAILED_KEPT = 2;
/** Covers a round trip of half a second at 4 Mbit/s; Transmission queues 64 before it rejects. */
const REQUESTS_PER_PEER = 8;
/** A silent peer is asked no more for a while after this; with several peers its pieces are asked elsewhere at once. */
const REQUEST_TIMEOUT_MS = 8_000;
/** Doubles with each failure in a row. A peer that rejects may get the metadata itself in the meantime. */
const BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 60_000;
/** A copy that got nothing for this long makes room when others wait. */
const STALLED_MS = 20_000;
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

export interface MetadataRequest<Peer> {
  readonly peer: Peer;
  readonly piece: number;
}

/** @typeParam Peer whatever the owner tells connections apart by */
export class MetadataFetch<Peer> {
  readonly #infoHash: InfoHash;
  readonly #peers = new Map<Peer, FetchPeer<Peer>>();
  #copies: MetadataCopy<Peer>[] = [];
  /** Sizes of which a mixed copy failed: from then on each peer of that size makes a copy of its own. */
  readonly #failed = new Map<number, MetadataCopy<Peer> | undefined>();
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
    if (copy.store(message.piece, message.bytes, peer)) copy.lastProgressMs = nowMs;
    if (copy.isComplete) this.#check(copy);
    return undefined;
  }

  /** @returns what to ask now; each counts as sent at `nowMs`. Call after every change and at nextTimeoutMs. */
  poll(nowMs: number): MetadataRequest<Peer>[] {
    const requests: MetadataRequest<Peer>[] = [];
    if (this.#result !== undefined) return requests;
    this.#expire(nowMs);
    this.#assign(nowMs);
    if (this.#result !== undefined) return requests;
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
      if (state.copy === undefined)
        for (const copy of this.#copies) consider(copy.lastProgressMs + STALLED_MS);
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

  /** Gives every peer a copy to work on: the shared one of its size, or after that failed, its own. */
  #assign(nowMs: number): void {
    const waiting = [...this.#peers.values()].filter((state) => state.copy === undefined);
    if (waiting.length === 0) return;
    const supporters = new Map<number, number>();
    for (const { size } of this.#peers.values()) supporters.set(size, (supporters.get(size) ?? 0) + 1);
    // The size that most peers name is the likeliest to be true.
    waiting.sort((a, b) => (supporters.get(b.size) as number) - (supporters.get(a.size) as number));
    for (const state of waiting) {
      const only = this.#failed.has(state.size) ? state.key : undefined;
      let copy = this.#copies.find((other) => other.size === state.size && other.only === only);
      if (copy === undefined && this.#makeRoom(nowMs)) {
        copy = new MetadataCopy<Peer>(state.size, only, nowMs);
        const failed = this.#failed.get(state.size);
        if (failed !== undefined) copy.adopt(failed, state.key);
        this.#copies.push(copy);
      }
      if (copy === undefined) continue;
      state.copy = copy;
    }
    const complete = this.#copies.filter((copy) => copy.isComplete);
    for (const copy of complete) if (this.#result === undefined) this.#check(copy);
    if (complete.length > 0 && this.#result === undefined) this.#assign(nowMs);
  }

  #makeRoom(nowMs: number): boolean {
    if (this.#copies.length < MAX_COPIES) return true;
    const stalled = this.#copies.find((copy) => nowMs - copy.lastProgressMs >= STALLED_MS);
    if (stalled === undefined) return false;
    for (const state of this.#peers.values()) {
      if (state.copy !== stalled) continue;
      this.#release(state);
      state.copy = undefined;
    }
    this.#drop(stalled);
    return true;
  }

  #check(copy: MetadataCopy<Peer>): void {
    const info = concatBytes(copy.pieces as Uint8Array[]);
    this.#drop(copy);
    if (bytesEqual(createHash('sha1').update(info).digest(), this.#infoHash)) {
      this.#result = info;
      for (const other of [this.#failed.get(copy.size), ...this.#copies]) {
        if (other?.size === copy.size)
          for (const liar of other.sendersThatDifferFrom(copy)) this.#accuse(liar);
      }
      this.#copies = [];
      this.#failed.clear();
      return;
    }
    const senders = copy.senders();
    if (senders.size === 1) for (const liar of senders) this.#accuse(liar);
    else this.#keepFailed(copy);
    for (const state of this.#peers.values()) {
      if (state.copy !== copy) continue;
      this.#release(state);
      state.copy = undefined;
    }
  }

  #keepFailed(copy: MetadataCopy<Peer>): void {
    const kept = [...this.#failed.keys()].filter((size) => this.#failed.get(size) !== undefined);
    if (kept.length >= MAX_FAILED_KEPT) this.#failed.set(kept[0] as number, undefined);
    this.#failed.set(copy.size, copy);
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
