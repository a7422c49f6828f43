// A set of piece indices in BEP 3 wire order: bit 7 of byte 0 is piece 0. Spare bits at the end stay zero.
import { type Result, reject } from './result.ts';

const POPCOUNT = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
});

export class Bitfield {
  /** Number of pieces. */
  readonly size: number;
  /** The wire form; treat as read-only. */
  readonly bytes: Uint8Array;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(Math.ceil(size / 8));
  }

  /** Checks length and spare bits as BEP 3 asks. */
  static fromWire(size: number, bytes: Uint8Array): Result<Bitfield> {
    const field = new Bitfield(size);
    if (bytes.length !== field.bytes.length) {
      return reject(`bitfield of ${bytes.length} bytes where ${field.bytes.length} are due`);
    }
    const spare = field.bytes.length * 8 - size;
    if (spare > 0 && ((bytes[bytes.length - 1] as number) & ((1 << spare) - 1)) !== 0) {
      return reject('bitfield with spare bits set');
    }
    field.bytes.set(bytes);
    for (const byte of bytes) field.#count += POPCOUNT[byte] as number;
    return { ok: true, value: field };
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size);
    field.setAll();
    return field;
  }

  /** How many are set; kept, not counted. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  has(index: number): boolean {
    return ((this.bytes[index >>> 3] as number) & (0x80 >>> (index & 7))) !== 0;
  }

  /** @returns whether it changed */
  set(index: number): boolean {
    const mask = 0x80 >>> (index & 7);
    const byte = this.bytes[index >>> 3] as number;
    if ((byte & mask) !== 0) return false;
    this.bytes[index >>> 3] = byte | mask;
    this.#count++;
    return true;
  }

  /** @returns whether it changed */
  clear(index: number): boolean {
    const mask = 0x80 >>> (index & 7);
    const byte = this.bytes[index >>> 3] as number;
    if ((byte & mask) === 0) return false;
    this.bytes[index >>> 3] = byte & ~mask;
    this.#count--;
    return true;
  }

  setAll(): void {
    this.bytes.fill(0xff);
    const spare = this.bytes.length * 8 - this.size;
    if (spare > 0) this.bytes[this.bytes.length - 1] = (0xff << spare) & 0xff;
    this.#count = this.size;
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.size);
    copy.bytes.set(this.bytes);
    copy.#count = this.#count;
    return copy;
  }
}
