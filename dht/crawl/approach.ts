// The way into a zone: nodes outside of it, the nearest first, asked until enough of the zone is known. Bounded: a zone that
// nobody lives in must not become a crawl of everything.
import type { Zone } from './zone.ts';

/** With so many nodes of the zone known, the zone tells the rest itself. */
const ENOUGH_KNOWN = 64;
/** Stepping stones asked at most. */
const MAX_ASKED = 256;
const MAX_CANDIDATES = 1024;
/** Asked at once while the zone is still far: who is nearer shows soon, and those are asked instead. */
const MAX_AT_ONCE = 8;

export class Approach {
  readonly #isNeeded: boolean;
  #candidates: { readonly node: number; readonly bits: number }[] = [];
  #asked = 0;

  constructor(zone: Zone) {
    this.#isNeeded = zone.bits > 0;
  }

  /** Is another stepping stone worth keeping? */
  wants(known: number): boolean {
    return this.#isNeeded && known < ENOUGH_KNOWN && this.#asked < MAX_ASKED;
  }

  /** @param bits that its id shares with the zone's prefix */
  add(node: number, bits: number): void {
    this.#candidates.push({ node, bits });
    if (this.#candidates.length < MAX_CANDIDATES * 2) return;
    this.#sort();
    this.#candidates = this.#candidates.slice(-MAX_CANDIDATES);
  }

  hasNext(known: number, inFlight: number): boolean {
    return this.#candidates.length > 0 && this.wants(known) && inFlight < MAX_AT_ONCE;
  }

  /** Takes the nearest. */
  next(): number {
    this.#sort();
    this.#asked++;
    return this.#candidates.pop()?.node ?? -1;
  }

  /** Nearest last; among equals the newest. */
  #sort(): void {
    this.#candidates.sort((x, y) => x.bits - y.bits || x.node - y.node);
  }
}
