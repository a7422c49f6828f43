// Contacts of one table in one Int32Array: 40 bytes each, no object per contact, and distances compare in place. A slot is an
// index; freed slots are used again. Who they are and how they do lie in two parts of the array, because the second is gone through
// once a minute. Times are kept in tenths of a second to fit a word.
import { ID_BYTES } from '../../core/base/ids.ts';
import { DhtAddress, type Family, getWord } from '../base/address.ts';
import { Id160, sharedBits } from '../base/node-id.ts';

const ID = 0;
const PORT = 5;
const IP = 6;
/** Of the second part: failures (8 bits), one more than the level of the bucket it is a member of (8), mean round trip (16). */
const PACKED = 0;
/** Times; 0 for never. */
const ANSWERED = 1;
const ASKED = 2;
const STATE_WORDS = 3;
const FIRST_CAPACITY = 16;
const BYTE = 0xff;
const LEVEL_SHIFT = 8;
const ROUND_TRIP_SHIFT = 16;
const MAX_ROUND_TRIP_MS = 0xffff;

/** With more failures in a row nobody is handed out. */
const MAX_GOOD_FAILURES = 1;
const SIGN = 0x80000000 | 0;
/** A tenth of a second. */
const TICK_MS = 100;

export class ContactSlab {
  readonly family: Family;
  readonly #stride: number;
  #words: Int32Array;
  /** Where the second part begins. */
  #states: number;
  #used = 0;
  readonly #free: number[] = [];

  constructor(family: Family) {
    this.family = family;
    this.#stride = IP + (family === 4 ? 1 : 4);
    this.#words = new Int32Array((this.#stride + STATE_WORDS) * FIRST_CAPACITY);
    this.#states = this.#stride * FIRST_CAPACITY;
  }

  /** Bytes held, for measurements. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  add(id: Id160, address: DhtAddress): number {
    const slot = this.#free.pop() ?? this.#grow();
    const at = slot * this.#stride;
    const words = this.#words;
    words[at + ID] = id.a;
    words[at + ID + 1] = id.b;
    words[at + ID + 2] = id.c;
    words[at + ID + 3] = id.d;
    words[at + ID + 4] = id.e;
    words[at + PORT] = address.port;
    words[at + IP] = address.w0;
    if (this.family === 6) {
      words[at + IP + 1] = address.w1;
      words[at + IP + 2] = address.w2;
      words[at + IP + 3] = address.w3;
    }
    const state = this.#stateOf(slot);
    words.fill(0, state, state + STATE_WORDS);
    return slot;
  }

  remove(slot: number): void {
    // Port 0 marks it as free for scans over all slots.
    this.#words[slot * this.#stride + PORT] = 0;
    this.#words[this.#stateOf(slot) + PACKED] = 0;
    this.#free.push(slot);
  }

  /** From now on a member of a bucket at this level, until it is removed. */
  markMember(slot: number, level: number): void {
    const at = this.#stateOf(slot) + PACKED;
    this.#words[at] = (this.#word(at) & ~(BYTE << LEVEL_SHIFT)) | ((level + 1) << LEVEL_SHIFT);
  }

  /** Level of the bucket it is a member of; -1 for spares and free slots. */
  memberLevel(slot: number): number {
    return ((this.#word(this.#stateOf(slot) + PACKED) >>> LEVEL_SHIFT) & BYTE) - 1;
  }

  /** All slots ever used are below it. */
  get end(): number {
    return this.#used;
  }

  #grow(): number {
    const slot = this.#used++;
    if (this.#used * this.#stride > this.#states) {
      const capacity = Math.ceil((this.#used * 3) / 2);
      const bigger = new Int32Array(capacity * (this.#stride + STATE_WORDS));
      bigger.set(this.#words.subarray(0, this.#states));
      bigger.set(this.#words.subarray(this.#states), capacity * this.#stride);
      this.#words = bigger;
      this.#states = capacity * this.#stride;
    }
    return slot;
  }

  #stateOf(slot: number): number {
    return this.#states + slot * STATE_WORDS;
  }

  id(slot: number): Id160 {
    const at = slot * this.#stride;
    return new Id160(
      this.#word(at),
      this.#word(at + 1),
      this.#word(at + 2),
      this.#word(at + 3),
      this.#word(at + 4),
    );
  }

  address(slot: number): DhtAddress {
    const at = slot * this.#stride;
    const port = this.#word(at + PORT);
    if (this.family === 4) return DhtAddress.v4(this.#word(at + IP), port);
    return DhtAddress.v6(
      this.#word(at + IP),
      this.#word(at + IP + 1),
      this.#word(at + IP + 2),
      this.#word(at + IP + 3),
      port,
    );
  }

  hasId(slot: number, id: Id160): boolean {
    const at = slot * this.#stride;
    return (
      this.#word(at) === id.a &&
      this.#word(at + 1) === id.b &&
      this.#word(at + 2) === id.c &&
      this.#word(at + 3) === id.d &&
      this.#word(at + 4) === id.e
    );
  }

  /** The same 20 bytes at `at` of `bytes`? */
  hasIdAt(slot: number, bytes: Uint8Array, at: number): boolean {
    const from = slot * this.#stride;
    for (let i = 0; i < 5; i++) if (this.#word(from + i) !== getWord(bytes, at + i * 4)) return false;
    return true;
  }

  hasAddress(slot: number, address: DhtAddress): boolean {
    return this.#word(slot * this.#stride + PORT) === address.port && this.#hasHost(slot, address);
  }

  #hasHost(slot: number, address: DhtAddress): boolean {
    const at = slot * this.#stride + IP;
    return (
      this.#word(at) === address.w0 &&
      (this.family === 4 ||
        (this.#word(at + 1) === address.w1 &&
          this.#word(at + 2) === address.w2 &&
          this.#word(at + 3) === address.w3))
    );
  }

  /** The contact at this very endpoint, -1 for none. */
  findAddress(address: DhtAddress): number {
    for (let slot = 0; slot < this.#used; slot++) if (this.hasAddress(slot, address)) return slot;
    return -1;
  }

  /** A contact at this IP address (IPv6: in this /64), -1 for none. */
  findHost(address: DhtAddress): number {
    for (let slot = 0; slot < this.#used; slot++) {
      const at = slot * this.#stride;
      if (this.#word(at + PORT) === 0 || this.#word(at + IP) !== address.w0) continue;
      if (this.family === 4 || this.#word(at + IP + 1) === address.w1) return slot;
    }
    return -1;
  }

  /** In the same /24 (IPv6: /64)? */
  sharesSubnet(slot: number, address: DhtAddress): boolean {
    const at = slot * this.#stride + IP;
    return this.family === 4
      ? this.#word(at) >>> 8 === address.w0 >>> 8
      : this.#word(at) === address.w0 && this.#word(at + 1) === address.w1;
  }

  /** The first 32 bits of the distance to `target`, less 2^31: a signed word, enough to order nearly always. */
  distanceHead(slot: number, target: Id160): number {
    return (this.#words[slot * this.#stride] as number) ^ target.a ^ SIGN;
  }

  /** For `isGood`: answers count that are younger than `goodMs`. */
  static goodFrom(nowMs: number, goodMs: number): number {
    return Math.max(1, Math.floor((nowMs - goodMs) / TICK_MS) + 2);
  }

  /** Answered lately, and with at most one failure since (BEP 5, mldht). */
  isGood(slot: number, goodFrom: number): boolean {
    const at = this.#stateOf(slot);
    return this.#word(at + ANSWERED) >= goodFrom && (this.#word(at + PACKED) & BYTE) <= MAX_GOOD_FAILURES;
  }

  /** Negative when slot `x` is closer to `target` than slot `y`. */
  compareDistance(target: Id160, x: number, y: number): number {
    const i = x * this.#stride;
    const j = y * this.#stride;
    return (
      ((this.#word(i) ^ target.a) >>> 0) - ((this.#word(j) ^ target.a) >>> 0) ||
      ((this.#word(i + 1) ^ target.b) >>> 0) - ((this.#word(j + 1) ^ target.b) >>> 0) ||
      ((this.#word(i + 2) ^ target.c) >>> 0) - ((this.#word(j + 2) ^ target.c) >>> 0) ||
      ((this.#word(i + 3) ^ target.d) >>> 0) - ((this.#word(j + 3) ^ target.d) >>> 0) ||
      ((this.#word(i + 4) ^ target.e) >>> 0) - ((this.#word(j + 4) ^ target.e) >>> 0)
    );
  }

  sharedBits(slot: number, id: Id160): number {
    const at = slot * this.#stride;
    return sharedBits(
      this.#word(at) ^ id.a,
      this.#word(at + 1) ^ id.b,
      this.#word(at + 2) ^ id.c,
      this.#word(at + 3) ^ id.d,
      this.#word(at + 4) ^ id.e,
    );
  }

  failures(slot: number): number {
    return this.#word(this.#stateOf(slot) + PACKED) & BYTE;
  }

  markFailed(slot: number): number {
    const at = this.#stateOf(slot) + PACKED;
    const failures = Math.min(BYTE, (this.#word(at) & BYTE) + 1);
    this.#words[at] = (this.#word(at) & ~BYTE) | failures;
    return failures;
  }

  markAnswered(slot: number, roundTripMs: number, nowMs: number): void {
    const at = this.#stateOf(slot);
    const packed = this.#word(at + PACKED);
    const held = packed >>> ROUND_TRIP_SHIFT;
    // A quarter of the new sample: one hiccup does not hide a fast node.
    const mean = held === 0 ? roundTripMs : held + (roundTripMs - held) / 4;
    const rounded = Math.min(MAX_ROUND_TRIP_MS, Math.max(1, Math.round(mean)));
    this.#words[at + PACKED] = (rounded << ROUND_TRIP_SHIFT) | (packed & (BYTE << LEVEL_SHIFT));
    this.#words[at + ANSWERED] = ticksOf(nowMs);
  }

  markAsked(slot: number, nowMs: number): void {
    this.#words[this.#stateOf(slot) + ASKED] = ticksOf(nowMs);
  }

  /** Milliseconds, rounded down to a tenth of a second; -Infinity for never. */
  answeredMs(slot: number): number {
    const ticks = this.#word(this.#stateOf(slot) + ANSWERED);
    return ticks === 0 ? Number.NEGATIVE_INFINITY : (ticks - 1) * TICK_MS;
  }

  askedMs(slot: number): number {
    const ticks = this.#word(this.#stateOf(slot) + ASKED);
    return ticks === 0 ? Number.NEGATIVE_INFINITY : (ticks - 1) * TICK_MS;
  }

  /** Mean, in milliseconds; 0 for unknown. */
  roundTripMs(slot: number): number {
    return this.#word(this.#stateOf(slot) + PACKED) >>> ROUND_TRIP_SHIFT;
  }

  /** As `nodes` and `nodes6` have it. @returns where it ends: 26 or 38 bytes further */
  writeNode(slot: number, out: DataView, at: number): number {
    const words = this.#words;
    const from = slot * this.#stride;
    out.setInt32(at, words[from] as number);
    out.setInt32(at + 4, words[from + 1] as number);
    out.setInt32(at + 8, words[from + 2] as number);
    out.setInt32(at + 12, words[from + 3] as number);
    out.setInt32(at + 16, words[from + 4] as number);
    let end = at + ID_BYTES;
    for (let i = from + IP; i < from + this.#stride; i++, end += 4) out.setInt32(end, words[i] as number);
    out.setUint16(end, words[from + PORT] as number);
    return end + 2;
  }

  #word(at: number): number {
    return this.#words[at] as number;
  }
}

function ticksOf(nowMs: number): number {
  return Math.floor(nowMs / TICK_MS) + 1;
}
