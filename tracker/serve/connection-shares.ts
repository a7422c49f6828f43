// Who may hold connections of a server that has places for so many: anybody while more than half are free, then each source a small
// share. So whoever opens connections and says nothing fills half of the places, and has others come in beside him. Pure.
import { sourceOf } from '../../core/base/endpoint.ts';

/** Of all places, for one address (of IPv6 the /64) when half are taken. */
const SHARE_OF_SOURCE = 1 / 32;

export class ConnectionShares {
  readonly #places: number;
  readonly #bySource = new Map<string, number>();
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** @returns false when there is no place for it; true: it has one, until `leave` */
  enter(host: string): boolean {
    const source = sourceOf(host);
    const own = this.#bySource.get(source) ?? 0;
    if (this.#taken >= this.#places) return false;
    if (this.#taken >= this.#places / 2 && own >= Math.max(1, this.#places * SHARE_OF_SOURCE)) return false;
    this.#bySource.set(source, own + 1);
    this.#taken++;
    return true;
  }

  /** Once for each that entered. */
  leave(host: string): void {
    const source = sourceOf(host);
    const own = this.#bySource.get(source) ?? 0;
    if (own > 1) this.#bySource.set(source, own - 1);
    else this.#bySource.delete(source);
    this.#taken--;
  }
}
