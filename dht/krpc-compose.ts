// Composes KRPC messages into one preallocated buffer, keys in BEP 3 order. Invariant: nothing it makes is longer than the
// 1024 bytes of BEP 32; lists are cut to fit. A composed view is valid until the next message is begun.

import { utf8 } from '../core/base/bytes.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { type DhtAddress, putWord } from './address.ts';
import type { Id160 } from './node-id.ts';

/** BEP 32. */
export const MAX_MESSAGE_BYTES = 1024;
/** Room after the limit, so that an overrun is noticed instead of cut. */
const SLACK = 2048;
const DIGIT_0 = 0x30;

const literals = new Map<string, Uint8Array>();
/** Encoded once per process. */
export function literal(text: string): Uint8Array {
  let bytes = literals.get(text);
  if (bytes === undefined) {
    bytes = utf8(text);
    literals.set(text, bytes);
  }
  return bytes;
}

export class Composer {
  readonly buffer = new Uint8Array(MAX_MESSAGE_BYTES + SLACK);
  /** By length: making a view costs as much as half of a message. */
  readonly #views: (Uint8Array | undefined)[] = Array.from({ length: MAX_MESSAGE_BYTES + SLACK + 1 });
  at = 0;

  begin(): this {
    this.at = 0;
    return this;
  }

  /** Bytes that may still be written when `reserved` must follow. */
  room(reserved: number): number {
    return MAX_MESSAGE_BYTES - reserved - this.at;
  }

  get isTooLong(): boolean {
    return this.at > MAX_MESSAGE_BYTES;
  }

  /** The message so far: a view. */
  done(): Uint8Array {
    const { at } = this;
    let view = this.#views[at];
    if (view === undefined) {
      view = this.buffer.subarray(0, at);
      this.#views[at] = view;
    }
    return view;
  }

  raw(bytes: Uint8Array): this {
    // A loop beats TypedArray.set below a few dozen bytes, which nearly all are.
    const { buffer } = this;
    let { at } = this;
    for (let i = 0; i < bytes.length; i++) buffer[at++] = bytes[i] as number;
    this.at = at;
    return this;
  }

  span(bytes: Uint8Array, start: number, end: number): this {
    const { buffer } = this;
    let { at } = this;
    for (let i = start; i < end; i++) buffer[at++] = bytes[i] as number;
    this.at = at;
    return this;
  }

  digits(value: number): this {
    if (value >= 10) this.digits(Math.floor(value / 10));
    this.buffer[this.at++] = DIGIT_0 + (value % 10);
    return this;
  }

  /** `n:` of a byte string that follows. */
  lengthPrefix(length: number): this {
    this.digits(length);
    this.buffer[this.at++] = 0x3a;
    return this;
  }

  /** A byte string. */
  string(bytes: Uint8Array): this {
    return this.lengthPrefix(bytes.length).raw(bytes);
  }

  /** A non-negative integer. */
  integer(value: number): this {
    this.buffer[this.at++] = 0x69;
    this.digits(value);
    this.buffer[this.at++] = 0x65;
    return this;
  }

  bigint(value: bigint): this {
    return this.raw(utf8(`i${value}e`));
  }

  /** 20 bytes, without their length. */
  id(id: Id160): this {
    id.write(this.buffer, this.at);
    this.at += ID_BYTES;
    return this;
  }

  compact(address: DhtAddress): this {
    this.at += address.writeCompact(this.buffer, this.at);
    return this;
  }

  word(value: number): this {
    putWord(this.buffer, this.at, value);
    this.at += 4;
    return this;
  }
}
