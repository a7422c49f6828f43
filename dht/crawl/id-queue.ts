// The queue of a crawl: nodes that wait, in lists by the head of their id, so that the nearest to a cursor comes out without
// sorting. The lists are links in the node table: waiting costs no memory.
import type { NodeTable } from './node-table.ts';

const NONE = -1;
/** Lists by the first bits of the id behind the zone's prefix. */
const QUEUE_BITS = 16;
const LISTS = 1 << QUEUE_BITS;
const WORD_BITS = 5;

/** Which lists hold somebody: a bit each, a bit for each 32 of those, and so on, so that the next one is a few steps away. */
class TakenLists {
  readonly #levels = [5, 10, 15, 20].map((shift) => new Int32Array(Math.max(1, LISTS >>> shift)));

  add(list: number): void {
    let at = list;
    for (const words of this.#levels) {
      const before = words[at >>> WORD_BITS] as number;
      words[at >>> WORD_BITS] = before | (1 << (at & 31));
      if (before !== 0) return;
      at >>>= WORD_BITS;
    }
  }

  remove(list: number): void {
    let at = list;
    for (const words of this.#levels) {
      const rest = (words[at >>> WORD_BITS] as number) & ~(1 << (at & 31));
      words[at >>> WORD_BITS] = rest;
      if (rest !== 0) return;
      at >>>= WORD_BITS;
    }
  }

  /** The first one that is taken at `list` or after it, round the end; there must be one. */
  from(list: number): number {
    const after = this.#after(list);
    return after >= 0 ? after : this.#after(0);
  }

  #after(list: number): number {
    let at = list;
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level] as Int32Array;
      // A list past the end of its level has nobody after it.
      if (at >>> WORD_BITS >= words.length) return NONE;
      const rest = (words[at >>> WORD_BITS] as number) & (-1 << (at & 31));
      if (rest === 0) {
        at = (at >>> WORD_BITS) + 1;
        continue;
      }
      at = (at & ~31) | lowestBit(rest);
      for (let down = level - 1; down >= 0; down--)
        at = (at << WORD_BITS) | lowestBit((this.#levels[down] as Int32Array)[at] as number);
      return at;
    }
    return NONE;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** Nodes that wait to be asked, nearest list after a moving cursor first; within a list the newest first. */
export class IdQueue {
  readonly #table: NodeTable;
  readonly #zoneBits: number;
  readonly #heads = new Int32Array(LISTS).fill(NONE);
  readonly #taken = new TakenLists();
  #size = 0;
  #cursor: number;

  /** @param start where the cursor begins, 0 to 1 of the zone */
  constructor(table: NodeTable, zoneBits: number, start: number) {
    this.#table = table;
    this.#zoneBits = Math.min(zoneBits, 32 - QUEUE_BITS);
    this.#cursor = Math.floor(start * LISTS) & (LISTS - 1);
  }

  get size(): number {
    return this.#size;
  }

  /** How far round the zone the cursor is, as a list number. */
  get cursor(): number {
    return this.#cursor;
  }

  push(node: number): void {
    const list = (this.#table.head(node) << this.#zoneBits) >>> (32 - QUEUE_BITS);
    this.#table.setNext(node, this.#heads[list] as number);
    this.#heads[list] = node;
    this.#taken.add(list);
    this.#size++;
  }

  /** @returns -1 when empty */
  pop(): number {
    if (this.#size === 0) return NONE;
    this.#cursor = this.#taken.from(this.#cursor);
    const node = this.#heads[this.#cursor] as number;
    const next = this.#table.next(node);
    this.#heads[this.#cursor] = next;
    if (next === NONE) this.#taken.remove(this.#cursor);
    this.#table.setNext(node, NONE);
    this.#size--;
    return node;
  }
}
