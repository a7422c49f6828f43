// Gathers outgoing frames and hands them over in one piece. Invariant: bytes handed over are never written again (the
// slab moves on and is left to the collector), so sockets may keep them and encryption may work in place.
import { EMPTY_BYTES, writeU32 } from '../base/bytes.ts';

/** 240 requests: several reads' worth, and little enough to hold for each of hundreds of quiet peers. */
const SLAB_BYTES = 4096;

/** What may wait goes out at once when it fills a packet anyway. */
const MOST_WAITING_BYTES = 1400;

export interface ComposerSink {
  write(bytes: Uint8Array): void;
  onPending(): void;
  /** Without it nothing waits. */
  onPendingLater?(): void;
}

export class FrameComposer {
  readonly #sink: ComposerSink;
  #slab = EMPTY_BYTES;
  #start = 0;
  #end = 0;
  /** The sink knows that something is pending: now, and later. */
  #isDue = false;
  #isDueLater = false;

  constructor(sink: ComposerSink) {
    this.#sink = sink;
  }

  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  append(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#slab.set(bytes, at);
    this.#announce();
  }

  /** A frame of one 32-bit number after the id: have. It waits for company. */
  frame1(id: number, a: number): void {
    const at = this.#reserve(9);
    const slab = this.#slab;
    writeU32(slab, at, 5);
    slab[at + 4] = id;
    writeU32(slab, at + 5, a);
    this.#announceLater();
  }

  /** The head of a piece: `extra` bytes of payload follow on their own. For who flushes at once. */
  frame2(id: number, a: number, b: number, extra: number): void {
    const at = this.#reserve(13);
    const slab = this.#slab;
    writeU32(slab, at, 9 + extra);
    slab[at + 4] = id;
    writeU32(slab, at + 5, a);
    writeU32(slab, at + 9, b);
  }

  /** request, cancel, reject */
  frame3(id: number, a: number, b: number, c: number): void {
    const at = this.#reserve(17);
    const slab = this.#slab;
    writeU32(slab, at, 13);
    slab[at + 4] = id;
    writeU32(slab, at + 5, a);
    writeU32(slab, at + 9, b);
    writeU32(slab, at + 13, c);
    this.#announce();
  }

  flush(): void {
    this.#isDue = false;
    this.#isDueLater = false;
    if (this.#end === this.#start) return;
    const bytes = this.#slab.subarray(this.#start, this.#end);
    // A slab grown for one long message is not kept for the quiet time after it.
    if (this.#slab.length > SLAB_BYTES) this.#drop();
    else this.#start = this.#end;
    this.#sink.write(bytes);
  }

  discard(): void {
    this.#drop();
  }

  #drop(): void {
    this.#slab = EMPTY_BYTES;
    this.#start = 0;
    this.#end = 0;
  }

  /** @returns where `length` bytes may be written */
  #reserve(length: number): number {
    const pending = this.#end - this.#start;
    if (this.#end + length > this.#slab.length) {
      const needed = pending + length;
      // Doubling keeps a long run of unflushed frames linear.
      const slab = new Uint8Array(needed <= SLAB_BYTES / 2 ? SLAB_BYTES : needed * 2);
      slab.set(this.#slab.subarray(this.#start, this.#end));
      this.#slab = slab;
      this.#start = 0;
      this.#end = pending;
    }
    const at = this.#end;
    this.#end += length;
    return at;
  }

  #announce(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#sink.onPending();
  }

  #announceLater(): void {
    if (this.#sink.onPendingLater === undefined || this.pendingBytes > MOST_WAITING_BYTES) this.#announce();
    else if (!this.#isDue && !this.#isDueLater) {
      this.#isDueLater = true;
      this.#sink.onPendingLater();
    }
  }
}
