// Recent responders near recent targets: a re-announce starts where the last lookup ended (mldht). Bounded; oldest first out.
import type { DhtAddress } from '../base/address.ts';
import { compareDistance, type Id160 } from '../base/node-id.ts';

export interface CachedNode {
  readonly id: Id160;
  readonly address: DhtAddress;
  readonly roundTripMs: number;
}

interface Neighbourhood {
  readonly target: Id160;
  readonly nodes: readonly CachedNode[];
  readonly atMs: number;
}

/** Targets remembered: the torrents of an ordinary session. */
const MAX_TARGETS = 64;
/** Half of a mean session later most of them are still there; the lookup notices those that are not. */
const LIFETIME_MS = 40 * 60_000;
/** Targets that share as many bits have neighbourhoods in common in a network of millions. */
const MIN_SHARED_BITS = 16;

export class LookupCache {
  readonly #kept = new Map<string, Neighbourhood>();

  put(target: Id160, nodes: readonly CachedNode[], nowMs: number): void {
    const key = target.key;
    this.#kept.delete(key);
    if (nodes.length === 0) return;
    if (this.#kept.size >= MAX_TARGETS) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(key, { target, nodes, atMs: nowMs });
  }

  /** Nodes near `target`, nearest first. */
  near(target: Id160, most: number, nowMs: number): readonly CachedNode[] {
    const found: CachedNode[] = [];
    for (const [key, kept] of this.#kept) {
      if (nowMs - kept.atMs > LIFETIME_MS) this.#kept.delete(key);
      else if (kept.target.sharedBits(target) >= MIN_SHARED_BITS) found.push(...kept.nodes);
    }
    return found.sort((x, y) => compareDistance(target, x.id, y.id)).slice(0, most);
  }
}
