// Nodes that a limit holds back, by the time at which they may be asked: a wheel of lists through the node table's own
// links, so that waiting costs no memory.
import type { NodeTable } from './node-table.ts';

const SLOT_MS = 50;
/** 51 s around; who waits longer comes by and is put back. */
const SLOTS = 1024;
const NONE = -1;

export class WaitWheel {
  readonly #table: NodeTable;
  readonly #heads = new Int32Array(SLOTS).fill(NONE);
  #size = 0;
  /** All slots before this one are empty. */
  #turn: number | undefined;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  get size(): number {
    return this.#size;
  }

  /** When the next slot with somebody in it is due; Infinity when nobody waits. */
  nextMs(): number {
    if (this.#size === 0 || this.#turn === undefined) return Number.POSITIVE_INFINITY;
    let turn = this.#turn;
    while (this.#heads[turn % SLOTS] === NONE) turn++;
    return turn * SLOT_MS;
  }

  push(node: number, readyAtMs: number, nowMs: number): void {
    const now = Math.floor(nowMs / SLOT_MS);
    this.#turn ??= now;
    if (this.#size === 0) this.#turn = now;
    const turn = Math.min(Math.max(Math.ceil(readyAtMs / SLOT_MS), now + 1), this.#turn + SLOTS - 1);
    this.#table.setNext(node, this.#heads[turn % SLOTS] as number);
    this.#heads[turn % SLOTS] = node;
    this.#size++;
  }

  /** Hands out everybody whose slot is due. */
  drain(nowMs: number, onReady: (node: number) => void): void {
    if (this.#turn === undefined) return;
    const last = Math.floor(nowMs / SLOT_MS);
    while (this.#turn <= last && this.#size > 0) {
      const slot = this.#turn % SLOTS;
      let node = this.#heads[slot] as number;
      this.#heads[slot] = NONE;
      while (node !== NONE) {
        const next = this.#table.next(node);
        this.#size--;
        onReady(node);
        node = next;
      }
      this.#turn++;
    }
  }
}
