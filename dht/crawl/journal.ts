// The journal of a run: what was heard of, what is about to be asked, what came of it. Append-only; a record is written before
// the datagram leaves, so that a run continues after kill -9 with nothing lost and nobody asked twice. Records are
// [type u8][length u32][payload]; a torn tail is cut off where it begins.
import { fromHex } from '../../core/base/bytes.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import { compactBytes, DhtAddress, type Family } from '../base/address.ts';
import { Id160 } from '../base/node-id.ts';
import type { EdgeRow, SampleRow } from '../dataset/more-tables.ts';
import type { VisitRow } from '../dataset/visit-table.ts';
import { type RowValue, ValueReader, ValueWriter } from './journal-values.ts';
import type { Verdict, WatchedState } from './monitor-machine.ts';

/** What a visit leaves behind; its rows hold addresses as the dataset shows them. */
export interface JournalVisit {
  readonly row: VisitRow;
  readonly edges: readonly EdgeRow[];
  readonly samples: readonly SampleRow[];
  /** Numbers of the nodes the reply listed. */
  readonly listed: readonly number[];
  readonly deepestBits: number;
  readonly echo: Echo | undefined;
}

/** Our address as one node sees it. */
export interface Echo {
  readonly host: string;
  /** The port we sent from. */
  readonly keepsPort: boolean;
}

/** How far a monitor's scans and sessions are when its journal is begun anew. */
export interface ScanState {
  /** Scans that are done. */
  readonly scans: number;
  /** See ScanHistory. */
  readonly absentMs: number | undefined;
  readonly lastMs: number | undefined;
  /** Sessions handed out. */
  readonly sessions: number;
  readonly atMs: number;
}

export type JournalRecord =
  | {
      readonly kind: 'listed';
      readonly id: Id160;
      readonly address: DhtAddress;
      readonly referrer: number;
      readonly queuedMs: number;
    }
  | { readonly kind: 'sent'; readonly node: number; readonly tries: number; readonly atMs: number }
  | { readonly kind: 'visit'; readonly visit: JournalVisit }
  /** A pass begins: everything after it belongs to it. */
  | { readonly kind: 'pass'; readonly pass: number; readonly atMs: number; readonly ownId: Id160 }
  | { readonly kind: 'end'; readonly atMs: number }
  | { readonly kind: 'resumed'; readonly atUtc: string }
  /** Of a monitor: a node as it is known when the record is written. */
  | { readonly kind: 'watched'; readonly state: WatchedState }
  | { readonly kind: 'probed'; readonly node: number; readonly verdict: Verdict; readonly atMs: number }
  | { readonly kind: 'scans'; readonly scans: ScanState };

/** When it was written, on the clock of the run, as far as it says. */
export function recordedMs(record: JournalRecord): number {
  switch (record.kind) {
    case 'listed':
      return record.queuedMs;
    case 'visit':
      return (record.visit.row.received_us ?? record.visit.row.queued_us) / 1000;
    case 'scans':
      return record.scans.atMs;
    case 'resumed':
    case 'watched':
      return 0;
    default:
      return record.atMs;
  }
}

const HEAD_BYTES = 5;
const SENT_BYTES = 9;
/** A topology visit with 64 entries is 20 KB; more is damage. */
const MAX_PAYLOAD_BYTES = 1 << 20;
const TYPES = {
  listed: 1,
  sent: 2,
  visit: 3,
  pass: 4,
  end: 5,
  resumed: 6,
  watched: 7,
  probed: 8,
  scans: 9,
} as const;
const VERDICTS: readonly Verdict[] = ['there', 'silent', 'other_id'];

/** Records on their way to the file, in one buffer that is used again. */
export class JournalBuffer {
  readonly #out = new ValueWriter();

  get isEmpty(): boolean {
    return this.#out.at === 0;
  }

  /** What was added: a view, valid until the next record. */
  take(): Uint8Array {
    const bytes = this.#out.bytes.subarray(0, this.#out.at);
    this.#out.at = 0;
    return bytes;
  }

  listed(id: Id160, address: DhtAddress, referrer: number, queuedMs: number): void {
    const length = 20 + compactBytes(address.family) + 8;
    const out = this.#out;
    out.reserve(HEAD_BYTES + length);
    const start = this.#begin(TYPES.listed);
    id.write(out.bytes, out.at);
    out.at += 20;
    out.at += address.writeCompact(out.bytes, out.at);
    out.view.setInt32(out.at, referrer);
    out.view.setUint32(out.at + 4, queuedMs);
    out.at += 8;
    this.#end(start);
  }

  /** @param atMs on the clock of the run, kept as whole milliseconds */
  sent(node: number, tries: number, atMs: number): void {
    const out = this.#out;
    out.reserve(HEAD_BYTES + SENT_BYTES);
    const start = this.#begin(TYPES.sent);
    out.view.setUint32(out.at, node);
    out.view.setUint32(out.at + 4, atMs);
    out.bytes[out.at + 8] = tries;
    out.at += SENT_BYTES;
    this.#end(start);
  }

  /** Values without the names of their columns, which would be most of the file. */
  visit({ row, edges, samples, listed, deepestBits, echo }: JournalVisit): void {
    const out = this.#out;
    const start = this.#begin(TYPES.visit);
    out.row(row);
    out.count(edges.length);
    for (const edge of edges) out.row(edge);
    out.count(samples.length);
    for (const sample of samples) out.row(sample);
    out.count(listed.length);
    for (const node of listed) out.count(node);
    out.value(deepestBits);
    out.value(echo?.host ?? null);
    out.value(echo?.keepsPort ?? null);
    this.#end(start);
  }

  pass(pass: number, atMs: number, ownId: Id160): void {
    this.#values(TYPES.pass, [pass, atMs, ownId.hex]);
  }

  end(atMs: number): void {
    this.#values(TYPES.end, [atMs]);
  }

  resumed(atUtc: string): void {
    this.#values(TYPES.resumed, [atUtc]);
  }

  watched(state: WatchedState): void {
    const { id, address } = state;
    const facts = [state.isPresent, state.firstSuccessMs, state.lastSuccessMs, state.gapMs];
    const since = [state.beforeMs ?? null, state.firstFailureMs ?? null, state.failures, state.probes];
    const more = [state.lostProbes, state.idChanges, state.dueMs];
    this.#values(TYPES.watched, [id.hex, address.host, address.port, ...facts, ...since, ...more]);
  }

  probed(node: number, verdict: Verdict, atMs: number): void {
    this.#values(TYPES.probed, [node, VERDICTS.indexOf(verdict), atMs]);
  }

  scans({ scans, absentMs, lastMs, sessions, atMs }: ScanState): void {
    this.#values(TYPES.scans, [scans, absentMs ?? null, lastMs ?? null, sessions, atMs]);
  }

  #values(type: number, values: readonly RowValue[]): void {
    const start = this.#begin(type);
    for (const value of values) this.#out.value(value);
    this.#end(start);
  }

  /** @returns where the record begins */
  #begin(type: number): number {
    const out = this.#out;
    out.reserve(HEAD_BYTES);
    const start = out.at;
    out.bytes[start] = type;
    out.at += HEAD_BYTES;
    return start;
  }

  #end(start: number): void {
    const out = this.#out;
    out.view.setUint32(start + 1, out.at - start - HEAD_BYTES);
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
      if (payload.length !== SENT_BYTES) return undefined;
      return { kind: 'sent', node: view.getUint32(0), atMs: view.getUint32(4), tries: payload[8] as number };
    }
    const values = new ValueReader(payload);
    const record = this.#decodeValues(type, values);
    return values.isBroken || !values.isAtEnd ? undefined : record;
  }

  #decodeValues(type: number, values: ValueReader): JournalRecord | undefined {
    if (type === TYPES.visit) return { kind: 'visit', visit: this.#visitOf(values) };
    if (type === TYPES.pass) {
      const pass = numberOf(values.value());
      const atMs = numberOf(values.value());
      const ownId = fromHex(textIn(values.value()));
      return ownId?.length === ID_BYTES ? { kind: 'pass', pass, atMs, ownId: Id160.of(ownId) } : undefined;
    }
    if (type === TYPES.watched) return watchedIn(values);
    if (type === TYPES.probed) {
      const node = numberOf(values.value());
      const verdict = VERDICTS[numberOf(values.value())];
      return verdict === undefined
        ? undefined
        : { kind: 'probed', node, verdict, atMs: numberOf(values.value()) };
    }
    if (type === TYPES.scans) {
      const scans = numberOf(values.value());
      const absentMs = numberIn(values.value());
      const lastMs = numberIn(values.value());
      const sessions = numberOf(values.value());
      return { kind: 'scans', scans: { scans, absentMs, lastMs, sessions, atMs: numberOf(values.value()) } };
    }
    if (type === TYPES.end) return { kind: 'end', atMs: numberOf(values.value()) };
    return type === TYPES.resumed ? { kind: 'resumed', atUtc: textIn(values.value()) } : undefined;
  }

  #visitOf(values: ValueReader): JournalVisit {
    const { visit, edge, sample } = this.#columns;
    return {
      row: values.row(visit) as unknown as VisitRow,
      edges: values.list(() => values.row(edge) as unknown as EdgeRow),
      samples: values.list(() => values.row(sample) as unknown as SampleRow),
      listed: values.list(() => values.count()),
      deepestBits: numberOf(values.value()),
      echo: echoIn(values.value(), values.value()),
    };
  }
}

function echoIn(host: RowValue, keepsPort: RowValue): Echo | undefined {
  return typeof host === 'string' ? { host, keepsPort: keepsPort === true } : undefined;
}

function watchedIn(values: ValueReader): JournalRecord | undefined {
  const id = fromHex(textIn(values.value()));
  const host = textIn(values.value());
  const address = DhtAddress.of({ host, port: numberOf(values.value()) });
  if (id?.length !== ID_BYTES || address === undefined) return undefined;
  const state = {
    id: Id160.of(id),
    address,
    isPresent: values.value() === true,
    firstSuccessMs: numberOf(values.value()),
    lastSuccessMs: numberOf(values.value()),
    gapMs: numberOf(values.value()),
    beforeMs: numberIn(values.value()),
    firstFailureMs: numberIn(values.value()),
    failures: numberOf(values.value()),
    probes: numberOf(values.value()),
    lostProbes: numberOf(values.value()),
    idChanges: numberOf(values.value()),
    dueMs: numberOf(values.value()),
  };
  return { kind: 'watched', state };
}

function numberIn(value: RowValue): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function numberOf(value: RowValue): number {
  return typeof value === 'number' ? value : 0;
}

function textIn(value: RowValue): string {
  return typeof value === 'string' ? value : '';
}
