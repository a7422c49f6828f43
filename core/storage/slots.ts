// The memory that holds payload between the socket and the disk: chunks of SharedArrayBuffer, one bound for the whole
// session, cut into the equal slots of each torrent. Invariant: a slot is in use from `acquire` to `release`, once.
import { invariant } from '../base/result.ts';
import type { PieceLayout } from '../metainfo/layout.ts';
import type { SlotPool } from '../pieces/segment-slots.ts';

/** The largest segment: big enough that a message for each costs nothing, small enough that 48 of them are a pool. */
const MAX_SEGMENT_BYTES = 1 << 20;

/** Covers about 50 ms of a 1 GB/s line plus the pieces that peers hold open. */
const DEFAULT_SLOT_MEMORY_BYTES = 48 << 20;

/** A torrent may always have this many chunks, so that one with slow peers cannot starve the others for ever. */
const RESERVED_CHUNKS = 2;

/** The unit that is received, committed, read and cached: a piece, or 1 MiB of it (less at its end). */
export function segmentBytesOf(layout: PieceLayout): number {
  return Math.min(layout.pieceLength, MAX_SEGMENT_BYTES);
}

/** One chunk as the disk workers know it: they keep `buffer` under `id`. */
export interface Chunk {
  readonly id: number;
  readonly buffer: SharedArrayBuffer;
}

/** Unique in the process: a thread may serve several sessions. */
let nextChunkId = 0;

/** The session's bound. Chunks are made when first needed and reused. */
export class SlotMemory {
  readonly maxBytes: number;
  #made = 0;
  readonly #free: Chunk[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(maxBytes: number = DEFAULT_SLOT_MEMORY_BYTES) {
    this.maxBytes = maxBytes;
  }

  /** Bytes of all chunks made so far. */
  get allocatedBytes(): number {
    return this.#made * MAX_SEGMENT_BYTES;
  }

  /** @param isReserve the torrent is below its guaranteed share, so the bound may be passed */
  takeChunk(isReserve: boolean): Chunk | undefined {
    const chunk = this.#free.pop();
    if (chunk !== undefined) return chunk;
    if (!isReserve && (this.#made + 1) * MAX_SEGMENT_BYTES > this.maxBytes) return undefined;
    this.#made++;
    return { id: nextChunkId++, buffer: new SharedArrayBuffer(MAX_SEGMENT_BYTES) };
  }

  giveChunk(chunk: Chunk): void {
    this.#free.push(chunk);
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Lets go of what nobody uses, after a burst. @returns ids for `DiskWorkers.forget` */
  trim(): readonly number[] {
    const dropped = this.#free.splice(0);
    this.#made -= dropped.length;
    return dropped.map((chunk) => chunk.id);
  }

  /** `wake` is called once, when a chunk comes back. */
  waitForChunk(wake: () => void): void {
    this.#waiting.add(wake);
  }

  stopWaiting(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}

interface SlotChunk {
  readonly chunk: Chunk;
  readonly firstSlot: number;
  /** Slot numbers that are free. */
  readonly free: number[];
}

/** Where a slot lies, as the disk workers need it. */
export interface SlotPlace {
  readonly chunk: Chunk;
  readonly offset: number;
}

/** The slots of one torrent. */
export class SlotBuffers implements SlotPool {
  readonly slotBytes: number;
  readonly #memory: SlotMemory;
  readonly #slotsPerChunk: number;
  /** By slot number / slotsPerChunk; a hole where the chunk went back. */
  readonly #chunks: (SlotChunk | undefined)[] = [];
  readonly #views: (Uint8Array | undefined)[] = [];
  #chunkCount = 0;
  #inUse = 0;
  #isShort = false;
  readonly #onAvailable: () => void;
  readonly #wake = (): void => this.#announce();

  /**
   * @param slotBytes see `segmentBytesOf`; at most 1 MiB
   * @param onAvailable called once after `acquire` gave -1, as soon as it would give a slot again
   */
  constructor(memory: SlotMemory, slotBytes: number, onAvailable: () => void = () => {}) {
    invariant(slotBytes > 0 && slotBytes <= MAX_SEGMENT_BYTES, `slot of ${slotBytes} bytes`);
    this.#memory = memory;
    this.slotBytes = slotBytes;
    this.#slotsPerChunk = Math.floor(MAX_SEGMENT_BYTES / slotBytes);
    this.#onAvailable = onAvailable;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** `acquire` found none, and none has come back since. */
  get isShort(): boolean {
    return this.#isShort;
  }

  acquire(): number {
    for (let i = 0; i < this.#chunks.length; i++) {
      const slot = this.#chunks[i]?.free.pop();
      if (slot !== undefined) {
        this.#inUse++;
        return slot;
      }
    }
    const chunk = this.#memory.takeChunk(this.#chunkCount < RESERVED_CHUNKS);
    if (chunk === undefined) {
      this.#isShort = true;
      this.#memory.waitForChunk(this.#wake);
      return -1;
    }
    const slot = this.#adopt(chunk);
    this.#inUse++;
    return slot;
  }

  release(slot: number): void {
    const index = Math.floor(slot / this.#slotsPerChunk);
    const entry = this.#chunks[index];
    invariant(entry !== undefined && !entry.free.includes(slot), `slot ${slot} released twice`);
    entry.free.push(slot);
    this.#inUse--;
    if (entry.free.length === this.#slotsPerChunk) {
      this.#chunks[index] = undefined;
      for (let i = 0; i < this.#slotsPerChunk; i++) this.#views[entry.firstSlot + i] = undefined;
      this.#chunkCount--;
      this.#memory.giveChunk(entry.chunk);
    }
    this.#announce();
  }

  /** `slotBytes` bytes; valid until released. */
  view(slot: number): Uint8Array {
    const view = this.#views[slot];
    if (view !== undefined) return view;
    const place = this.place(slot);
    const made = new Uint8Array(place.chunk.buffer, place.offset, this.slotBytes);
    this.#views[slot] = made;
    return made;
  }

  place(slot: number): SlotPlace {
    const entry = this.#chunks[Math.floor(slot / this.#slotsPerChunk)];
    invariant(entry !== undefined, `slot ${slot} is not in use`);
    return { chunk: entry.chunk, offset: (slot - entry.firstSlot) * this.slotBytes };
  }

  /** Gives every chunk back, whatever is in use: the torrent is gone and nobody writes into its slots any more. */
  dispose(): void {
    this.#memory.stopWaiting(this.#wake);
    this.#isShort = false;
    for (const entry of this.#chunks) if (entry !== undefined) this.#memory.giveChunk(entry.chunk);
    this.#chunks.length = 0;
    this.#views.length = 0;
    this.#chunkCount = 0;
    this.#inUse = 0;
  }

  #adopt(chunk: Chunk): number {
    let index = this.#chunks.indexOf(undefined);
    if (index < 0) index = this.#chunks.length;
    const firstSlot = index * this.#slotsPerChunk;
    const free: number[] = [];
    for (let i = this.#slotsPerChunk - 1; i > 0; i--) free.push(firstSlot + i);
    this.#chunks[index] = { chunk, firstSlot, free };
    this.#chunkCount++;
    return firstSlot;
  }

  #announce(): void {
    if (!this.#isShort) return;
    this.#isShort = false;
    this.#memory.stopWaiting(this.#wake);
    this.#onAvailable();
  }
}
