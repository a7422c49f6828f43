// Composes KRPC messages into one preallocated buffer, keys in BEP 3 order. Invariant: nothing it makes is longer than the
// 1024 bytes of BEP 32; lists are cut to fit. A composed view is valid until the next message is begun.

import { concatBytes, utf8 } from '../../core/base/bytes.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { type DhtAddress, getWord } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';

/** BEP 32. */
export const MAX_MESSAGE_BYTES = 1024;
/** Room after the limit, so that an overrun is noticed instead of cut. */
const SLACK = 2048;
const BUFFER_BYTES = MAX_MESSAGE_BYTES + SLACK;
/** Of an id, and of anything shorter: where words may begin. What would come later is too long anyway, and only counted. */
const WORDS_END = BUFFER_BYTES - ID_BYTES;
const DIGIT_0 = 0x30;
const COLON = 0x3a;
const WORD_BYTES = 4;

/** Text that many messages have, as words, so that four bytes are written at a time; the last word ends in zeros. */
export interface Phrase {
  /** Bytes. */
  readonly length: number;
  readonly words: Int32Array;
}

/** The parts run together. */
export function phrase(...parts: readonly Uint8Array[]): Phrase {
  const bytes = concatBytes(parts);
  const words = new Int32Array(Math.ceil(bytes.length / WORD_BYTES));
  const padded = concatBytes([bytes, new Uint8Array(WORD_BYTES)]);
  for (let i = 0; i < words.length; i++) words[i] = getWord(padded, i * WORD_BYTES);
  return { length: bytes.length, words };
}

const literals = new Map<string, Phrase>();
/** Encoded once per process. */
export function literal(text: string): Phrase {
  let found = literals.get(text);
  if (found === undefined) {
    found = phrase(utf8(text));
    literals.set(text, found);
  }
  return found;
}

/** `n:` for every n of at most three digits: it fits a word. */
const PREFIX_WORDS = Int32Array.from({ length: 1000 }, (_, n) => phrase(utf8(`${n}:`)).words[0] as number);

export class Composer {
  readonly buffer = new Uint8Array(BUFFER_BYTES);
  /** The same bytes: a word in one store, big-endian. */
  readonly view = new DataView(this.buffer.buffer);
  /** By length: making a view costs as much as half of a message. */
  readonly #views: (Uint8Array | undefined)[] = Array.from({ length: BUFFER_BYTES + 1 });
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

  text({ length, words }: Phrase): this {
    const view = this.view;
    const { at } = this;
    if (at + words.length * WORD_BYTES <= BUFFER_BYTES)
      for (let i = 0, to = at; i < words.length; i++, to += WORD_BYTES) view.setInt32(to, words[i] as number);
    this.at = at + length;
    return this;
  }

  raw(bytes: Uint8Array): this {
    return this.span(bytes, 0, bytes.length);
  }

  span(bytes: Uint8Array, start: number, end: number): this {
    // A loop beats TypedArray.set below a few dozen bytes, which nearly all are.
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
    const { at } = this;
    if (length >= PREFIX_WORDS.length || at > WORDS_END) {
      this.digits(length);
      this.buffer[this.at++] = COLON;
      return this;
    }
    this.view.setInt32(at, PREFIX_WORDS[length] as number);
    this.at = at + (length < 10 ? 2 : length < 100 ? 3 : WORD_BYTES);
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
    const { view, at } = this;
    if (at <= WORDS_END) {
      view.setInt32(at, id.a);
      view.setInt32(at + 4, id.b);
      view.setInt32(at + 8, id.c);
      view.setInt32(at + 12, id.d);
      view.setInt32(at + 16, id.e);
    }
    this.at = at + ID_BYTES;
    return this;
  }

  /** 6 or 18 bytes (BEP 5, BEP 32). */
  compact({ family, w0, w1, w2, w3, port }: DhtAddress): this {
    if (family === 6) this.word(w0).word(w1).word(w2);
    return this.word(family === 6 ? w3 : w0).half(port);
  }

  /** Big-endian, as everything here. */
  half(value: number): this {
    const { at } = this;
    if (at <= WORDS_END) this.view.setUint16(at, value);
    this.at = at + 2;
    return this;
  }

  word(value: number): this {
    const { at } = this;
    if (at <= WORDS_END) this.view.setInt32(at, value);
    this.at = at + WORD_BYTES;
    return this;
  }
}
