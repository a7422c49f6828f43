// The contacts of a table that are nearest to a target: kept in order while buckets are gone through, nothing allocated. What a
// node does most, since every answer to find_node and get_peers names them.

import type { Id160 } from '../base/node-id.ts';
import type { ContactSlab } from './contact-slab.ts';

/** Enough for any request: 20 of k-rpc, 16 starts of a lookup, with room for what is skipped. */
const MAX_WANTED = 64;

export class NearestSlots {
  readonly #slots = new Int32Array(MAX_WANTED);
  /** First words of their distances, turned so that signed order is that of distances. */
  readonly #heads = new Int32Array(MAX_WANTED);
  #wanted = 0;
  size = 0;

  begin(wanted: number): void {
    this.#wanted = Math.min(wanted, MAX_WANTED);
    this.size = 0;
  }

  get isFull(): boolean {
    return this.size >= this.#wanted;
  }

  /** Nearest first. */
  at(index: number): number {
    return this.#slots[index] as number;
  }

  /** One that is farther than all so far. */
  append(slot: number): void {
    this.#slots[this.size++] = slot;
  }

  /** @param goodFrom only who answered since (ContactSlab.goodFrom); -1 for all */
  consider(slab: ContactSlab, members: readonly number[], target: Id160, goodFrom: number): void {
    const slots = this.#slots;
    const heads = this.#heads;
    const wanted = this.#wanted;
    let { size } = this;
    for (let i = 0; i < members.length; i++) {
      const slot = members[i] as number;
      const head = slab.distanceHead(slot, target);
      if (size === wanted && head > (heads[wanted - 1] as number)) continue;
      if (goodFrom >= 0 && !slab.isGood(slot, goodFrom)) continue;
      let at = size;
      while (at > 0) {
        const before = heads[at - 1] as number;
        if (before < head) break;
        if (before === head && slab.compareDistance(target, slots[at - 1] as number, slot) < 0) break;
        at--;
      }
      if (at >= wanted) continue;
      if (size < wanted) size++;
      for (let j = size - 1; j > at; j--) {
        slots[j] = slots[j - 1] as number;
        heads[j] = heads[j - 1] as number;
      }
      slots[at] = slot;
      heads[at] = head;
    }
    this.size = size;
  }
}
