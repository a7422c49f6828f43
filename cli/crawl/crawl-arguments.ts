// Flags of `tt dht crawl` and its relatives turned into the configuration of a run. Every default is a polite one.

import { Buffer } from 'node:buffer';
import { createHash, randomInt } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { type CrawlConfig, type CrawlMode, DEFAULT_CONFIG, MAX_RATE } from '../../dht/crawl/config.ts';
import { IP_PRIVACY } from '../../dht/crawl/io/privacy.ts';
import { OptOut } from '../../dht/crawl/opt-out.ts';
import { POLITE, type ProbeMethod, type ProbePolicy } from '../../dht/crawl/prober.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { AddressBook } from '../../dht/dataset/io/address-book.ts';
import { JsonlWriter } from '../../dht/dataset/io/jsonl.ts';
import { AddressDatabase } from '../../dht/dataset/io/mmdb.ts';
import { systemRng } from '../../dht/io/system-rng.ts';
import { cannotRead, cannotWrite } from '../base/file-trouble.ts';
import type { Flags } from '../base/flag-values.ts';
import { optionalFlagValue, parseChoice, parseCount, parseDurationMs, parseNumber } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { targetOf } from '../dht/arguments.ts';
import { outFolder } from './out-folder.ts';

const METHODS = ['find_node', 'get_peers', 'sample_infohashes'] as const satisfies readonly ProbeMethod[];
const MODES = ['zone', 'full', 'topology'] as const;
/** Holds a few thousand nodes of today's Mainline: minutes at the polite rate. */
const USUAL_ZONE_BITS = 12;
/** A hundred thousand prefixes with a comment each. */
const MAX_OPT_OUT_BYTES = 16 << 20;
const MAX_SEED = 2 ** 31 - 1;

function parseRate(flags: Flags, name: string, flag: string, usual: number): number {
  const rate = optionalFlagValue(flag, flags.text(name), parseNumber) ?? usual;
  if (rate <= 0 || rate > MAX_RATE)
    throw new UsageError(`${flag}: not a rate above 0 and up to ${MAX_RATE} queries/s`);
  return rate;
}

function policyOf(flags: Flags): ProbePolicy {
  const total = parseRate(flags, 'rate', '--rate', POLITE.total.perSecond);
  const perHost = parseRate(flags, 'ratePerIp', '--rate-per-ip', POLITE.perHost.perSecond);
  const perSubnet = parseRate(flags, 'ratePerSubnet', '--rate-per-subnet', POLITE.perSubnet.perSecond);
  return {
    ...POLITE,
    // A tenth of a second at once: timers are no finer than that matters.
    total: { perSecond: total, burst: Math.max(1, Math.ceil(total / 10)) },
    perHost: { perSecond: perHost, burst: Math.max(POLITE.perHost.burst, Math.ceil(perHost)) },
    perSubnet: { perSecond: perSubnet, burst: Math.max(POLITE.perSubnet.burst, Math.ceil(perSubnet)) },
    maxInFlight: total > 2_000 ? 1 << 17 : POLITE.maxInFlight,
  };
}

function zoneOf(flags: Flags, mode: CrawlMode): Zone {
  const zone = optionalFlagValue('--zone', flags.text('zone'), (text) => Zone.parse(text));
  if (mode === 'full') {
    if (zone !== undefined)
      throw new UsageError('--zone and --mode full exclude each other: full is the whole id space');
    return Zone.everything;
  }
  return zone ?? new Zone(Id160.random(systemRng), USUAL_ZONE_BITS);
}

/** @throws UsageError on flags that make no sense, together or alone */
export function crawlConfig(context: CommandContext, fixedMode?: CrawlMode): CrawlConfig {
  const { flags } = context;
  const typed = optionalFlagValue('--mode', flags.text('mode'), parseChoice(MODES));
  const mode = fixedMode ?? typed ?? 'zone';
  const query = optionalFlagValue('--query', flags.text('query'), parseChoice(METHODS));
  const isOnly6 = flags.isOn('ipv6') && !flags.isOn('ipv4');
  const ratio = (name: string, flag: string): number | undefined =>
    optionalFlagValue(flag, flags.text(name), parseNumber);
  const recheckShare = ratio('recheck', '--recheck') ?? DEFAULT_CONFIG.recheckShare;
  if (recheckShare > 1) throw new UsageError('--recheck: a share from 0 to 1');
  const lookups = ratio('lookups', '--lookups') ?? DEFAULT_CONFIG.lookups;
  return {
    mode,
    family: isOnly6 ? 6 : 4,
    zone: zoneOf(flags, mode).toString(),
    seed: optionalFlagValue('--seed', flags.text('seed'), parseCount) ?? randomInt(1, MAX_SEED),
    query: mode === 'sample' ? 'sample_infohashes' : (query ?? DEFAULT_CONFIG.query),
    repeats: flags.choice('repeat') === false || mode === 'topology' || mode === 'sample' ? 0 : 1,
    policy: policyOf(flags),
    ipPrivacy:
      optionalFlagValue('--ip-privacy', flags.text('ipPrivacy'), parseChoice(IP_PRIVACY)) ??
      DEFAULT_CONFIG.ipPrivacy,
    keepsInfoHashes: flags.isOn('infoHashes'),
    wantsBoth: flags.isOn('wantBoth'),
    recheckShare,
    lookups: Math.round(lookups),
    bootstrap: flags.list('bootstrap'),
    planted: flags.list('planted').map((text) => Buffer.from(targetOf(text, '--planted')).toString('hex')),
  };
}

export interface OptOutFile {
  readonly optOut: OptOut;
  readonly hash: string | undefined;
}

/** A pipe or a device may have no end. @returns undefined where it is too long. @throws the file system's error */
function readWhole(file: string): string | undefined {
  const bytes = Buffer.alloc(MAX_OPT_OUT_BYTES + 1);
  const descriptor = openSync(file, 'r');
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
    return length > MAX_OPT_OUT_BYTES ? undefined : bytes.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws OperationError `disk` when it cannot be read, UsageError when a line is wrong */
export function optOutFile(context: CommandContext): OptOutFile {
  const name = context.flags.text('optOut');
  if (name === undefined) return { optOut: OptOut.none, hash: undefined };
  const what = `the opt-out file ${name}`;
  let text: string | undefined;
  try {
    text = readWhole(path.resolve(context.environment.cwd, name));
  } catch (error) {
    throw cannotRead(error, what);
  }
  if (text === undefined)
    throw new OperationError('disk', `cannot read ${what}: it has more than ${MAX_OPT_OUT_BYTES} bytes`);
  const optOut = OptOut.parse(text);
  if (!optOut.ok) throw new UsageError(`--opt-out ${name}: ${optOut.reason.what}`);
  return { optOut: optOut.value, hash: createHash('sha256').update(text).digest('hex') };
}

/** Where `--jsonl` leads; undefined without it. @throws OperationError `disk` */
export function jsonlWriter(
  { flags, environment, output }: CommandContext,
  isResumed: boolean,
): JsonlWriter | undefined {
  const name = flags.text('jsonl');
  if (name === undefined) return undefined;
  if (name === '-') return JsonlWriter.lines((line) => output.console.out(line));
  const file = path.resolve(environment.cwd, name);
  try {
    return JsonlWriter.file(file, isResumed);
  } catch (error) {
    throw cannotWrite(error, file);
  }
}

/** The databases of `--mmdb` as one; undefined without any. @throws OperationError `disk` */
export function addressBook({ flags, environment }: CommandContext): AddressBook | undefined {
  const files = flags.list('mmdb');
  return files.length === 0
    ? undefined
    : new AddressBook(files.map((file) => AddressDatabase.open(path.resolve(environment.cwd, file))));
}

/** `crawl-20261121-123456-zone`: sorts by time, says what it is. @throws OperationError `disk` for one that --out names */
export function runDirectory(context: CommandContext, mode: CrawlMode): string {
  const { flags, environment } = context;
  const out = flags.text('out');
  if (out !== undefined) return outFolder(environment.cwd, out);
  const stamp = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return path.resolve(environment.cwd, `crawl-${stamp}-${mode}`);
}

export function timeLimitMs(flags: Flags): number | undefined {
  return optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
}
