// The journal of a run: what was heard of, what is about to be asked, what came of it. Append-only; a record is written before
// the datagram leaves, so that a run continues after kill -9 with nothing lost and nobody asked twice. Records are
// [type u8][length u32][payload]; a torn tail is cut off where it begins.
import { textOf, utf8 } from '../../core/base/bytes.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import { compactBytes, DhtAddress, type Family } from '../address.ts';
import type { EdgeRow, SampleRow } from '../dataset/more-tables.ts';
import type { VisitRow } from '../dataset/visit-table.ts';
import { Id160 } from '../node-id.ts';

/** What a visit leaves behind; its rows hold addresses as they are. */
export interface JournalVisit {
  readonly row: VisitRow;
  readonly edges: readonly EdgeRow[];
  readonly samples: readonly SampleRow[];
  /** Numbers of the nodes the reply listed. */
  readonly listed: readonly number[];
  readonly deepestBits: number;
}

export type JournalRecord =
  | {
      readonly kind: 'listed';
      readonly id: Id160;
      readonly address: DhtAddress;
      readonly referrer: number;
      readonly queuedMs: number;
    }
  | { readonly kind: 'sent'; readonly node: number; readonly tries: number }
  | { readonly kind: 'visit'; readonly visit: JournalVisit }
  /** A pass begins: everything after it belongs to it. */
  | { readonly kind: 'pass'; readonly pass: number; readonly atMs: number; readonly ownId: Id160 }
  | { readonly kind: 'end'; readonly atMs: number }
  | { readonly kind: 'resumed'; readonly atUtc: string };

const HEAD_BYTES = 5;
/** A topology visit with 64 entries is 20 KB; more is damage. */
const MAX_PAYLOAD_BYTES = 1 << 20;
const FIRST_CAPACITY = 1 << 16;
const TYPES = { listed: 1, sent: 2, visit: 3, pass: 4, end: 5, resumed: 6 } as const;

/** Records on their way to the file, in one buffer that is used again. */
export class JournalBuffer {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  get isEmpty(): boolean {
    return this.#at === 0;
  }

  /** What was added: a view, valid until the next record. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return bytes;
  }

  listed(id: Id160, address: DhtAddress, referrer: number, queuedMs: number): void {
    const length = 20 + compactBytes(address.family) + 8;
    this.#begin(TYPES.listed, length);
    id.write(this.#bytes, this.#at);
    this.#at += 20;
    this.#at += address.writeCompact(this.#bytes, this.#at);
    this.#view.setInt32(this.#at, referrer);
    this.#view.setUint32(this.#at + 4, queuedMs);
    this.#at += 8;
  }

  sent(node: number, tries: number): void {
    this.#begin(TYPES.sent, 5);
    this.#view.setUint32(this.#at, node);
    this.#bytes[this.#at + 4] = tries;
    this.#at += 5;
  }

  /** Rows as arrays: the names of forty columns would be most of the file. */
  visit(visit: JournalVisit): void {
    const { row, edges, samples, listed, deepestBits } = visit;
    this.#json(TYPES.visit, [
      Object.values(row),
      edges.map((edge) => Object.values(edge)),
      samples.map((sample) => Object.values(sample)),
      listed,
      deepestBits,
    ]);
  }

  pass(pass: number, atMs: number, ownId: Id160): void {
    this.#json(TYPES.pass, [pass, atMs, [...ownId.toBytes()]]);
  }

  end(atMs: number): void {
    this.#json(TYPES.end, [atMs]);
  }

  resumed(atUtc: string): void {
    this.#json(TYPES.resumed, [atUtc]);
  }

  #json(type: number, value: unknown): void {
    const text = utf8(JSON.stringify(value));
    this.#begin(type, text.length);
    this.#bytes.set(text, this.#at);
    this.#at += text.length;
  }

  #begin(type: number, length: number): void {
    const needed = this.#at + HEAD_BYTES + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#bytes[this.#at] = type;
    this.#view.setUint32(this.#at + 1, length);
    this.#at += HEAD_BYTES;
  }
}

/** Column names in the order of storage, so that arrays become rows again. */
export interface JournalColumns {
  readonly visit: readonly string[];
  readonly edge: readonly string[];
  readonly sample: readonly string[];
}

/** Reads records out of pieces of a file, wherever the pieces are cut. */
export class JournalReader {
  readonly #family: Family;
  readonly #columns: JournalColumns;
  #rest = new Uint8Array(0);
  /** Bytes of whole records so far: where a torn file is to be cut. */
  goodBytes = 0;

  constructor(family: Family, columns: JournalColumns) {
    this.#family = family;
    this.#columns = columns;
  }

  /** @returns a rejection when the file is damaged other than at its end */
  read(piece: Uint8Array, onRecord: (record: JournalRecord) => void): Result<undefined> {
    const bytes = new Uint8Array(this.#rest.length + piece.length);
    bytes.set(this.#rest);
    bytes.set(piece, this.#rest.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const length = view.getUint32(at + 1);
      if (length > MAX_PAYLOAD_BYTES) return reject(`a record of ${length} bytes at byte ${this.goodBytes}`);
      if (at + HEAD_BYTES + length > bytes.length) break;
      const record = this.#decode(
        bytes[at] as number,
        bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length),
      );
      if (record === undefined) return reject(`an unreadable record at byte ${this.goodBytes}`);
      onRecord(record);
      at += HEAD_BYTES + length;
      this.goodBytes += HEAD_BYTES + length;
    }
    this.#rest = bytes.slice(at);
    return accept(undefined);
  }

  #decode(type: number, payload: Uint8Array): JournalRecord | undefined {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (type === TYPES.listed) {
      const size = compactBytes(this.#family);
      if (payload.length !== 28 + size) return undefined;
      return {
        kind: 'listed',
        id: Id160.read(payload, 0),
        address: DhtAddress.fromCompact(this.#family, payload, 20),
        referrer: view.getInt32(20 + size),
        queuedMs: view.getUint32(24 + size),
      };
    }
    if (type === TYPES.sent) {
      if (payload.length !== 5) return undefined;
      return { kind: 'sent', node: view.getUint32(0), tries: payload[4] as number };
    }
    let value: unknown[];
    try {
      value = JSON.parse(textOf(payload)) as unknown[];
    } catch {
      return undefined;
    }
    if (type === TYPES.visit) {
      const [row, edges, samples, listed, deepestBits] = value as [
        unknown[],
        unknown[][],
        unknown[][],
        number[],
        number,
      ];
      const { visit, edge, sample } = this.#columns;
      return {
        kind: 'visit',
        visit: {
          row: named(visit, row) as VisitRow,
          edges: edges.map((each) => named(edge, each) as EdgeRow),
          samples: samples.map((each) => named(sample, each) as SampleRow),
          listed,
          deepestBits,
        },
      };
    }
    if (type === TYPES.pass) {
      const [pass, atMs, ownId] = value as [number, number, number[]];
      return { kind: 'pass', pass, atMs, ownId: Id160.of(Uint8Array.from(ownId)) };
    }
    if (type === TYPES.end) return { kind: 'end', atMs: value[0] as number };
    return type === TYPES.resumed ? { kind: 'resumed', atUtc: value[0] as string } : undefined;
  }
}

function named(columns: readonly string[], values: readonly unknown[]): unknown {
  return Object.fromEntries(columns.map((column, i) => [column, values[i]]));
}
