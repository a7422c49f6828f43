// 160-bit ids as five signed 32-bit words: XOR distances compare without touching bytes. Owns the metric of Kademlia.
import { Buffer } from 'node:buffer';
import { type Rng, randomBytes, randomInt } from '../../core/base/clock.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { invariant } from '../../core/base/result.ts';
import { getWord, putWord } from './address.ts';

export const ID_BITS = 160;

/** Hex is made by the system out of these bytes: ten times faster than digit by digit. */
const hexBytes = Buffer.alloc(ID_BYTES);

/** Immutable. */
export class Id160 {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;

  constructor(a: number, b: number, c: number, d: number, e: number) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
    this.e = e;
  }

  /** Reads 20 bytes at `at`; the caller has checked that they are there. */
  static read(bytes: Uint8Array, at: number): Id160 {
    return new Id160(
      getWord(bytes, at),
      getWord(bytes, at + 4),
      getWord(bytes, at + 8),
      getWord(bytes, at + 12),
      getWord(bytes, at + 16),
    );
  }

  /** @throws InvariantError unless there are 20 bytes */
  static of(bytes: Uint8Array): Id160 {
    invariant(bytes.length === ID_BYTES, `a DHT id has ${ID_BYTES} bytes, got ${bytes.length}`);
    return Id160.read(bytes, 0);
  }

  static random(rng: Rng): Id160 {
    return Id160.read(randomBytes(rng, ID_BYTES), 0);
  }

  write(bytes: Uint8Array, at: number): void {
    putWord(bytes, at, this.a);
    putWord(bytes, at + 4, this.b);
    putWord(bytes, at + 8, this.c);
    putWord(bytes, at + 12, this.d);
    putWord(bytes, at + 16, this.e);
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(ID_BYTES);
    this.write(bytes, 0);
    return bytes;
  }

  equals(other: Id160): boolean {
    return (
      this.a === other.a &&
      this.b === other.b &&
      this.c === other.c &&
      this.d === other.d &&
      this.e === other.e
    );
  }

  /** The same 20 bytes at `at` of `bytes`? */
  isAt(bytes: Uint8Array, at: number): boolean {
    return (
      this.a === getWord(bytes, at) &&
      this.b === getWord(bytes, at + 4) &&
      this.c === getWord(bytes, at + 8) &&
      this.d === getWord(bytes, at + 12) &&
      this.e === getWord(bytes, at + 16)
    );
  }

  /** Leading bits in common: 160 for the same id. */
  sharedBits(other: Id160): number {
    return sharedBits(
      this.a ^ other.a,
      this.b ^ other.b,
      this.c ^ other.c,
      this.d ^ other.d,
      this.e ^ other.e,
    );
  }

  /** Bits [at, at + count) as a number; count at most 16. Past the end they read as zero. */
  bits(at: number, count: number): number {
    let value = 0;
    for (let i = at; i < at + count; i++) value = (value << 1) | this.#bit(i);
    return value;
  }

  #bit(index: number): number {
    if (index >= ID_BITS) return 0;
    const word = [this.a, this.b, this.c, this.d, this.e][index >>> 5] as number;
    return (word >>> (31 - (index & 31))) & 1;
  }

  /** As a fraction of the id space, for estimates: 53 bits are plenty. */
  distanceFraction(other: Id160): number {
    return ((this.a ^ other.a) >>> 0) / 2 ** 32 + ((this.b ^ other.b) >>> 0) / 2 ** 64;
  }

  /** 40 digits. */
  get hex(): string {
    this.write(hexBytes, 0);
    return hexBytes.toString('hex');
  }

  /** A map key. */
  get key(): string {
    return `${this.a},${this.b},${this.c},${this.d},${this.e}`;
  }
}

/** Leading zero bits of five words. */
export function sharedBits(a: number, b: number, c: number, d: number, e: number): number {
  if (a !== 0) return Math.clz32(a);
  if (b !== 0) return 32 + Math.clz32(b);
  if (c !== 0) return 64 + Math.clz32(c);
  if (d !== 0) return 96 + Math.clz32(d);
  return 128 + Math.clz32(e);
}

/** Negative when `x` is closer to `target` than `y`. */
export function compareDistance(target: Id160, x: Id160, y: Id160): number {
  return (
    ((x.a ^ target.a) >>> 0) - ((y.a ^ target.a) >>> 0) ||
    ((x.b ^ target.b) >>> 0) - ((y.b ^ target.b) >>> 0) ||
    ((x.c ^ target.c) >>> 0) - ((y.c ^ target.c) >>> 0) ||
    ((x.d ^ target.d) >>> 0) - ((y.d ^ target.d) >>> 0) ||
    ((x.e ^ target.e) >>> 0) - ((y.e ^ target.e) >>> 0)
  );
}

/** A random id that has exactly the first `shared` bits of `base`: the next one differs. */
export function randomIdAt(base: Id160, shared: number, rng: Rng): Id160 {
  return new Id160(
    randomWordAt(base.a, shared, rng),
    randomWordAt(base.b, shared - 32, rng),
    randomWordAt(base.c, shared - 64, rng),
    randomWordAt(base.d, shared - 96, rng),
    randomWordAt(base.e, shared - 128, rng),
  );
}

/** The first `shared` bits of `own`, the next one turned, the rest random; `shared` may lie outside of the word. */
function randomWordAt(own: number, shared: number, rng: Rng): number {
  let random = 0;
  for (let i = 0; i < 4; i++) random = (random << 8) | randomInt(rng, 256);
  if (shared < 0) return random;
  if (shared >= 32) return own;
  const flip = 0x80000000 >>> shared;
  // All bits below the turned one; that one and those above it are told by `own`.
  const free = flip - 1;
  return ((own ^ flip) & ~free) | (random & free);
}
