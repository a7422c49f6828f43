// Queries in flight by transaction id. Ids are random, so their low bits are the hash. A Map would do, but what is deleted
// from one stays reachable through the tables it outgrew, and a query drags its lookup along.
import type { OpenQuery } from './transactions.ts';

const FIRST_PLACES = 8;

export class OpenQueries {
  #places: (OpenQuery | undefined)[] = new Array<OpenQuery | undefined>(FIRST_PLACES).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(tid: number): OpenQuery | undefined {
    return this.#places[this.#placeOf(tid)];
  }

  /** Its id must not be in. */
  add(query: OpenQuery): void {
    if (this.#size * 2 >= this.#places.length) this.#grow();
    this.#places[this.#placeOf(query.tid)] = query;
    this.#size++;
  }

  delete(tid: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let hole = this.#placeOf(tid);
    if (places[hole] === undefined) return;
    this.#size--;
    places[hole] = undefined;
    // Those after it that would be found no more move up.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const query = places[at];
      if (query === undefined) return;
      const home = query.tid & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      places[hole] = query;
      places[at] = undefined;
      hole = at;
    }
  }

  all(): OpenQuery[] {
    return this.#places.filter((query) => query !== undefined);
  }

  /** Where it is, or the free place where it would be. */
  #placeOf(tid: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    let at = tid & mask;
    for (let query = places[at]; query !== undefined && query.tid !== tid; query = places[at])
      at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const held = this.all();
    this.#places = new Array<OpenQuery | undefined>(this.#places.length * 2).fill(undefined);
    for (const query of held) this.#places[this.#placeOf(query.tid)] = query;
  }
}
