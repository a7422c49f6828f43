// Rows of the dataset as bytes of the journal: each value a tag and what it needs, in the order of the columns. A quarter of the
// time that JSON takes, and half of its size.
import { textOf, utf8 } from '../../core/base/bytes.ts';

/** What a column may hold; JSON columns are the business of the header, which is no journal record. */
export type RowValue = null | boolean | number | string;

const TAGS = { nothing: 0, no: 1, yes: 2, count: 3, real: 4, text: 5 } as const;
const FIRST_CAPACITY = 1 << 16;
/** Longer texts are turned by the system's own encoder. */
const SHORT_TEXT = 64;
/** Groups of seven bits of a number below 2^53. */
const MAX_GROUPS = 8;

/** A buffer that grows and is used again. */
export class ValueWriter {
  bytes = new Uint8Array(FIRST_CAPACITY);
  view = new DataView(this.bytes.buffer);
  at = 0;

  /** Room for so many bytes more. */
  reserve(length: number): void {
    const needed = this.at + length;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  /** A whole number from 0 to 2^53 - 1, seven bits a byte, the low ones first. */
  count(value: number): void {
    this.reserve(MAX_GROUPS);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.at++] = (rest & 0x7f) | 0x80;
    this.bytes[this.at++] = rest;
  }

  value(value: RowValue): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#number(value);
    else {
      this.reserve(1);
      this.bytes[this.at++] = value === null ? TAGS.nothing : value ? TAGS.yes : TAGS.no;
    }
  }

  /** Values of a row in the order of its columns. */
  row(row: object): void {
    for (const value of Object.values(row)) this.value(value as RowValue);
  }

  #number(value: number): void {
    this.reserve(9);
    if (Number.isSafeInteger(value) && value >= 0) {
      this.bytes[this.at++] = TAGS.count;
      this.count(value);
    } else {
      this.bytes[this.at++] = TAGS.real;
      this.view.setFloat64(this.at, value);
      this.at += 8;
    }
  }

  #text(text: string): void {
    const { length } = text;
    this.reserve(length + 2);
    const start = this.at;
    if (length <= SHORT_TEXT) {
      const { bytes } = this;
      bytes[this.at++] = TAGS.text;
      bytes[this.at++] = length;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        bytes[this.at++] = code;
      }
      if (i === length) return;
      this.at = start;
    }
    const encoded = utf8(text);
    this.reserve(encoded.length + MAX_GROUPS + 1);
    this.bytes[this.at++] = TAGS.text;
    this.count(encoded.length);
    this.bytes.set(encoded, this.at);
    this.at += encoded.length;
  }
}

/** Reads back what `ValueWriter` wrote. Bytes that no writer wrote read as nothing, and `isBroken` says so. */
export class ValueReader {
  isBroken = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  count(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_GROUPS; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    this.isBroken = true;
    return 0;
  }

  value(): RowValue {
    const tag = this.#byte();
    switch (tag) {
      case TAGS.nothing:
        return null;
      case TAGS.no:
      case TAGS.yes:
        return tag === TAGS.yes;
      case TAGS.count:
        return this.count();
      case TAGS.real: {
        const at = this.#skip(8);
        return at < 0 ? null : this.#view.getFloat64(at);
      }
      case TAGS.text: {
        const length = this.count();
        const at = this.#skip(length);
        return at < 0 ? null : textOf(this.#bytes.subarray(at, at + length));
      }
      default:
        this.isBroken = true;
        return null;
    }
  }

  row(columns: readonly string[]): Record<string, RowValue> {
    const row: Record<string, RowValue> = {};
    for (const column of columns) row[column] = this.value();
    return row;
  }

  /** As many as a count before them says, each of at least one byte. */
  list<T>(read: () => T): T[] {
    const length = this.count();
    const items: T[] = [];
    while (items.length < length && !this.isBroken) items.push(read());
    return items;
  }

  #byte(): number {
    const at = this.#skip(1);
    return at < 0 ? 0 : (this.#bytes[at] as number);
  }

  /** @returns where they begin; -1 when there are fewer */
  #skip(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at <= this.#bytes.length) return at;
    this.isBroken = true;
    return -1;
  }
}
