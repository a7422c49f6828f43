// The contacts of a table as a binary trie of their ids, for a node that is asked all the time: whoever is nearest to a target is
// found by going down towards it, without a look at the others. Holds for one state of the table; who comes or goes ends it.

import { ID_BITS, type Id160 } from '../base/node-id.ts';
import type { ContactSlab } from './contact-slab.ts';
import type { NearestSlots } from './nearest-slots.ts';

/** Words of the target whose turn it is, and the branches not taken yet; one search at a time. */
const words = new Int32Array(ID_BITS / 32);
const pending = new Int32Array(ID_BITS + 1);

export class NearestIndex {
  readonly #slab: ContactSlab;
  /** Of each fork: the first bit in which the ids below it differ. */
  readonly #bits: Uint8Array;
  /** Of each fork, the branch with bit 0 and the one with bit 1: a fork, or the complement of a slot. */
  readonly #branches: Int32Array;
  #forks = 0;
  readonly #root: number;

  /** @param members slots with distinct ids, at least one */
  constructor(slab: ContactSlab, members: readonly number[]) {
    this.#slab = slab;
    this.#bits = new Uint8Array(members.length);
    this.#branches = new Int32Array(members.length * 2);
    const ids = members.map((slot) => ({ slot, id: slab.id(slot) })).sort((x, y) => compareIds(x.id, y.id));
    this.#root = this.#plant(ids, 0, ids.length);
  }

  /** Fills `nearest`, which was begun. @param goodFrom only who answered since (ContactSlab.goodFrom); -1 for all */
  search(nearest: NearestSlots, target: Id160, goodFrom: number): void {
    const slab = this.#slab;
    const bits = this.#bits;
    const branches = this.#branches;
    words[0] = target.a;
    words[1] = target.b;
    words[2] = target.c;
    words[3] = target.d;
    words[4] = target.e;
    pending[0] = this.#root;
    for (let left = 1; left > 0; ) {
      let at = pending[--left] as number;
      while (at >= 0) {
        const bit = bits[at] as number;
        const side = ((words[bit >>> 5] as number) >>> (31 - (bit & 31))) & 1;
        pending[left++] = branches[at * 2 + (side ^ 1)] as number;
        at = branches[at * 2 + side] as number;
      }
      if (goodFrom >= 0 && !slab.isGood(~at, goodFrom)) continue;
      nearest.append(~at);
      if (nearest.isFull) return;
    }
  }

  /** Ids from `from` to before `to`, in order. @returns what stands for them in `#branches` */
  #plant(ids: readonly { readonly slot: number; readonly id: Id160 }[], from: number, to: number): number {
    const first = ids[from] as { readonly slot: number; readonly id: Id160 };
    if (to - from === 1) return ~first.slot;
    const bit = first.id.sharedBits((ids[to - 1] as typeof first).id);
    let middle = from + 1;
    while ((ids[middle] as typeof first).id.bits(bit, 1) === 0) middle++;
    const fork = this.#forks++;
    this.#bits[fork] = bit;
    this.#branches[fork * 2] = this.#plant(ids, from, middle);
    this.#branches[fork * 2 + 1] = this.#plant(ids, middle, to);
    return fork;
  }
}

function compareIds(x: Id160, y: Id160): number {
  return (
    (x.a >>> 0) - (y.a >>> 0) ||
    (x.b >>> 0) - (y.b >>> 0) ||
    (x.c >>> 0) - (y.c >>> 0) ||
    (x.d >>> 0) - (y.d >>> 0) ||
    (x.e >>> 0) - (y.e >>> 0)
  );
}
