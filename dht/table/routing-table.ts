// The routing table of one family: buckets by digits shared with our own id, verified contacts only, spares beside them.
// Invariants: a contact is in one bucket once; one per IP in the table, one per /24 or /64 in a bucket; the 8 nodes nearest
// to ourselves are never displaced by farther ones.
import { type DhtAddress, type Family, getWord } from '../base/address.ts';
import { compareDistance, ID_BITS, type Id160 } from '../base/node-id.ts';
import type { TablePolicy } from '../base/options.ts';
import { type Bucket, Buckets } from './buckets.ts';
import { ContactSlab } from './contact-slab.ts';
import { NearestIndex } from './nearest-index.ts';
import { NearestSlots } from './nearest-slots.ts';
import { slowestOfCrowd } from './wide-bucket.ts';

/** BEP 5: good is who answered within this time. */
export const GOOD_MS = 15 * 60_000;
/** So many questions within so much time make an index worth its while: few nodes are ever asked as often. */
const BUSY_QUESTIONS = 64;
const BUSY_MS = 1000;
/** Buckets that may be known as closed: bits of a word. */
const CLOSED_BITS = 31;

export type OfferOutcome = 'known' | 'added' | 'replaced' | 'spare' | 'refused';

/** Results of the last selection; synchronous use only, so one serves all tables of the process. */
const nearest = new NearestSlots();

export class RoutingTable {
  readonly ownId: Id160;
  /** One bit for each of the first buckets: known to be full of good nodes, and not of our neighbourhood. */
  #closed = 0;
  readonly #buckets: Buckets;
  readonly slab: ContactSlab;
  readonly #policy: TablePolicy;
  #size = 0;
  readonly family: Family;
  /** -1 when it has to be counted. */
  #homeLevel = -1;
  /** Of a busy table, until its members change. */
  #index: NearestIndex | undefined;
  /** Questions since `#busyFromMs`. */
  #questions = 0;
  #busyFromMs = 0;

  constructor(family: Family, ownId: Id160, policy: TablePolicy) {
    this.family = family;
    this.ownId = ownId;
    this.#policy = policy;
    this.#buckets = new Buckets(ownId, policy);
    this.slab = new ContactSlab(family);
  }

  /** Members of all buckets; spares not counted. */
  get size(): number {
    return this.#size;
  }

  /** By shared digits, shallow first, with gaps: what `buckets` goes through, for those who do so all the time. */
  get places(): readonly (Bucket | undefined)[] {
    return this.#buckets.all;
  }

  /** In order of shared digits, shallow first. */
  *buckets(): IterableIterator<Bucket> {
    for (const bucket of this.#buckets.all) if (bucket !== undefined) yield bucket;
  }

  *members(): IterableIterator<number> {
    for (const bucket of this.#buckets.all) if (bucket !== undefined) yield* bucket.members;
  }

  isGood(slot: number, nowMs: number): boolean {
    return this.slab.isGood(slot, ContactSlab.goodFrom(nowMs, GOOD_MS));
  }

  goodCount(nowMs: number): number {
    const goodFrom = ContactSlab.goodFrom(nowMs, GOOD_MS);
    let count = 0;
    for (const bucket of this.#buckets.all)
      if (bucket !== undefined)
        for (const slot of bucket.members) if (this.slab.isGood(slot, goodFrom)) count++;
    return count;
  }

  /** The member with this id, -1 for none. */
  find(id: Id160): number {
    const bucket = this.#buckets.find(id);
    return bucket === undefined ? -1 : this.#findIn(bucket.members, id);
  }

  /**
   * Offers a contact that answered just now from this very address with this very id (or, in a trusting table, was seen).
   */
  offer(id: Id160, address: DhtAddress, roundTripMs: number, nowMs: number): OfferOutcome {
    if (id.equals(this.ownId)) return 'refused';
    const bucket = this.#buckets.of(id);
    const held = this.#findIn(bucket.members, id);
    if (held >= 0) return this.#confirm(bucket, held, address, roundTripMs, nowMs);
    this.#dropSpare(bucket, id);
    if (!this.#isAddressFree(bucket, address)) return 'refused';
    if (bucket.members.length < bucket.capacity) {
      this.#add(bucket, id, address, roundTripMs, nowMs);
      return 'added';
    }
    const victim = this.#victimFor(bucket, id, roundTripMs);
    if (victim >= 0) {
      this.#remove(bucket, victim);
      this.#add(bucket, id, address, roundTripMs, nowMs);
      return 'replaced';
    }
    if (this.#policy.spares === 0) return 'refused';
    if (bucket.spares.length >= this.#policy.spares) this.slab.remove(bucket.spares.shift() as number);
    const slot = this.slab.add(id, address);
    this.slab.markAnswered(slot, roundTripMs, nowMs);
    bucket.spares.push(slot);
    return 'spare';
  }

  /**
   * Nobody whose id begins with this word is wanted: known without a look at the bucket, which is somewhere in cold memory. False
   * says nothing.
   */
  isClosedTo(firstWord: number): boolean {
    const level = Math.clz32(firstWord ^ this.ownId.a);
    return level < CLOSED_BITS && (this.#closed & (1 << level)) !== 0;
  }

  /** Is the id at `at` of a message a member already, or has it no place? Known before an object is made of it; false says nothing. */
  isUseless(bytes: Uint8Array, at: number): boolean {
    const first = getWord(bytes, at);
    const level = Math.clz32(first ^ this.ownId.a);
    if (this.#buckets.perLevel > 1 || level >= CLOSED_BITS) return false;
    if ((this.#closed & (1 << level)) !== 0) return true;
    const bucket = this.#buckets.all[level];
    if (bucket !== undefined)
      for (const slot of bucket.members) if (this.slab.hasIdAt(slot, bytes, at)) return true;
    return false;
  }

  /** The contact that was asked has answered. @returns false when the slot is somebody else's by now: offer it then */
  confirmAt(slot: number, id: Id160, address: DhtAddress, roundTripMs: number, nowMs: number): boolean {
    if (slot < 0 || !this.slab.hasId(slot, id) || !this.slab.hasAddress(slot, address)) return false;
    this.slab.markAnswered(slot, roundTripMs, nowMs);
    return true;
  }

  /** Would an unverified node be worth a ping: is there room, or somebody failing, or is it a near neighbour? */
  isWanted(id: Id160, address: DhtAddress): boolean {
    if (this.isClosedTo(id.a) || id.equals(this.ownId)) return false;
    const bucket = this.#buckets.find(id);
    if (bucket === undefined) return this.#isHostFree(address);
    if (this.#findIn(bucket.members, id) >= 0) return false;
    if (bucket.members.length < bucket.capacity || this.#hasFailing(bucket))
      return this.#isAddressFree(bucket, address);
    // With k members in deeper buckets nobody of this one is a neighbour: known without sorting them.
    if (bucket.level < this.neighbourhoodLevel()) {
      if (this.#buckets.perLevel === 1 && bucket.level < CLOSED_BITS) this.#closed |= 1 << bucket.level;
      return false;
    }
    return this.#fartherNeighbour(bucket, id) >= 0 && this.#isAddressFree(bucket, address);
  }

  /**
   * A query to this endpoint failed. A verified spare takes the place at once, otherwise the contact goes after
   * `maxFailures`. Not to be called while we are offline ourselves.
   */
  fail(id: Id160, address: DhtAddress, nowMs: number): void {
    const bucket = this.#buckets.find(id);
    if (bucket === undefined) return;
    const slot = this.#findIn(bucket.members, id);
    if (slot < 0) {
      const spare = this.#findIn(bucket.spares, id);
      if (spare >= 0 && this.slab.hasAddress(spare, address)) this.#dropSpare(bucket, id);
      return;
    }
    if (!this.slab.hasAddress(slot, address)) return;
    const failures = this.slab.markFailed(slot);
    this.#reopen(bucket);
    const spare = this.#freshSpare(bucket, nowMs);
    if (spare < 0 && failures < this.#policy.maxFailures) return;
    this.#remove(bucket, slot);
    if (spare >= 0) this.#promote(bucket, spare);
  }

  /** Something at this address answers under another id: the old entry is a lie now. */
  evictAddress(address: DhtAddress, nowMs: number): void {
    const slot = this.slab.findAddress(address);
    if (slot < 0) return;
    const id = this.slab.id(slot);
    const bucket = this.#buckets.of(id);
    if (!bucket.members.includes(slot)) {
      this.#dropSpare(bucket, id);
      return;
    }
    this.#remove(bucket, slot);
    const spare = this.#freshSpare(bucket, nowMs);
    if (spare >= 0) this.#promote(bucket, spare);
  }

  /**
   * Slots of the contacts closest to `target`, nearest first. The array is the table's own and holds until the next call.
   * @param mode `good` are those that may be handed out
   * @returns how many; at most `count`
   */
  closest(target: Id160, count: number, mode: 'good' | 'all', nowMs: number): number {
    nearest.begin(count);
    const isGoodOnly = mode === 'good' && this.#policy.handOutGoodOnly;
    const goodFrom = isGoodOnly ? ContactSlab.goodFrom(nowMs, GOOD_MS) : -1;
    const index = this.#index ?? this.#indexWhenBusy(mode, nowMs);
    if (index !== undefined) {
      index.search(nearest, target, goodFrom);
      return nearest.size;
    }
    const shared = target.sharedBits(this.ownId);
    const level = Math.min(this.#buckets.levelOf(shared), this.#buckets.levels - 1);
    // Everything at this level or deeper is nearer than anything above; every level above is nearer than the next.
    const own = shared === ID_BITS ? -1 : this.#buckets.indexFor(target);
    if (own >= 0) this.#consider(own, target, goodFrom);
    if (!nearest.isFull) {
      for (let at = Math.max(0, level) * this.#buckets.perLevel; at < this.#buckets.all.length; at++)
        if (at !== own) this.#consider(at, target, goodFrom);
    }
    for (let above = level - 1; above >= 0 && !nearest.isFull; above--) {
      for (let at = above * this.#buckets.perLevel; at < (above + 1) * this.#buckets.perLevel; at++)
        this.#consider(at, target, goodFrom);
    }
    return nearest.size;
  }

  /** Only those who are asked by others keep count: looking for our own neighbours has no time. */
  #indexWhenBusy(mode: 'good' | 'all', nowMs: number): NearestIndex | undefined {
    if (mode === 'all' || ++this.#questions < BUSY_QUESTIONS) return undefined;
    this.#questions = 0;
    const isBusy = nowMs - this.#busyFromMs < BUSY_MS;
    this.#busyFromMs = nowMs;
    if (isBusy && this.#size > 0) this.#index = new NearestIndex(this.slab, [...this.members()]);
    return this.#index;
  }

  /** The slot at place `index` of the last `closest`. */
  chosenAt(index: number): number {
    return nearest.at(index);
  }

  /** Level from which on fewer than k contacts are left: our neighbourhood begins there. */
  neighbourhoodLevel(): number {
    if (this.#homeLevel < 0) this.#homeLevel = this.#buckets.homeLevel(this.#policy.k);
    return this.#homeLevel;
  }

  #reopen(bucket: Bucket): void {
    if (bucket.level < CLOSED_BITS) this.#closed &= ~(1 << bucket.level);
  }

  /** Leading bits that every id of the bucket shares with ours. */
  depthOf(bucket: Bucket): number {
    return this.#buckets.depthOf(bucket);
  }

  #findIn(slots: readonly number[], id: Id160): number {
    for (const slot of slots) if (this.slab.hasId(slot, id)) return slot;
    return -1;
  }

  #hasFailing(bucket: Bucket): boolean {
    for (const slot of bucket.members) if (this.slab.failures(slot) > 0) return true;
    return false;
  }

  #confirm(
    bucket: Bucket,
    slot: number,
    address: DhtAddress,
    roundTripMs: number,
    nowMs: number,
  ): OfferOutcome {
    if (this.slab.hasAddress(slot, address)) {
      this.slab.markAnswered(slot, roundTripMs, nowMs);
      return 'known';
    }
    // The same id from elsewhere: a thief, or a node that moved. The one we know stays until it fails.
    if (this.slab.failures(slot) === 0) return 'refused';
    const id = this.slab.id(slot);
    this.#remove(bucket, slot);
    if (!this.#isAddressFree(bucket, address)) return 'refused';
    this.#add(bucket, id, address, roundTripMs, nowMs);
    return 'replaced';
  }

  #add(bucket: Bucket, id: Id160, address: DhtAddress, roundTripMs: number, nowMs: number): void {
    const slot = this.slab.add(id, address);
    this.slab.markAnswered(slot, roundTripMs, nowMs);
    this.#join(bucket, slot);
  }

  /** The slot is a member now. */
  #join(bucket: Bucket, slot: number): void {
    bucket.members.push(slot);
    this.slab.markMember(slot, bucket.level);
    this.#size++;
    this.#index = undefined;
    this.#reopen(bucket);
    // It can only have gone deeper: what was closed stays so.
    this.#homeLevel = -1;
  }

  #remove(bucket: Bucket, slot: number): void {
    bucket.members.splice(bucket.members.indexOf(slot), 1);
    this.slab.remove(slot);
    this.#size--;
    this.#index = undefined;
    this.#reopen(bucket);
    this.#homeLevel = this.#buckets.homeLevel(this.#policy.k);
    // Our neighbourhood may reach further now, and there nothing is closed.
    if (this.#homeLevel < CLOSED_BITS) this.#closed &= (1 << this.#homeLevel) - 1;
  }

  #promote(bucket: Bucket, slot: number): void {
    bucket.spares.splice(bucket.spares.indexOf(slot), 1);
    this.#join(bucket, slot);
  }

  #dropSpare(bucket: Bucket, id: Id160): void {
    const slot = this.#findIn(bucket.spares, id);
    if (slot < 0) return;
    bucket.spares.splice(bucket.spares.indexOf(slot), 1);
    this.slab.remove(slot);
  }

  /** The spare heard from last, when it was good then and would be now. */
  #freshSpare(bucket: Bucket, nowMs: number): number {
    const slot = bucket.spares.at(-1) ?? -1;
    return slot >= 0 && this.isGood(slot, nowMs) ? slot : -1;
  }

  #isHostFree(address: DhtAddress): boolean {
    if (!this.#policy.restrictAddresses) return true;
    // On a local network many nodes share a machine: the endpoint counts there.
    return address.scope === 'global' ? this.slab.findHost(address) < 0 : this.slab.findAddress(address) < 0;
  }

  #isAddressFree(bucket: Bucket, address: DhtAddress): boolean {
    if (!this.#isHostFree(address)) return false;
    if (!this.#policy.restrictAddresses || address.scope !== 'global') return true;
    return !bucket.members.some((slot) => this.slab.sharesSubnet(slot, address));
  }

  /** Who makes way for a newcomer in a full bucket; -1 for nobody. */
  #victimFor(bucket: Bucket, id: Id160, roundTripMs: number): number {
    let failing = -1;
    for (const slot of bucket.members)
      if (this.slab.failures(slot) > (failing < 0 ? 0 : this.slab.failures(failing))) failing = slot;
    if (failing >= 0) return failing;
    const farther = this.#fartherNeighbour(bucket, id);
    if (farther >= 0) return farther;
    if (this.#policy.topBuckets.length === 0) return -1;
    return slowestOfCrowd(
      this.slab,
      bucket.members,
      this.depthOf(bucket) + this.#policy.digitBits,
      id,
      roundTripMs,
    );
  }

  /**
   * Relaxed split: a newcomer among the k nearest to ourselves always gets in, in place of the farthest of its bucket.
   */
  #fartherNeighbour(bucket: Bucket, id: Id160): number {
    // With k members in deeper buckets nobody of this one is a neighbour: known without sorting them.
    if (bucket.level < this.neighbourhoodLevel()) return -1;
    const count = this.closest(this.ownId, this.#policy.k, 'all', 0);
    if (count < this.#policy.k) return -1;
    const last = this.slab.id(nearest.at(count - 1));
    if (id.sharedBits(this.ownId) < last.sharedBits(this.ownId)) return -1;
    const own = this.ownId;
    const isNearer = (slot: number): boolean => {
      const other = this.slab.id(slot);
      return compareDistance(own, id, other) < 0;
    };
    if (!isNearer(nearest.at(count - 1))) return -1;
    let farthest = -1;
    for (const slot of bucket.members)
      if (farthest < 0 || this.slab.compareDistance(own, slot, farthest) > 0) farthest = slot;
    return farthest >= 0 && isNearer(farthest) ? farthest : -1;
  }

  #consider(index: number, target: Id160, goodFrom: number): void {
    const bucket = this.#buckets.all[index];
    if (bucket !== undefined) nearest.consider(this.slab, bucket.members, target, goodFrom);
  }
}
