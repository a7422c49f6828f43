// What one download took and cost, over all its runs: the record that is kept in the state directory and shown by
// `tt explain`. Pure: adding up, and reading back what a file says without believing it.
import { CAUSES, isTimeCause, noTime, sumOf, type TimeByCause, type TimeCause } from './causes.ts';

export const ACCOUNT_VERSION = 1;

/** running: not finished yet, or killed; stopped: told to stop before the end. */
export const ACCOUNT_STATES = ['running', 'complete', 'paused', 'stopped', 'error'] as const;
export type AccountState = (typeof ACCOUNT_STATES)[number];

/** Bytes on peer connections. */
export interface TransferBytes {
  /** Payload that was asked for, good or not. */
  readonly downloaded: number;
  readonly uploaded: number;
  /** Payload for nothing: a second copy; pieces that failed their hash; never asked for. */
  readonly duplicate: number;
  readonly failedHash: number;
  readonly unrequested: number;
  /** All that came and went on the connections besides payload: handshakes, messages, heads of blocks, metadata. */
  readonly protocolReceived: number;
  readonly protocolSent: number;
}

export interface ProcessorTime {
  readonly userMs: number;
  readonly systemMs: number;
}

/** How the torrent stood when the account was taken. */
export interface AccountStanding {
  readonly name: string;
  readonly directory: string;
  readonly state: AccountState;
  /** One line, with `error`. */
  readonly error?: string;
  /** 0 before the metadata is known. */
  readonly wantedBytes: number;
  readonly verifiedBytes: number;
  readonly connectedPeers: number;
  /** Known endpoints not connected to. */
  readonly knownPeers: number;
  /** Full copies among the connected peers, and the share of the next. */
  readonly availability: number;
  /** What it waited for in its last seconds. */
  readonly lastCause: TimeCause;
  /** Since the last payload came in this run, or since its beginning. */
  readonly idleMs: number;
}

export interface TransferAccount extends AccountStanding {
  readonly version: typeof ACCOUNT_VERSION;
  /** 40 hex digits. */
  readonly infoHash: string;
  /** Times that tt was started for it. */
  readonly runs: number;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  /** While tt ran for it and it was not complete; the sum of `time`. */
  readonly wallMs: number;
  readonly time: TimeByCause;
  readonly bytes: TransferBytes;
  /** Of the whole process: its share of what was moved meanwhile, where several torrents ran at once. */
  readonly processor: ProcessorTime;
  /** Of the whole process, resident, at most. */
  readonly peakMemoryBytes: number;
}

export const NO_BYTES: TransferBytes = {
  downloaded: 0,
  uploaded: 0,
  duplicate: 0,
  failedHash: 0,
  unrequested: 0,
  protocolReceived: 0,
  protocolSent: 0,
};

function addNumbers<T extends object>(a: T, b: T): T {
  const sum: Record<string, number> = {};
  for (const key of Object.keys(a) as (keyof T & string)[]) {
    sum[key] = (a[key] as number) + (b[key] as number);
  }
  return sum as T;
}

export function addBytes(a: TransferBytes, b: TransferBytes): TransferBytes {
  return addNumbers(a, b);
}

/** Whether this run goes on with what an earlier one began: not complete, and in the same folder. */
export function continues(earlier: TransferAccount, directory: string): boolean {
  return earlier.state !== 'complete' && earlier.directory === directory;
}

/** The later run, with what the earlier ones took and cost added to it. */
export function addRuns(earlier: TransferAccount, later: TransferAccount): TransferAccount {
  return {
    ...later,
    runs: earlier.runs + later.runs,
    startedAtMs: Math.min(earlier.startedAtMs, later.startedAtMs),
    wallMs: earlier.wallMs + later.wallMs,
    time: addNumbers(earlier.time, later.time),
    bytes: addBytes(earlier.bytes, later.bytes),
    processor: addNumbers(earlier.processor, later.processor),
    peakMemoryBytes: Math.max(earlier.peakMemoryBytes, later.peakMemoryBytes),
  };
}

/** Payload for nothing, bytes. */
export function wastedPayload({ bytes }: { readonly bytes: TransferBytes }): number {
  return bytes.duplicate + bytes.failedHash + bytes.unrequested;
}

const GIB = 2 ** 30;

/** Per GiB of payload downloaded; undefined when there was none. */
export function perGiB(
  account: TransferAccount,
): { readonly processorMs: number; readonly peakMemoryBytes: number } | undefined {
  const gib = account.bytes.downloaded / GIB;
  if (gib === 0) return undefined;
  const { userMs, systemMs } = account.processor;
  return { processorMs: (userMs + systemMs) / gib, peakMemoryBytes: account.peakMemoryBytes / gib };
}

/** Causes that took time, the greatest first. */
export function greatestCauses(time: TimeByCause): readonly TimeCause[] {
  return CAUSES.map(({ id }) => id)
    .filter((id) => time[id] > 0)
    .sort((a, b) => time[b] - time[a]);
}

/** @param text what a file holds @returns undefined when it is not an account of this version, or does not add up */
export function parseAccount(text: string): TransferAccount | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value['version'] !== ACCOUNT_VERSION) return undefined;
  const { infoHash, name, directory, state, error, lastCause, availability, time, bytes, processor } = value;
  const isGood =
    typeof infoHash === 'string' &&
    /^[0-9a-f]{40}$/.test(infoHash) &&
    typeof name === 'string' &&
    typeof directory === 'string' &&
    ACCOUNT_STATES.some((known) => known === state) &&
    (error === undefined || typeof error === 'string') &&
    typeof lastCause === 'string' &&
    isTimeCause(lastCause) &&
    typeof availability === 'number' &&
    availability >= 0 &&
    COUNTS.every((key) => isCount(value[key])) &&
    hasCounts(bytes, Object.keys(NO_BYTES)) &&
    hasCounts(processor, ['userMs', 'systemMs']) &&
    isObject(time) &&
    Object.entries(time).every(([cause, ms]) => isTimeCause(cause) && isCount(ms));
  if (!isGood) return undefined;
  // A cause that a newer version added is not there in older files.
  const account = { ...(value as unknown as TransferAccount), time: { ...noTime(), ...(time as object) } };
  return sumOf(account.time) === account.wallMs ? account : undefined;
}

const COUNTS = [
  'runs',
  'startedAtMs',
  'updatedAtMs',
  'wallMs',
  'peakMemoryBytes',
  'wantedBytes',
  'verifiedBytes',
  'connectedPeers',
  'knownPeers',
  'idleMs',
] as const;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function hasCounts(value: unknown, keys: readonly string[]): boolean {
  return isObject(value) && keys.every((key) => isCount(value[key]));
}
