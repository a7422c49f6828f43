// Received segments between the session and the disk thread: gathered into messages, few of them on their way at a
// time, so that under load one message carries many. After a fault everything waits here, in its slots.

import { NUMBERS_PER_OUTCOME, type OutcomesMessage, STATUS } from './disk-messages.ts';
import type { StorePort } from './disk-workers.ts';
import type { Chunk, SlotBuffers } from './slots.ts';

/** Enough that the thread never waits for the main thread's next turn. */
const MAX_MESSAGES_OUT = 4;
/** In one message: slots come back after the whole message is done. */
const MAX_BYTES_PER_MESSAGE = 4 << 20;

interface Pending {
  readonly piece: number;
  readonly segment: number;
  readonly slot: number;
  readonly length: number;
  readonly wantBlockDigests: boolean;
}

export interface CommitQueueOptions {
  readonly slots: SlotBuffers;
  readonly port: () => StorePort;
  onPiece(piece: number, ok: boolean, blockDigests: Uint8Array | undefined): void;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #waiting: Pending[] = [];
  /** Given to the thread, by slot. */
  readonly #out = new Map<number, Pending>();
  /** Segments that are written, of pieces whose result is still to come. */
  readonly #open = new Map<number, Set<number>>();
  #messagesOut = 0;
  #isHeld = false;
  #isFlushDue = false;
  #onIdle: (() => void)[] = [];

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /** Segments not yet settled. */
  get size(): number {
    return this.#waiting.length + this.#out.size;
  }

  add(piece: number, segment: number, slot: number, length: number, wantBlockDigests: boolean): void {
    this.#waiting.push({ piece, segment, slot, length, wantBlockDigests });
    // The commits of one turn leave together.
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  flush(): void {
    while (!this.#isHeld && this.#waiting.length > 0 && this.#messagesOut < MAX_MESSAGES_OUT) this.#send();
  }

  handleOutcomes(message: OutcomesMessage): void {
    if (message.isAnswer) this.#messagesOut--;
    const digests = new Map(message.digests);
    const parked: Pending[] = [];
    for (const slot of message.undone) {
      const pending = this.#take(slot);
      if (pending !== undefined) parked.push(pending);
    }
    this.#waiting.unshift(...parked);
    const { numbers } = message;
    for (let at = 0; at < numbers.length; at += NUMBERS_PER_OUTCOME) {
      const slot = numbers[at] as number;
      const pending = this.#take(slot);
      if (pending === undefined) continue;
      this.#settle(pending, numbers[at + 1] as number, digests.get(slot));
    }
    this.flush();
    this.#announceIdle();
  }

  /** A fault: nothing leaves until `resume`. */
  hold(): void {
    this.#isHeld = true;
    this.#announceIdle();
  }

  resume(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** The thread died: what it had is given again. @returns pieces of which it had written segments */
  recall(): ReadonlyMap<number, readonly number[]> {
    this.#waiting.unshift(...this.#out.values());
    this.#out.clear();
    this.#messagesOut = 0;
    const written = new Map<number, readonly number[]>();
    for (const [piece, segments] of this.#open) written.set(piece, [...segments]);
    return written;
  }

  /** Resolves when nothing is on its way: all settled, or held after a fault. */
  async idle(): Promise<void> {
    this.flush();
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** The torrent closes: slots of what was never written are given back. */
  drop(): void {
    for (const pending of [...this.#waiting, ...this.#out.values()])
      this.#options.slots.release(pending.slot);
    this.#waiting = [];
    this.#out.clear();
    this.#open.clear();
  }

  #isIdle(): boolean {
    return this.#messagesOut === 0 && (this.#isHeld || this.#waiting.length === 0);
  }

  #announceIdle(): void {
    if (this.#onIdle.length === 0 || !this.#isIdle()) return;
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const wake of waiting) wake();
  }

  #take(slot: number): Pending | undefined {
    const pending = this.#out.get(slot);
    this.#out.delete(slot);
    return pending;
  }

  #send(): void {
    const numbers: number[] = [];
    const chunks = new Set<Chunk>();
    let bytes = 0;
    let count = 0;
    for (const pending of this.#waiting) {
      if (bytes >= MAX_BYTES_PER_MESSAGE) break;
      const { chunk, offset } = this.#options.slots.place(pending.slot);
      const digests = pending.wantBlockDigests ? 1 : 0;
      numbers.push(pending.piece, pending.segment, pending.slot, chunk.id, offset, pending.length, digests);
      chunks.add(chunk);
      this.#out.set(pending.slot, pending);
      bytes += pending.length;
      count++;
    }
    this.#waiting.splice(0, count);
    this.#messagesOut++;
    this.#options.port().commit(numbers, chunks);
  }

  #settle(pending: Pending, status: number, digests: Uint8Array | undefined): void {
    const { piece, segment, slot } = pending;
    if (status === STATUS.written) {
      const written = this.#open.get(piece) ?? new Set();
      this.#open.set(piece, written.add(segment));
      this.#options.slots.release(slot);
      return;
    }
    this.#open.delete(piece);
    this.#options.slots.release(slot);
    this.#options.onPiece(piece, status === STATUS.ok, digests);
  }
}
