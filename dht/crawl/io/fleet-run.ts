// A run over several machines: its orders are in a queue, its rows come through another, and all of it becomes one dataset like
// that of a run of one machine. What is done lies in the run's folder, so that a coordinator that was killed goes on.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError } from '../../../core/base/result.ts';
import type { Row, Table } from '../../dataset/columns.ts';
import { writeHeader } from '../../dataset/io/header-file.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { lossOf, storeSummary } from '../../dataset/io/summarise.ts';
import type { SummaryRow } from '../../dataset/more-tables.ts';
import { RUN_TABLE, type RunRow } from '../../dataset/run-table.ts';
import { TABLES } from '../../dataset/schema.ts';
import { VISIT_TABLE, type VisitRow } from '../../dataset/visit-table.ts';
import type { CrawlConfig } from '../config.ts';
import type { Estimate } from '../estimates.ts';
import {
  type Beat,
  type EndMessage,
  MAX_ORDER_PREFIXES,
  type Order,
  ROWS_PER_ORDER,
  type RowsMessage,
  readBeat,
  readWorkerMessage,
} from '../fleet/messages.ts';
import { Ledger, type PlannedOrder, plan } from '../fleet/orders.ts';
import { GONE_MS, Roster, type WorkerView } from '../fleet/roster.ts';
import { FleetTally } from '../fleet/tally.ts';
import type { OptOut } from '../opt-out.ts';
import { rangeOf } from '../repeat-zone.ts';
import type { AddressText } from '../rows.ts';
import type { JetStreamEngine, Taken } from './jetstream.ts';
import { beginRun, reopenRun } from './open-run.ts';
import { addressText, disguised } from './privacy.ts';
import type { ToolIdentity } from './run-header.ts';
import { FLEET_FILE, zoneOf } from './run-parts.ts';
import { Staging } from './staging.ts';

const STAGING_FOLDER = 'staging';
/** Columns that number rows within one order; those of another begin elsewhere. */
const NUMBERS = ['number', 'node', 'first_referrer', 'visit', 'neighbour_node'];

export interface FleetSetup {
  readonly engine: JetStreamEngine;
  readonly directory: string;
  readonly tool: ToolIdentity;
  /** Undefined: go on with the run that lies in `directory`. */
  readonly config: CrawlConfig | undefined;
  readonly optOut: OptOut;
  readonly optOutHash: string | undefined;
  /** With `hmac`. */
  readonly key: Uint8Array | undefined;
  /** Each sees the whole zone; their overlap gives p and the estimates. */
  readonly vantages: readonly string[];
  /** Parts of the zone: rounded up to a power of two. */
  readonly parts: number;
  readonly signal: AbortSignal;
  readonly timeMs: number | undefined;
  readonly onStart: (runId: string, orders: number) => void;
  readonly onProgress: (progress: FleetProgress) => void;
}

export type OrderState = 'given' | 'working' | 'done';

/** What a coordinator can know. */
export interface FleetProgress {
  readonly runId: string;
  readonly elapsedMs: number;
  readonly orders: number;
  readonly done: number;
  /** Orders done when this process began: of a run that is gone on with. */
  readonly doneBefore: number;
  /** Rows in the dataset. */
  readonly rows: number;
  /** Attempts thrown away: their worker was too late, or died. */
  readonly discarded: number;
  /** By the first vantage point: merged, and of orders being crawled as far as their workers say. */
  readonly visits: number;
  readonly verified: number;
  /** Queries of all, counted in the same way. */
  readonly sent: number;
  readonly queriesPerSec: number;
  readonly zoneBits: number;
  /** Each with its orders, in the order of their ids. */
  readonly vantages: readonly { readonly name: string; readonly orders: readonly OrderState[] }[];
  readonly workers: readonly WorkerView[];
  /** Answering nodes, by client. */
  readonly clients: ReadonlyMap<string, number>;
  /** By the parts that two vantage points have seen so far; undefined without one. */
  readonly estimate: (Estimate & { readonly p: number }) | undefined;
  readonly seenTwice: number;
}

/** Kept in the run's folder. */
interface FleetState {
  readonly orders: readonly PlannedOrder[];
  /** Orders given to the queue. */
  given: number;
  readonly done: { readonly order: number; readonly attempt: string; readonly worker: string }[];
  readonly traps: { readonly subnet: string; readonly listed: number }[];
}

export class FleetRun {
  readonly #setup: FleetSetup;
  readonly #config: CrawlConfig;
  readonly #store: DatasetStore;
  readonly #staging: Staging;
  readonly #state: FleetState;
  readonly #ledger: Ledger;
  readonly #text: AddressText;
  readonly #roster: Roster;
  readonly #tally = new FleetTally();
  /** Of orders that are not done: what was last heard of them. */
  readonly #underway = new Map<number, NonNullable<Beat['work']>>();
  readonly #doneBefore: number;
  #startedMs = performance.now();
  /** When the run began, before its pauses, on the clock that nobody sets. */
  readonly #runStartedMs: number;
  #header: RunRow;
  #rows = 0;
  #discarded = 0;

  private constructor(setup: FleetSetup, header: RunRow, store: DatasetStore, state: FleetState) {
    this.#setup = setup;
    this.#header = header;
    this.#runStartedMs = performance.now() - Math.max(0, Date.now() - Date.parse(header.started_utc));
    this.#config = header.config as CrawlConfig;
    this.#store = store;
    this.#state = state;
    this.#staging = new Staging(join(setup.directory, STAGING_FOLDER));
    this.#ledger = new Ledger(
      state.orders.length,
      state.done.map(({ order, attempt }) => [order, attempt]),
    );
    this.#text = addressText(this.#config.ipPrivacy, setup.key);
    this.#roster = new Roster(header.run_id);
    this.#doneBefore = state.done.length;
  }

  /** @throws OperationError */
  static async run(
    setup: FleetSetup,
  ): Promise<{ readonly run: RunRow; readonly summary: readonly SummaryRow[] }> {
    if (setup.optOut.size > MAX_ORDER_PREFIXES) {
      throw new OperationError(
        'refused',
        `the opt-out list has ${setup.optOut.size} prefixes, and orders to workers carry ${MAX_ORDER_PREFIXES}`,
        { hint: 'Give every worker the file with its own --opt-out, and the coordinator a shorter one.' },
      );
    }
    const fleet =
      setup.config === undefined ? await FleetRun.#resume(setup) : await FleetRun.#begin(setup, setup.config);
    setup.onStart(fleet.#header.run_id, fleet.#state.orders.length);
    setup.engine.hearBeats((value) => {
      const beat = readBeat(value);
      if (beat.ok) fleet.#roster.hear(beat.value, performance.now());
    });
    try {
      await fleet.#giveOrders();
      return await fleet.#gather();
    } finally {
      fleet.#store.close();
    }
  }

  static async #begin(setup: FleetSetup, config: CrawlConfig): Promise<FleetRun> {
    const { header, store } = await beginRun(setup, config);
    const zone = zoneOf(config);
    const state = { orders: plan(zone, setup.parts, setup.vantages), given: 0, done: [], traps: [] };
    const fleet = new FleetRun(setup, header, store, state);
    fleet.#saveState();
    fleet.#saveHeader({});
    return fleet;
  }

  static async #resume(setup: FleetSetup): Promise<FleetRun> {
    const { directory } = setup;
    const { header, store } = await reopenRun(setup);
    let state: FleetState;
    try {
      state = JSON.parse(readFileSync(join(directory, FLEET_FILE), 'utf8')) as FleetState;
    } catch (error) {
      throw new OperationError('disk', `${directory} holds no run of several machines`, { cause: error });
    }
    const fleet = new FleetRun(setup, header, store, state);
    fleet.#recount();
    const resumes = [...(header.resumes as readonly unknown[]), { at_utc: new Date().toISOString() }];
    fleet.#saveHeader({ resumes, state: 'running', state_reason: null, ended_utc: null });
    return fleet;
  }

  async #giveOrders(): Promise<void> {
    const { engine, optOut } = this.#setup;
    const { run_id: runId, started_utc: startedUtc } = this.#header;
    for (const { order, pass, vantage, zone } of this.#state.orders.slice(this.#state.given)) {
      const startedUnixMs = Date.parse(startedUtc);
      const message: Order = {
        ...{ runId, order, pass, zone, startedUnixMs, config: this.#config },
        optOut: optOut.prefixes,
      };
      await engine.giveOrder(vantage, `${runId}:${order}`, message);
      this.#state.given = order + 1;
    }
    this.#saveState();
  }

  async #gather(): Promise<{ readonly run: RunRow; readonly summary: readonly SummaryRow[] }> {
    const { engine, signal, timeMs } = this.#setup;
    const { run_id: runId } = this.#header;
    this.#startedMs = performance.now();
    const isLate = (): boolean => timeMs !== undefined && performance.now() - this.#startedMs >= timeMs;
    while (!this.#ledger.isComplete && !signal.aborted && !isLate()) {
      const taken = await engine.takeRows(runId);
      if (taken !== undefined) await this.#handle(taken);
      this.#setup.onProgress(this.#progress());
    }
    if (this.#ledger.isComplete) return this.#finish(undefined);
    return this.#finish(signal.aborted ? 'signal' : 'time');
  }

  #progress(): FleetProgress {
    const nowMs = performance.now();
    const workers = this.#roster.workers(nowMs);
    const working = workers.flatMap(({ work, silentMs }) =>
      work === undefined || silentMs > GONE_MS ? [] : [work],
    );
    for (const each of working) this.#underway.set(each.order, each);
    // What is told of an order counts until its rows are there, also while nobody is at it: whoever takes it finds them again.
    for (const order of this.#underway.keys()) if (this.#ledger.done.has(order)) this.#underway.delete(order);
    const underway = [...this.#underway.values()];
    const first = underway.filter(({ order }) => this.#state.orders[order]?.pass === 1);
    const sum = <T>(values: readonly T[], of: (value: T) => number): number =>
      values.reduce((total, value) => total + of(value), 0);
    const taken = new Set(working.map(({ order }) => order));
    const vantages = new Map<string, OrderState[]>();
    for (const { order, vantage } of this.#state.orders) {
      const states = vantages.get(vantage) ?? [];
      states.push(this.#ledger.done.has(order) ? 'done' : taken.has(order) ? 'working' : 'given');
      vantages.set(vantage, states);
    }
    const { bits: zoneBits } = zoneOf(this.#config);
    const parts = this.#state.orders.length / Math.max(1, vantages.size);
    const { visits, verified, sent, clients, seenTwice } = this.#tally;
    return {
      runId: this.#header.run_id,
      elapsedMs: nowMs - this.#startedMs,
      orders: this.#ledger.size,
      done: this.#ledger.done.size,
      doneBefore: this.#doneBefore,
      rows: this.#rows,
      discarded: this.#discarded,
      visits: visits + sum(first, (each) => each.visits),
      verified: verified + sum(first, (each) => each.verified),
      sent: sent + sum(underway, (each) => each.sent),
      queriesPerSec: sum(workers, ({ queriesPerSec }) => queriesPerSec),
      zoneBits,
      vantages: [...vantages].map(([name, orders]) => ({ name, orders })),
      ...{ workers, clients, seenTwice },
      estimate: this.#tally.estimate(2 ** -zoneBits / parts),
    };
  }

  /** Of a run that is gone on with: what its dataset has already. */
  #recount(): void {
    let last: PlannedOrder | undefined;
    for (const row of this.#store.rows(VISIT_TABLE)) {
      const order = Math.floor(row.number / ROWS_PER_ORDER);
      // Merged, and not said so yet: it is merged once more.
      const planned = this.#ledger.done.has(order) ? this.#state.orders[order] : undefined;
      if (planned === undefined) continue;
      if (last !== undefined && last !== planned) this.#tally.endPart(last.zone, last.pass);
      last = planned;
      this.#tally.visit(planned.pass, row);
      this.#rows++;
    }
    if (last !== undefined) this.#tally.endPart(last.zone, last.pass);
  }

  /** What is on our disk is acknowledged, never before. */
  async #handle(taken: Taken): Promise<void> {
    const message = readWorkerMessage(taken.value);
    if (message.ok) {
      if (message.value.kind === 'rows') this.#stage(message.value);
      else this.#settle(message.value);
    }
    await taken.done();
  }

  #stage(message: RowsMessage): void {
    // Of an order that somebody else has done: its end will be thrown away as well.
    if (this.#ledger.done.has(message.order)) return;
    const isHidden = this.#config.ipPrivacy !== 'raw';
    const rows = isHidden ? message.rows.map((row) => this.#hidden(row)) : message.rows;
    this.#staging.append({ ...message, rows });
  }

  #hidden(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const { ip, port } = row;
    if (typeof ip !== 'string' || typeof port !== 'number') return row;
    return disguised({ ...row, ip, port }, this.#text);
  }

  #settle(end: EndMessage): void {
    const { order, attempt, messageCount } = end;
    const batches = [...this.#staging.batches(attempt)];
    const verdict = this.#ledger.judge(order, attempt, batches.length === messageCount);
    if (verdict === 'merge') {
      for (const { table, rows } of batches) this.#merge(order, table, rows);
      const hides = this.#config.ipPrivacy !== 'raw';
      for (const { subnet, listed } of end.traps)
        this.#state.traps.push({ subnet: hides ? `trap ${this.#state.traps.length + 1}` : subnet, listed });
      const planned = this.#state.orders[order] as PlannedOrder;
      this.#state.done.push({ order, attempt, worker: end.worker });
      this.#saveState();
      this.#ledger.done.set(order, attempt);
      this.#tally.endPart(planned.zone, planned.pass);
      const own = this.#header.own_nodes as readonly unknown[];
      const { worker, ownId: id, port } = end;
      const { pass, vantage, zone } = planned;
      this.#saveHeader({ own_nodes: [...own, { pass, id, port, zone, vantage, worker }] });
    } else if (verdict === 'discard') this.#discarded++;
    this.#staging.drop(attempt);
  }

  /** Each order has a range of numbers of its own, so that merging twice changes nothing. */
  #merge(order: number, name: string, rows: RowsMessage['rows']): void {
    const table: Table | undefined = TABLES.find((each) => each.name === name);
    const planned = this.#state.orders[order];
    if (table === undefined || planned === undefined) return;
    const base = order * ROWS_PER_ORDER;
    const own = rows.map((row) => {
      const merged: Record<string, unknown> = { ...row, run_id: this.#header.run_id, pass: planned.pass };
      for (const column of NUMBERS) {
        const value = merged[column];
        if (column in table.columns && typeof value === 'number' && value >= 0) merged[column] = base + value;
      }
      return merged as Row<Table>;
    });
    this.#store.put(table, own);
    if (table === VISIT_TABLE) for (const row of own) this.#tally.visit(planned.pass, row as VisitRow);
    this.#rows += own.length;
  }

  async #finish(
    stopped: 'signal' | 'time' | undefined,
  ): Promise<{ readonly run: RunRow; readonly summary: readonly SummaryRow[] }> {
    const zone = zoneOf(this.#config);
    const hasTwo = this.#state.orders.some(({ pass }) => pass === 2);
    const { run_id: runId } = this.#header;
    const summary = storeSummary(this.#store, {
      runId,
      zoneBits: zone.bits,
      zonePrefix: this.#header.zone_prefix,
      distances: undefined,
      planted: undefined,
      secondPort: undefined,
      gone: undefined,
      repeatRange: hasTwo && stopped === undefined ? rangeOf(zone) : undefined,
      traps: this.#state.traps,
    });
    const loss = lossOf(this.#store);
    const left = this.#ledger.size - this.#ledger.done.size;
    this.#saveHeader({
      state: stopped === undefined ? 'complete' : 'partial',
      state_reason: stopped ?? null,
      ended_utc: new Date().toISOString(),
      elapsed_us: Math.round((performance.now() - this.#runStartedMs) * 1000),
      loss_share: loss?.share ?? null,
      loss_answers: loss?.answers ?? 0,
      warnings: left === 0 ? [] : [`The run was cut: ${left} of ${this.#ledger.size} parts are missing.`],
    });
    if (stopped === undefined) {
      this.#staging.clear();
      await this.#setup.engine.forget(runId);
    }
    return { run: this.#header, summary };
  }

  #saveState(): void {
    const path = join(this.#setup.directory, FLEET_FILE);
    writeFileSync(`${path}.part`, `${JSON.stringify(this.#state)}\n`);
    renameSync(`${path}.part`, path);
  }

  #saveHeader(changes: Partial<RunRow>): void {
    this.#header = { ...this.#header, ...changes };
    this.#store.put(RUN_TABLE, [this.#header]);
    writeHeader(this.#setup.directory, this.#header);
  }
}
