// Topology: how far each routing table has been emptied. One target for each length of common prefix, from the far half of the
// id space down to the node's own neighbourhood, until a target brings nothing that is nearer than what was seen.
import type { Rng } from '../../core/base/clock.ts';
import { type Id160, randomIdAt } from '../base/node-id.ts';

/** Deeper than any network has nodes: whoever still goes on invents them. */
const MAX_LEVELS = 40;

interface Progress {
  /** Asked next: targets that share exactly so many bits. */
  level: number;
  /** Most bits that an entry shared with the owner. */
  deepest: number;
}

export class TableDrain {
  readonly #open = new Map<number, Progress>();
  #waiting: number[] = [];
  #from = 0;

  /** Tables with buckets left that may be asked now. */
  get waiting(): number {
    return this.#waiting.length - this.#from;
  }

  /** Has it been begun, and not finished? */
  has(node: number): boolean {
    return this.#open.has(node);
  }

  /** Has a bucket of it been told already? */
  hasAnswered(node: number): boolean {
    return (this.#open.get(node)?.level ?? 0) > 0;
  }

  wait(node: number): void {
    this.#waiting.push(node);
  }

  /** @returns -1 for none */
  next(): number {
    while (this.#from < this.#waiting.length) {
      const node = this.#waiting[this.#from++] as number;
      if (this.#from > 4096 && this.#from * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#from);
        this.#from = 0;
      }
      if (this.#open.has(node)) return node;
    }
    return -1;
  }

  /** What the next probe of the node asks for. */
  target(node: number, id: Id160, rng: Rng): Id160 {
    return randomIdAt(id, this.#progressOf(node).level, rng);
  }

  /** @param deepest most bits that an entry of the answer shares with its sender; -1 without entries */
  isFinishedAfter(node: number, deepest: number): boolean {
    const progress = this.#progressOf(node);
    progress.deepest = Math.max(progress.deepest, deepest);
    progress.level++;
    const isFinished = progress.level > progress.deepest + 1 || progress.level >= MAX_LEVELS;
    if (isFinished) this.#open.delete(node);
    return isFinished;
  }

  /** It fell silent. */
  forget(node: number): void {
    this.#open.delete(node);
  }

  #progressOf(node: number): Progress {
    let progress = this.#open.get(node);
    if (progress === undefined) {
      progress = { level: 0, deepest: -1 };
      this.#open.set(node, progress);
    }
    return progress;
  }
}
