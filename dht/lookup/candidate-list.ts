// The candidates of one lookup, nearest to the target first. Invariants: a contact (id and address) stands in it once; it is
// bounded, and the farthest that nobody has asked go first.
import type { DhtAddress } from '../base/address.ts';
import { isValidId } from '../base/bep42.ts';
import { compareDistance, type Id160 } from '../base/node-id.ts';
import type { Candidate } from './lookup-candidate.ts';

/** Far more than any lookup asks. */
const MAX_CANDIDATES = 250;

export class CandidateList {
  readonly #target: Id160;
  readonly #requireValidIds: boolean;
  /** Ids taken by other paths of the same lookup; undefined for a plain lookup. */
  readonly #claims: Set<string> | undefined;
  readonly #items: Candidate[] = [];

  constructor(target: Id160, requireValidIds: boolean, claims: Set<string> | undefined) {
    this.#target = target;
    this.#requireValidIds = requireValidIds;
    this.#claims = claims;
  }

  get sorted(): readonly Candidate[] {
    return this.#items;
  }

  /** A known contact gets one source more; one that another path has taken is left to it. */
  insert(candidate: Candidate, id: Id160): void {
    const items = this.#items;
    const from = candidate.sources[0];
    const at = this.#placeOf(id);
    const held = this.#heldFrom(at, id, candidate.address);
    if (held !== undefined) {
      if (from !== undefined) held.addSource(from);
      return;
    }
    if (this.#claims !== undefined) {
      if (this.#claims.has(id.key)) return;
      this.#claims.add(id.key);
    }
    if (items.length >= MAX_CANDIDATES) {
      if (at === items.length) return;
      const last = items[items.length - 1] as Candidate;
      if (last.state === 'new' || last.state === 'aside') items.pop();
    }
    candidate.isValid = this.isValid(id, candidate);
    items.splice(at, 0, candidate);
  }

  /** The candidate that is this contact. */
  find(id: Id160, address: DhtAddress): Candidate | undefined {
    return this.#heldFrom(this.#placeOf(id), id, address);
  }

  /** @param from where the id would stand: it may do so several times, since whoever names a wrong address must not hide the right one */
  #heldFrom(from: number, id: Id160, address: DhtAddress): Candidate | undefined {
    for (let i = from; i < this.#items.length; i++) {
      const held = this.#items[i] as Candidate;
      if (!held.id?.equals(id)) return undefined;
      if (held.address.equals(address)) return held;
    }
    return undefined;
  }

  /** A bootstrap address that has told its id by answering. */
  insertAnswered(candidate: Candidate, id: Id160): void {
    const at = this.#placeOf(id);
    const held = this.#items[at];
    // Named by somebody else meanwhile: the one that answered stands for both.
    const isHeld = held?.id?.equals(id) && held.address.equals(candidate.address);
    this.#items.splice(at, isHeld ? 1 : 0, candidate);
  }

  isValid(id: Id160, candidate: Candidate): boolean {
    return !this.#requireValidIds || isValidId(id, candidate.address);
  }

  /** The doubtful get their turn. @returns whether there are any */
  readmit(): boolean {
    let count = 0;
    for (const candidate of this.#items) {
      if (candidate.state !== 'aside' || candidate.isSameHost || !candidate.isValid) continue;
      candidate.state = 'new';
      candidate.sources.length = 0;
      count++;
    }
    return count > 0;
  }

  /** First place whose id is not nearer to the target. */
  #placeOf(id: Id160): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = (this.#items[middle] as Candidate).id as Id160;
      if (compareDistance(this.#target, other, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
