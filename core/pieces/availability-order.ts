// How many peers have each piece, and the waiting pieces sorted by rank (rarest first, weighted by priority).
// Invariant: `order` is a permutation of all pieces, grouped in buckets of ascending rank; `position` is its inverse; pieces
// that do not wait (verified, unwanted, open) are in the last bucket. A change moves one piece across bucket borders: O(ranks between).
import { Bitfield } from '../base/bitfield.ts';
import { type Rng, randomInt } from '../base/clock.ts';
import { InvariantError, invariant } from '../base/result.ts';
import { nextCommonBit, visitCommonBits } from './bit-scan.ts';
import { MAX_RANK, type PickPolicy } from './policy.ts';
import { RankTable } from './rank-table.ts';

/** Two per rank: even for pieces that only complete peers have, so that they are skipped while there is none; then "out". */
const OUT = (MAX_RANK + 1) * 2;
const BUCKETS = OUT + 1;

/** A bitfield with fewer than 1 in 8 bits is cheaper to move piece by piece than to sort again. */
const SPARSE_FRACTION = 8;

/** Up to here sorting again (under 1 ms) is done at once; above, many joins share one sort. */
const SORT_AT_ONCE_PIECES = 65_536;
/** A sort of a million pieces takes about 20 ms: at most 4 % of the time. Until then a new peer's pieces have old ranks. */
const SORT_INTERVAL_MS = 500;

/** Peers counted before the histogram grows. */
const HISTOGRAM_START = 64;

export class AvailabilityOrder {
  readonly pieceCount: number;
  /** Set for pieces that are wanted, not verified and not open. Change only by `setWaiting`. */
  readonly waiting: Bitfield;
  /** How often a piece began to wait: a search that found nothing need not be repeated until this changes. */
  returns = 0;
  readonly #rng: Rng;
  readonly #ranks: RankTable;
  /** Peers that have it, complete ones aside. */
  readonly #availability: Uint16Array;
  readonly #priority: Uint8Array;
  #order: Int32Array;
  readonly #position: Int32Array;
  readonly #bucket: Uint16Array;
  /** Bucket b is order[starts[b] .. starts[b + 1]). */
  readonly #starts = new Int32Array(BUCKETS + 1);
  /** Pieces by availability. Its last place is always 0: one change raises an availability by one. */
  #histogram = new Int32Array(HISTOGRAM_START);
  #seeds = 0;
  /** Waiting pieces of availability 0. */
  #lonely = 0;
  #isStale = true;
  #nextSortMs = Number.NEGATIVE_INFINITY;

  constructor(options: { pieceCount: number; priority: number; policy: PickPolicy; rng: Rng }) {
    const { pieceCount, rng } = options;
    this.pieceCount = pieceCount;
    this.waiting = new Bitfield(pieceCount);
    this.#rng = rng;
    this.#ranks = new RankTable(options.policy);
    this.#availability = new Uint16Array(pieceCount);
    this.#priority = new Uint8Array(pieceCount).fill(options.priority);
    this.#position = new Int32Array(pieceCount);
    this.#bucket = new Uint16Array(pieceCount).fill(OUT);
    this.#starts[BUCKETS] = pieceCount;
    this.#histogram[0] = pieceCount;
    this.#order = new Int32Array(pieceCount);
    for (let i = 0; i < pieceCount; i++) {
      const j = randomInt(rng, i + 1);
      this.#order[i] = this.#order[j] as number;
      this.#order[j] = i;
    }
    for (let i = 0; i < pieceCount; i++) this.#position[this.#order[i] as number] = i;
  }

  // --- Changes --------------------------------------------------------------------------------------------------

  addSeed(): void {
    this.#seeds++;
  }

  removeSeed(): void {
    invariant(this.#seeds > 0, 'a seed left that never came');
    this.#seeds--;
  }

  addPieces(pieces: Bitfield): void {
    this.#growHistogram();
    this.#shiftAll(pieces, 1);
  }

  removePieces(pieces: Bitfield): void {
    this.#shiftAll(pieces, -1);
  }

  add(piece: number): void {
    this.#growHistogram();
    this.#shift(piece, 1);
    this.#settle(piece);
  }

  remove(piece: number): void {
    this.#shift(piece, -1);
    this.#settle(piece);
  }

  setPriority(piece: number, priority: number): void {
    this.#priority[piece] = priority;
    this.#settle(piece);
  }

  setWaiting(piece: number, isWaiting: boolean): void {
    const changed = isWaiting ? this.waiting.set(piece) : this.waiting.clear(piece);
    if (!changed) return;
    if (isWaiting) this.returns++;
    if (this.#availability[piece] === 0) this.#lonely += isWaiting ? 1 : -1;
    this.#settle(piece);
  }

  /** All at once: far cheaper than one by one. */
  reset(options: { priorityOf: (piece: number) => number; isWaiting: (piece: number) => boolean }): void {
    this.#lonely = 0;
    for (let piece = 0; piece < this.pieceCount; piece++) {
      this.#priority[piece] = options.priorityOf(piece);
      if (options.isWaiting(piece)) {
        this.waiting.set(piece);
        if (this.#availability[piece] === 0) this.#lonely++;
      } else this.waiting.clear(piece);
    }
    this.returns++;
    this.#isStale = true;
    this.#nextSortMs = Number.NEGATIVE_INFINITY;
  }

  /** Sorts again when many pieces changed at once. Call before a search. */
  refresh(nowMs: number): void {
    if (!this.#isStale) return;
    if (this.pieceCount > SORT_AT_ONCE_PIECES && nowMs < this.#nextSortMs) return;
    this.#nextSortMs = nowMs + SORT_INTERVAL_MS;
    this.#sort();
  }

  // --- Figures --------------------------------------------------------------------------------------------------

  get seeds(): number {
    return this.#seeds;
  }

  priorityOf(piece: number): number {
    return this.#priority[piece] as number;
  }

  availabilityOf(piece: number): number {
    return (this.#availability[piece] as number) + this.#seeds;
  }

  /** Peers that have each piece, 255 for more; a copy. */
  availabilityBytes(): Uint8Array {
    const bytes = new Uint8Array(this.pieceCount);
    for (let piece = 0; piece < bytes.length; piece++)
      bytes[piece] = Math.min(0xff, this.availabilityOf(piece));
    return bytes;
  }

  /** Waiting pieces that some peer has. */
  get obtainableCount(): number {
    return this.waiting.count - (this.#seeds > 0 ? 0 : this.#lonely);
  }

  get distributedCopies(): number {
    if (this.pieceCount === 0) return 0;
    const fewest = this.#histogram.findIndex((pieces) => pieces > 0);
    return this.#seeds + fewest + 1 - (this.#histogram[fewest] as number) / this.pieceCount;
  }

  /** Whether both go equally soon. */
  isSameRank(a: number, b: number): boolean {
    return (this.#bucket[a] as number) >>> 1 === (this.#bucket[b] as number) >>> 1;
  }

  // --- Searches: each returns a waiting piece that is set in `pieces`, or -1 ------------------------------------------

  /** @param budget places to look at: -1 does not prove that there is none */
  first(pieces: Bitfield, budget: number): number {
    const starts = this.#starts;
    const step = this.#seeds > 0 ? 1 : 2;
    let left = budget;
    for (let bucket = step - 1; bucket < OUT && left > 0; bucket += step) {
      const end = Math.min(starts[bucket + 1] as number, (starts[bucket] as number) + left);
      for (let at = starts[bucket] as number; at < end; at++, left--) {
        const piece = this.#order[at] as number;
        if (pieces.has(piece)) return piece;
      }
    }
    return -1;
  }

  /** The most common one. */
  last(pieces: Bitfield, budget: number): number {
    const end = this.#starts[OUT] as number;
    for (let at = end - 1; at >= Math.max(0, end - budget); at--) {
      const piece = this.#order[at] as number;
      if (pieces.has(piece)) return piece;
    }
    return -1;
  }

  /** Any; among the first few met the one of highest priority. */
  random(pieces: Bitfield): number {
    const end = this.#starts[OUT] as number;
    let best = -1;
    for (let probe = 0; probe < RANDOM_PROBES && end > 0; probe++) {
      const piece = this.#order[randomInt(this.#rng, end)] as number;
      if (pieces.has(piece) && (best < 0 || this.priorityOf(piece) > this.priorityOf(best))) best = piece;
    }
    if (best >= 0) return best;
    const from = randomInt(this.#rng, this.pieceCount);
    const after = nextCommonBit(pieces.bytes, this.waiting.bytes, from);
    return after >= 0 ? after : nextCommonBit(pieces.bytes, this.waiting.bytes, 0);
  }

  /** The lowest index at or after `from`. */
  next(pieces: Bitfield, from: number): number {
    return nextCommonBit(pieces.bytes, this.waiting.bytes, from);
  }

  /** The first piece of the longest run of neighbours, among those of the highest priority that there is. O(pieces). */
  longestGap(pieces: Bitfield): number {
    let best = -1;
    let bestLength = 0;
    let bestPriority = 0;
    for (let piece = this.next(pieces, 0); piece >= 0; ) {
      const priority = this.priorityOf(piece);
      let end = piece + 1;
      while (end < this.pieceCount && this.waiting.has(end) && pieces.has(end)) {
        if (this.priorityOf(end) !== priority) break;
        end++;
      }
      if (priority > bestPriority || (priority === bestPriority && end - piece > bestLength)) {
        best = piece;
        bestLength = end - piece;
        bestPriority = priority;
      }
      piece = end < this.pieceCount ? this.next(pieces, end) : -1;
    }
    return best;
  }

  /**
   * The first `max` in order, by an exhaustive search: O(pieces / 32) where they are few, O(pieces) where they are many.
   * Empty proves that there is none.
   */
  collect(pieces: Bitfield, max: number): Int32Array {
    const few = new Int32Array(FEW_MATCHES);
    let count = 0;
    visitCommonBits(pieces.bytes, this.waiting.bytes, (piece) => {
      if (count < FEW_MATCHES) few[count] = this.#position[piece] as number;
      return ++count <= FEW_MATCHES;
    });
    if (count > FEW_MATCHES) {
      const found = this.#collectInOrder(pieces, max);
      if (found.length > 0) return found;
      count = FEW_MATCHES; // not sorted since they came: any order will do
    }
    const positions = few.subarray(0, count).sort();
    return positions.slice(0, max).map((at) => this.#order[at] as number);
  }

  #collectInOrder(pieces: Bitfield, max: number): Int32Array {
    const found = new Int32Array(max);
    let count = 0;
    const end = this.#starts[OUT] as number;
    for (let at = 0; at < end && count < max; at++) {
      const piece = this.#order[at] as number;
      if (pieces.has(piece)) found[count++] = piece;
    }
    return found.subarray(0, count);
  }

  // --- Upkeep ---------------------------------------------------------------------------------------------------

  #growHistogram(): void {
    if (this.#histogram[this.#histogram.length - 1] === 0) return;
    const wider = new Int32Array(this.#histogram.length * 2);
    wider.set(this.#histogram);
    this.#histogram = wider;
  }

  #shiftAll(pieces: Bitfield, by: 1 | -1): void {
    const isSparse = pieces.count * SPARSE_FRACTION < this.pieceCount;
    const bytes = pieces.bytes;
    for (let at = 0; at < bytes.length; at++) {
      for (let rest = bytes[at] as number; rest !== 0; ) {
        const bit = Math.clz32(rest) - 24;
        rest ^= 0x80 >>> bit;
        const piece = at * 8 + bit;
        this.#shift(piece, by);
        if (isSparse) this.#settle(piece);
      }
    }
    if (!isSparse) this.#isStale = true;
  }

  #shift(piece: number, by: 1 | -1): void {
    const before = this.#availability[piece] as number;
    const after = before + by;
    if (after < 0) throw new InvariantError(`availability of piece ${piece} below zero`);
    this.#availability[piece] = after;
    const histogram = this.#histogram;
    histogram[before] = (histogram[before] as number) - 1;
    histogram[after] = (histogram[after] as number) + 1;
    if ((before === 0 || after === 0) && this.waiting.has(piece)) this.#lonely -= by;
  }

  #bucketOf(piece: number): number {
    if (!this.waiting.has(piece)) return OUT;
    const availability = this.#availability[piece] as number;
    const rank = this.#ranks.rank(availability, this.#priority[piece] as number);
    return rank * 2 + (availability > 0 ? 1 : 0);
  }

  /** Puts one piece where it belongs now, at a random place in its bucket. */
  #settle(piece: number): void {
    const target = this.#bucketOf(piece);
    let bucket = this.#bucket[piece] as number;
    if (bucket === target) return;
    const starts = this.#starts;
    let at = this.#position[piece] as number;
    while (bucket < target) {
      const last = (starts[bucket + 1] as number) - 1;
      if (last !== at) this.#swap(at, last);
      at = last;
      starts[++bucket] = last;
    }
    while (bucket > target) {
      const first = starts[bucket] as number;
      if (first !== at) this.#swap(at, first);
      at = first;
      starts[bucket--] = first + 1;
    }
    this.#bucket[piece] = target;
    if (target === OUT) return;
    const start = starts[target] as number;
    const other = start + randomInt(this.#rng, (starts[target + 1] as number) - start);
    if (other !== at) this.#swap(at, other);
  }

  #swap(i: number, j: number): void {
    const order = this.#order;
    const atI = order[i] as number;
    const atJ = order[j] as number;
    order[i] = atJ;
    order[j] = atI;
    this.#position[atJ] = i;
    this.#position[atI] = j;
  }

  /** Counting sort. Stable, so pieces of one rank keep their shuffled order. */
  #sort(): void {
    const starts = this.#starts.fill(0);
    for (let piece = 0; piece < this.pieceCount; piece++) {
      const bucket = this.#bucketOf(piece);
      this.#bucket[piece] = bucket;
      starts[bucket + 1] = (starts[bucket + 1] as number) + 1;
    }
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      starts[bucket + 1] = (starts[bucket + 1] as number) + (starts[bucket] as number);
    }
    const next = starts.slice();
    const sorted = new Int32Array(this.pieceCount);
    for (let at = 0; at < this.pieceCount; at++) {
      const piece = this.#order[at] as number;
      const bucket = this.#bucket[piece] as number;
      const place = next[bucket] as number;
      next[bucket] = place + 1;
      sorted[place] = piece;
      this.#position[piece] = place;
    }
    this.#order = sorted;
    this.#isStale = false;
  }

  /** For tests. */
  checkInvariants(): void {
    let lonely = 0;
    const histogram: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const end = this.#starts[bucket + 1] as number;
      invariant((this.#starts[bucket] as number) <= end, `bucket ${bucket} ends before it begins`);
      for (let at = this.#starts[bucket] as number; at < end; at++) {
        const piece = this.#order[at] as number;
        invariant(this.#position[piece] === at, `piece ${piece} is not where it should be`);
        invariant(this.#bucket[piece] === bucket, `piece ${piece} lies in bucket ${bucket}`);
        invariant(
          this.#isStale || bucket === this.#bucketOf(piece),
          `piece ${piece} has the rank of bucket ${this.#bucketOf(piece)} but lies in ${bucket}`,
        );
        const availability = this.#availability[piece] as number;
        histogram[availability] = (histogram[availability] ?? 0) + 1;
        if (availability === 0 && this.waiting.has(piece)) lonely++;
      }
    }
    invariant(this.#starts[0] === 0 && this.#starts[BUCKETS] === this.pieceCount, 'buckets miss pieces');
    invariant(lonely === this.#lonely, `${lonely} lonely pieces, ${this.#lonely} counted`);
    for (let i = 0; i < Math.max(histogram.length, this.#histogram.length); i++) {
      invariant((histogram[i] ?? 0) === (this.#histogram[i] ?? 0), `histogram wrong at ${i}`);
    }
  }
}

/** Random places tried before bits are searched: enough to hit a peer that has one piece in five. */
const RANDOM_PROBES = 8;
/** Up to here matches are sorted among themselves; more will soon be met in order. */
const FEW_MATCHES = 4096;
