// What a peer said about its pieces before the piece count was known (magnets): held, bounded, checked when it is.
import { Bitfield } from '../base/bitfield.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { MAX_BITFIELD_BYTES } from './messages.ts';

/** BEP 6 sets have ten; a set is advice, so what is beyond this is let go. */
const MAX_ALLOWED_FAST = 32;
/** BEP 54 corrections of a have-all; a wrong one only costs a rejected request, so the rest is let go. */
const MAX_REMOVED = 256;

export class EarlyPieces {
  /** Grown as haves come; at most MAX_BITFIELD_BYTES. */
  #bits = EMPTY_BYTES;
  #bitfieldBytes: number | undefined;
  #hasAll = false;
  #hasSpoken = false;
  #highest = -1;
  readonly #removed = new Set<number>();
  readonly allowedFast: number[] = [];

  /** @returns false when no torrent has such a piece */
  have(piece: number): boolean {
    const byte = piece >>> 3;
    if (byte >= MAX_BITFIELD_BYTES) return false;
    if (byte >= this.#bits.length) {
      const grown = new Uint8Array(
        Math.min(MAX_BITFIELD_BYTES, Math.max(64, byte + 1, this.#bits.length * 2)),
      );
      grown.set(this.#bits);
      this.#bits = grown;
    }
    (this.#bits[byte] as number) |= 0x80 >>> (piece & 7);
    this.#removed.delete(piece);
    this.#highest = Math.max(this.#highest, piece);
    this.#hasSpoken = true;
    return true;
  }

  dontHave(piece: number): void {
    const byte = piece >>> 3;
    if (byte < this.#bits.length) (this.#bits[byte] as number) &= ~(0x80 >>> (piece & 7));
    if (this.#hasAll && this.#removed.size < MAX_REMOVED) this.#removed.add(piece);
  }

  /** @param bytes at most MAX_BITFIELD_BYTES, kept */
  bitfield(bytes: Uint8Array): void {
    const shared = Math.min(bytes.length, this.#bits.length);
    for (let i = 0; i < shared; i++) (bytes[i] as number) |= this.#bits[i] as number;
    this.#bits = bytes;
    this.#bitfieldBytes = bytes.length;
    this.#hasSpoken = true;
  }

  all(): void {
    this.#hasAll = true;
    this.#hasSpoken = true;
  }

  none(): void {
    this.#hasSpoken = true;
  }

  allow(piece: number): void {
    if (this.allowedFast.length < MAX_ALLOWED_FAST) this.allowedFast.push(piece);
  }

  /** @returns undefined when the peer said nothing yet */
  resolve(pieceCount: number): Result<Bitfield | undefined> {
    if (!this.#hasSpoken) return accept(undefined);
    if (this.#highest >= pieceCount) return reject(`have of piece ${this.#highest} of ${pieceCount}`);
    if (this.#hasAll) {
      const field = Bitfield.full(pieceCount);
      for (const piece of this.#removed) if (piece < pieceCount) field.clear(piece);
      return accept(field);
    }
    const length = Math.ceil(pieceCount / 8);
    if (this.#bitfieldBytes !== undefined && this.#bitfieldBytes !== length)
      return reject(`bitfield of ${this.#bitfieldBytes} bytes where ${length} are due`);
    const bits = new Uint8Array(length);
    bits.set(this.#bits.subarray(0, length));
    return Bitfield.fromWire(pieceCount, bits);
  }
}
