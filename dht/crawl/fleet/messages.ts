// What a coordinator and its workers tell each other: an order for one part of the zone, rows of it, and its end. JSON, because a
// person debugging a stream reads it, and everything is checked on arrival, because whoever may publish there may publish anything.
import { accept, type Result, reject } from '../../../core/base/result.ts';
import { type CrawlConfig, readConfig } from '../config.ts';
import { OptOut } from '../opt-out.ts';
import { Zone } from '../zone.ts';

/** Crawl one part of the zone once, seen from one vantage point. */
export interface Order {
  readonly runId: string;
  /** Place in the run's list of orders: names it, and keeps its numbers apart from those of others. */
  readonly order: number;
  /** 1 for the first vantage point, 2 for the second. */
  readonly pass: number;
  readonly zone: string;
  /** Milliseconds since 1970; times in rows count from here. */
  readonly startedUnixMs: number;
  readonly config: CrawlConfig;
  /** Prefixes that the coordinator's list opts out; those of the worker's own list come on top. */
  readonly optOut: readonly string[];
}

/** Where an order's rows come from: one attempt of one worker. Two attempts never mix. */
interface Origin {
  readonly order: number;
  /** 32 hex digits, random. */
  readonly attempt: string;
}

export interface RowsMessage extends Origin {
  readonly kind: 'rows';
  /** Messages of the attempt, counted from 0: what comes twice is known by it. */
  readonly number: number;
  readonly table: string;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export interface EndMessage extends Origin {
  readonly kind: 'end';
  readonly worker: string;
  /** Messages with rows sent before: nothing is merged of an attempt that lost one. */
  readonly messageCount: number;
  /** Of the socket that asked. */
  readonly ownId: string;
  readonly port: number;
  readonly traps: readonly { readonly subnet: string; readonly listed: number }[];
}

export type WorkerMessage = RowsMessage | EndMessage;

/** What a worker says of itself every few seconds, to whoever listens; nothing rests on it but what a person is shown. */
export interface Beat {
  readonly worker: string;
  readonly vantage: string;
  /** False: its last words. */
  readonly isThere: boolean;
  /** Orders done, and queries sent, since it was started. */
  readonly done: number;
  readonly sent: number;
  /** Undefined while it waits for an order. */
  readonly work:
    | {
        readonly runId: string;
        readonly order: number;
        readonly zone: string;
        readonly visits: number;
        readonly queueLeft: number;
        readonly verified: number;
        /** Queries of this attempt. */
        readonly sent: number;
      }
    | undefined;
}

/** Orders of one run at most: numbers of rows stay exact integers. */
const MAX_ORDERS = 1 << 16;
/** Rows of one order at most. */
export const ROWS_PER_ORDER = 2 ** 36;
/** Prefixes of an order: 43 bytes each at most, so that it fits into a message beside its configuration. */
export const MAX_ORDER_PREFIXES = 8_192;
const MAX_ROWS = 4096;
const MAX_MESSAGES = 1 << 24;
const MAX_TRAPS = 4096;
const MAX_TEXT = 128;
const HEX_32 = /^[0-9a-f]{32}$/;

/** What came through the queue: bounded, and with limits and an opt-out list, or rejected. */
export function readOrder(value: unknown): Result<Order> {
  const order = value as Partial<Order> | null;
  if (typeof order !== 'object' || order === null) return reject('not an order');
  const { runId, order: number, pass, zone, startedUnixMs } = order;
  if (!isText(runId) || !isCount(number, MAX_ORDERS) || !isCount(pass, 64) || pass === 0)
    return reject('an order without its names');
  if (!isText(zone) || !Zone.parse(zone).ok) return reject('an order without a zone');
  if (!isCount(startedUnixMs, Number.MAX_SAFE_INTEGER)) return reject('an order without a start');
  const config = readConfig(order.config);
  if (!config.ok) return config;
  const { optOut } = order;
  // An order that does not say whom to leave alone is not carried out.
  if (!Array.isArray(optOut) || optOut.length > MAX_ORDER_PREFIXES || !optOut.every(isText))
    return reject('an order without its opt-out list');
  const list = OptOut.parse(optOut.join('\n'));
  if (!list.ok) return reject(`an order whose opt-out list is wrong: ${list.reason.what}`);
  return accept({ runId, order: number, pass, zone, startedUnixMs, config: config.value, optOut });
}

/** What came through the queue: rows of an attempt, or the end of one; at most 4,096 rows. */
export function readWorkerMessage(value: unknown): Result<WorkerMessage> {
  const message = value as
    | (Partial<Omit<RowsMessage, 'kind'> & Omit<EndMessage, 'kind'>> & { readonly kind?: unknown })
    | null;
  if (typeof message !== 'object' || message === null) return reject('not a message');
  const { order, attempt } = message;
  if (!isCount(order, MAX_ORDERS) || !isText(attempt) || !HEX_32.test(attempt))
    return reject('of no attempt at an order');
  const origin = { order, attempt };
  if (message.kind === 'rows') {
    const { number, table, rows } = message;
    const areRows = Array.isArray(rows) && rows.length <= MAX_ROWS && rows.every(isRow);
    return isText(table) && areRows && isCount(number, MAX_MESSAGES)
      ? accept({ kind: 'rows', ...origin, number, table, rows })
      : reject('rows that are none');
  }
  const { worker, messageCount, ownId, port, traps } = message;
  const isEnd =
    message.kind === 'end' &&
    isText(worker) &&
    isCount(messageCount, MAX_MESSAGES) &&
    isText(ownId) &&
    isCount(port, 65535) &&
    Array.isArray(traps) &&
    traps.length <= MAX_TRAPS &&
    traps.every((trap) => isRow(trap) && isText(trap['subnet']) && isCount(trap['listed'], ROWS_PER_ORDER));
  return isEnd
    ? accept({ kind: 'end', ...origin, worker, messageCount, ownId, port, traps })
    : reject('an end that is none');
}

/** What a worker says of itself every two seconds; only what is shown rests on it. */
export function readBeat(value: unknown): Result<Beat> {
  const beat = value as (Partial<Omit<Beat, 'work'>> & { readonly work?: unknown }) | null;
  if (!isRow(beat)) return reject('not a beat');
  const { worker, vantage, isThere, done, sent } = beat;
  const areCounts = isCount(done, ROWS_PER_ORDER) && isCount(sent, ROWS_PER_ORDER);
  if (!isText(worker) || !isText(vantage) || typeof isThere !== 'boolean' || !areCounts)
    return reject('a beat of nobody');
  const of = { worker, vantage, isThere, done, sent };
  if (beat.work === undefined) return accept({ ...of, work: undefined });
  if (!isRow(beat.work)) return reject('a beat of no order');
  const { runId, order, zone, ...counts } = beat.work as Partial<NonNullable<Beat['work']>>;
  const { visits, queueLeft, verified, sent: sentOfOrder } = counts;
  return isText(runId) &&
    isCount(order, MAX_ORDERS) &&
    isText(zone) &&
    isCount(visits, ROWS_PER_ORDER) &&
    isCount(queueLeft, ROWS_PER_ORDER) &&
    isCount(verified, ROWS_PER_ORDER) &&
    isCount(sentOfOrder, ROWS_PER_ORDER)
    ? accept({ ...of, work: { runId, order, zone, visits, queueLeft, verified, sent: sentOfOrder } })
    : reject('a beat of no order');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT;
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function isRow(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
