// BEP 44 items we keep for others: bounded, expiring two hours after the last put, the farthest from our own id going first
// when full. Invariant: a mutable item's sequence number never falls.
import { bytesEqual, latin1 } from '../../core/base/bytes.ts';
import { compareDistance, Id160 } from '../base/node-id.ts';
import type { StorePolicy } from '../base/options.ts';
import type { DhtItem } from '../base/results.ts';

export type PutOutcome = 'stored' | 'cas-mismatch' | 'seq-too-low' | 'full';

interface StoredItem {
  readonly item: DhtItem;
  readonly target: Id160;
  putAtMs: number;
}

export class ItemStore {
  readonly #policy: StorePolicy;
  readonly #items = new Map<string, StoredItem>();

  constructor(policy: StorePolicy) {
    this.#policy = policy;
  }

  get size(): number {
    return this.#items.size;
  }

  get(target: Uint8Array, nowMs: number): DhtItem | undefined {
    const key = latin1(target);
    const stored = this.#items.get(key);
    if (stored === undefined) return undefined;
    if (nowMs - stored.putAtMs > this.#policy.itemLifetimeMs) {
      this.#items.delete(key);
      return undefined;
    }
    return stored.item;
  }

  /** The item's authenticity has been checked. @param ownId decides which item goes when the store is full */
  put(item: DhtItem, cas: bigint | undefined, ownId: Id160, nowMs: number): PutOutcome {
    const held = this.get(item.target, nowMs);
    if (held?.kind === 'mutable' && item.kind === 'mutable') {
      if (cas !== undefined && cas !== held.seq) return 'cas-mismatch';
      if (item.seq < held.seq) return 'seq-too-low';
      if (item.seq === held.seq && !bytesEqual(item.v, held.v)) return 'seq-too-low';
    }
    const target = Id160.of(item.target);
    if (held === undefined && !this.#makeRoom(target, ownId, nowMs)) return 'full';
    this.#items.set(latin1(item.target), { item, target, putAtMs: nowMs });
    return 'stored';
  }

  #makeRoom(newcomer: Id160, ownId: Id160, nowMs: number): boolean {
    if (this.#items.size < this.#policy.maxItems) return true;
    let farthest: string | undefined;
    let farthestId = newcomer;
    for (const [key, stored] of this.#items) {
      if (nowMs - stored.putAtMs > this.#policy.itemLifetimeMs) {
        this.#items.delete(key);
        return true;
      }
      if (compareDistance(ownId, stored.target, farthestId) > 0) {
        farthest = key;
        farthestId = stored.target;
      }
    }
    return farthest !== undefined && this.#items.delete(farthest);
  }
}
