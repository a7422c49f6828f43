// Which node is at an endpoint: a hash table of node numbers in 256 parts. A part grows alone and by three tenths, so that the table
// is about three quarters full at any size, and neither memory nor the clock ever pays for a second copy of all of it. Parts are made of
// small blocks that are never given back: what a growing table leaves behind would lie about in the system's heap. What a number
// leaves of its 32 bits holds a part of the hash: who is another one is told without looking at its address.
import { hashAddress } from './hash.ts';

/** An endpoint of either family; IPv4 uses `w0` only. */
export interface EndpointWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly port: number;
}

/** Where the addresses themselves are. */
export interface Endpoints {
  isAt(node: number, endpoint: EndpointWords): boolean;
  /** Of its address, as `hashAddress` has it. */
  hashOf(node: number): number;
}

const PARTS = 256;
const PART_SHIFT = 24;
const PLACE_MASK = (1 << PART_SHIFT) - 1;
const PLACE_SCALE = 2 ** -PART_SHIFT;
/** Places of a block, and blocks of a slab, which is what memory is asked for. */
const BLOCK_BITS = 8;
const BLOCK = 1 << BLOCK_BITS;
const SLAB_BITS = 8;
const SLAB = 1 << SLAB_BITS;
const GROWTH = 1.3;
/** Above this share of taken places a part grows. */
const MAX_LOAD = 0.85;
/** Numbers begin with so many bits, and have more when that is not enough. */
const FIRST_NUMBER_BITS = 24;
const FREE = 0;
const NONE = -1;

interface Part {
  /** Numbers of its blocks. */
  readonly blocks: number[];
  /** How many it would have if there were halves of them. */
  size: number;
  taken: number;
  /** Of an entry: how many bits the number has. */
  numberBits: number;
}

export class EndpointIndex {
  readonly #endpoints: Endpoints;
  readonly #parts: readonly Part[];
  /** An entry is 0 for nobody, else the number plus one below and bits of the hash above. */
  readonly #slabs: Int32Array[] = [];
  #blocks = 0;
  /** Entries of the part that grows; used again. */
  #moved = new Int32Array(0);

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
    // Of all sizes between one step and the next, so that they do not grow all at once.
    this.#parts = Array.from({ length: PARTS }, (_, part) => ({
      blocks: [this.#newBlock()],
      size: GROWTH ** (part / PARTS),
      taken: 0,
      numberBits: FIRST_NUMBER_BITS,
    }));
  }

  get bytes(): number {
    return this.#slabs.length * SLAB * BLOCK * 4 + this.#moved.byteLength;
  }

  /** @returns the node at this endpoint, -1 for none */
  find(endpoint: EndpointWords): number {
    const hash = hashAddress(endpoint.w0, endpoint.w1, endpoint.w2, endpoint.w3, endpoint.port);
    const part = this.#parts[hash >>> PART_SHIFT] as Part;
    const { numberBits } = part;
    const { blocks } = part;
    const numbers = (1 << numberBits) - 1;
    const print = hash << numberBits;
    const first = placeOf(hash, blocks.length << BLOCK_BITS);
    let at = first & (BLOCK - 1);
    for (let i = first >>> BLOCK_BITS; ; i = i + 1 === blocks.length ? 0 : i + 1) {
      const block = blocks[i] as number;
      const entries = this.#slabs[block >>> SLAB_BITS] as Int32Array;
      const from = (block & (SLAB - 1)) << BLOCK_BITS;
      for (; at < BLOCK; at++) {
        const entry = entries[from + at] as number;
        if (entry === FREE) return NONE;
        if ((entry ^ print) >>> numberBits !== 0) continue;
        const node = (entry & numbers) - 1;
        if (this.#endpoints.isAt(node, endpoint)) return node;
      }
      at = 0;
    }
  }

  /** @param node below 2^31 - 1, at an endpoint that `find` does not know */
  add(node: number): void {
    const hash = this.#endpoints.hashOf(node);
    const part = this.#parts[hash >>> PART_SHIFT] as Part;
    const bits = 32 - Math.clz32(node + 1);
    if (bits > part.numberBits) this.#rebuild(part, bits);
    if (part.taken >= (part.blocks.length << BLOCK_BITS) * MAX_LOAD) {
      part.size *= GROWTH;
      this.#rebuild(part, part.numberBits);
    }
    this.#place(part, node, hash);
    part.taken++;
  }

  /** Puts everybody anew into as many blocks as the part should have. */
  #rebuild(part: Part, numberBits: number): void {
    const { blocks, numberBits: bitsBefore } = part;
    const length = blocks.length << BLOCK_BITS;
    if (this.#moved.length < length) this.#moved = new Int32Array(length * 2);
    const moved = this.#moved;
    for (const [i, block] of blocks.entries()) {
      const entries = this.#slabs[block >>> SLAB_BITS] as Int32Array;
      const from = (block & (SLAB - 1)) << BLOCK_BITS;
      moved.set(entries.subarray(from, from + BLOCK), i << BLOCK_BITS);
      entries.fill(FREE, from, from + BLOCK);
    }
    while (blocks.length < part.size) blocks.push(this.#newBlock());
    part.numberBits = numberBits;
    for (let i = 0; i < length; i++) {
      const entry = moved[i] as number;
      if (entry === FREE) continue;
      const node = (entry & ((1 << bitsBefore) - 1)) - 1;
      this.#place(part, node, this.#endpoints.hashOf(node));
    }
  }

  #place(part: Part, node: number, hash: number): void {
    const places = part.blocks.length << BLOCK_BITS;
    let at = placeOf(hash, places);
    while (this.#entry(part, at) !== FREE) at = at + 1 === places ? 0 : at + 1;
    const block = part.blocks[at >>> BLOCK_BITS] as number;
    const entries = this.#slabs[block >>> SLAB_BITS] as Int32Array;
    entries[((block & (SLAB - 1)) << BLOCK_BITS) | (at & (BLOCK - 1))] =
      (hash << part.numberBits) | (node + 1);
  }

  #entry(part: Part, at: number): number {
    const block = part.blocks[at >>> BLOCK_BITS] as number;
    const entries = this.#slabs[block >>> SLAB_BITS] as Int32Array;
    return entries[((block & (SLAB - 1)) << BLOCK_BITS) | (at & (BLOCK - 1))] as number;
  }

  #newBlock(): number {
    if (this.#blocks >>> SLAB_BITS === this.#slabs.length) this.#slabs.push(new Int32Array(SLAB * BLOCK));
    return this.#blocks++;
  }
}

function placeOf(hash: number, places: number): number {
  return Math.floor((hash & PLACE_MASK) * places * PLACE_SCALE);
}
