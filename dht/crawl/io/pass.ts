// One look at the zone on one socket: the machine, and the recorder that puts everything into the journal before it is sent
// and into the tables soon after.

import { fromHex } from '../../../core/base/bytes.ts';
import type { Rng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import { CLIENT_VERSION } from '../../base/options.ts';
import type { Row, Table } from '../../dataset/columns.ts';
import type { AddressBook } from '../../dataset/io/address-book.ts';
import type { JsonlWriter } from '../../dataset/io/jsonl.ts';
import {
  EDGE_TABLE,
  type EdgeRow,
  ENRICHMENT_TABLE,
  SAMPLE_TABLE,
  type SampleRow,
} from '../../dataset/more-tables.ts';
import { VISIT_TABLE, type VisitRow } from '../../dataset/visit-table.ts';
import type { CrawlConfig } from '../config.ts';
import { CrawlMachine } from '../crawl-machine.ts';
import { type Echo, JournalBuffer, type JournalVisit } from '../journal.ts';
import { LookTimes } from '../look-times.ts';
import type { OptOut } from '../opt-out.ts';
import { type AddressText, edgeRows, sampleRows, visitRow } from '../rows.ts';
import type { Visit } from '../visit.ts';
import type { Zone } from '../zone.ts';
import type { JournalFile } from './journal-file.ts';
import { Overlap } from './overlap.ts';
import { Places } from './places.ts';
import { RAW_TEXT } from './privacy.ts';
import { boundYoungHeap } from './young-heap.ts';

/** Rows wait for a transaction of so many, or so long. With many more of them the collector takes them for old, and keeps them. */
const BATCH_ROWS = 256;
const BATCH_MS = 250;
const MAX_VOTES = 256;
/** Nobody's word counts alone. */
const LEAST_VOTES = 4;

/** Our address as nodes see it. */
export class Vantage {
  readonly #votes = new Map<string, number>();
  samePort = 0;
  otherPort = 0;

  vote({ host, keepsPort }: Echo): void {
    if (this.#votes.size < MAX_VOTES || this.#votes.has(host))
      this.#votes.set(host, (this.#votes.get(host) ?? 0) + 1);
    if (keepsPort) this.samePort++;
    else this.otherPort++;
  }

  get external(): DhtAddress | undefined {
    let best: string | undefined;
    let most = LEAST_VOTES - 1;
    for (const [host, votes] of this.#votes) {
      if (votes <= most) continue;
      best = host;
      most = votes;
    }
    return best === undefined ? undefined : DhtAddress.of({ host: best, port: 1 });
  }
}

/** Where rows go: a dataset, or a stream towards one. */
export interface RowSink {
  put<T extends Table>(table: T, rows: readonly Row<T>[]): void;
}

export interface PassOptions {
  readonly runId: string;
  readonly pass: number;
  readonly zone: Zone;
  readonly ownId: Id160;
  readonly config: CrawlConfig;
  readonly optOut: OptOut;
  readonly text: AddressText;
  readonly rng: Rng;
  readonly store: RowSink;
  readonly jsonl: JsonlWriter | undefined;
  readonly vantage: Vantage;
  /** Where addresses are; undefined: nobody is asked. */
  readonly book?: AddressBook | undefined;
  /** Of a repeat: the first pass. */
  readonly first?: CrawlMachine | undefined;
  readonly onVisit?: ((visit: Visit) => void) | undefined;
}

export class Pass {
  readonly options: PassOptions;
  readonly machine: CrawlMachine;
  readonly look = new LookTimes();
  /** With a database. */
  readonly places: Places | undefined;
  /** Of a repeat. */
  readonly overlap: Overlap | undefined;
  readonly #buffer = new JournalBuffer();
  #send: (datagram: Uint8Array, to: DhtAddress) => void = () => {};
  #ownPort = 0;
  #lastEcho: DhtAddress | undefined;
  #journal: Pick<JournalFile, 'append'> | undefined;
  #visits: VisitRow[] = [];
  #edges: EdgeRow[] = [];
  #samples: SampleRow[] = [];
  #storedAtMs = 0;

  constructor(options: PassOptions) {
    this.options = options;
    const { config, pass, zone, ownId, rng, optOut, book, first } = options;
    const { ipPrivacy } = config;
    this.places =
      book === undefined
        ? undefined
        : new Places({ book, ipPrivacy, isTopology: config.mode === 'topology' });
    this.overlap = first === undefined ? undefined : new Overlap(first);
    this.machine = new CrawlMachine(
      {
        family: config.family,
        zone,
        isTopology: config.mode === 'topology',
        method: config.query,
        seed: config.seed + (pass - 1) * 0x10001,
        rng,
        ownId,
        version: CLIENT_VERSION,
        readOnly: true,
        wantsBoth: config.wantsBoth,
        policy: config.policy,
        optOut,
        startMs: 0,
      },
      {
        send: (datagram, to) => this.#send(datagram, to),
        onListed: (node) => {
          const { table } = this.machine;
          this.#buffer.listed(
            table.id(node),
            table.address(node),
            table.firstReferrer(node),
            table.queuedMs(node),
          );
        },
        onSent: (node, tries, nowMs) => this.#buffer.sent(node, tries, nowMs),
        onVisit: (visit) => this.#record(visit),
      },
    );
  }

  /** Begins, or goes on after `restore`. */
  open(
    send: (datagram: Uint8Array, to: DhtAddress) => void,
    ownPort: number,
    journal: Pick<JournalFile, 'append'>,
  ): void {
    this.#send = send;
    this.#ownPort = ownPort;
    this.#journal = journal;
  }

  /** A visit of the run before. */
  restore(visit: JournalVisit): void {
    const { row, listed, deepestBits } = visit;
    const { zone } = this.options;
    const claimed = idOf(row.id_claimed);
    this.machine.restoreVisit({
      number: row.number,
      node: row.node,
      outcome: row.outcome as Visit['outcome'],
      isInZone: row.is_in_zone,
      isClaimedInZone: claimed !== undefined && zone.has(claimed),
      tries: row.tries,
      answeredTry: row.answered_try ?? undefined,
      roundTripMs: row.round_trip_us === null ? undefined : row.round_trip_us / 1000,
      client: row.client ?? undefined,
      bep42: (row.bep42 ?? undefined) as 'valid' | 'invalid' | 'exempt' | undefined,
      observed: idOf(row.id_observed),
      receivedMs: row.received_us === null ? undefined : row.received_us / 1000,
      listed,
      deepestBits,
    });
    if (visit.echo !== undefined) this.options.vantage.vote(visit.echo);
    this.#keep(visit, this.machine.table.address(row.node));
    if (this.#visits.length >= BATCH_ROWS) this.store(0);
  }

  /** End of a turn: nothing leaves before the journal has it. */
  flush(nowMs: number): void {
    this.#journal?.append(this.#buffer);
    if (this.#visits.length >= BATCH_ROWS || nowMs - this.#storedAtMs >= BATCH_MS) this.store(nowMs);
  }

  /** Everything so far into the tables. */
  store(nowMs: number): void {
    this.#storedAtMs = nowMs;
    boundYoungHeap();
    this.#put(VISIT_TABLE, this.#visits.splice(0));
    this.#put(EDGE_TABLE, this.#edges.splice(0));
    this.#put(SAMPLE_TABLE, this.#samples.splice(0));
    // A stream has them once, at the end: an address comes in many visits.
    if (this.places !== undefined) this.options.store.put(ENRICHMENT_TABLE, this.places.drain());
  }

  #put<T extends Table>(table: T, rows: readonly Row<T>[]): void {
    this.options.store.put(table, rows);
    this.options.jsonl?.put(table, rows);
  }

  #record(visit: Visit): void {
    const { runId, pass, config, text, vantage } = this.options;
    const { reply } = visit;
    const echo = this.#echoOf(reply?.echo);
    if (echo !== undefined) vantage.vote(echo);
    const context = { runId, pass, text, external: vantage.external };
    const recorded: JournalVisit = {
      row: visitRow(visit, context),
      edges: config.mode === 'topology' ? edgeRows(visit, context) : [],
      samples: config.query === 'sample_infohashes' ? sampleRows(visit, context, config.keepsInfoHashes) : [],
      listed: reply?.listings.map(({ node }) => node).filter((node) => node >= 0) ?? [],
      deepestBits:
        reply?.listings.reduce(
          (most, { id }) => Math.max(most, id.sharedBits(visit.idObserved as Id160)),
          -1,
        ) ?? -1,
      echo,
    };
    this.#buffer.visit(recorded);
    this.#keep(recorded, visit.address);
    this.options.onVisit?.(visit);
  }

  #keep({ row, edges, samples }: JournalVisit, address: DhtAddress): void {
    const { overlap, places } = this;
    this.#visits.push(row);
    this.look.take(row);
    if (overlap !== undefined || places !== undefined) {
      const raw = { ...row, ip: RAW_TEXT.ip(address), net: RAW_TEXT.net(address) };
      overlap?.take(raw);
      places?.take(raw, row.ip);
    }
    for (const edge of edges) this.#edges.push(edge);
    for (const sample of samples) this.#samples.push(sample);
  }

  #echoOf(echo: DhtAddress | 'malformed' | undefined): Echo | undefined {
    if (!(echo instanceof DhtAddress)) return undefined;
    const last = this.#lastEcho;
    // Nearly all see the same: its text is made once.
    if (last?.sameHost(echo) !== true) this.#lastEcho = echo;
    return { host: (this.#lastEcho as DhtAddress).host, keepsPort: echo.port === this.#ownPort };
  }
}

function idOf(hex: string | null): Id160 | undefined {
  const bytes = hex === null ? undefined : fromHex(hex);
  return bytes === undefined ? undefined : Id160.of(bytes);
}
