// Values as people type them: sizes, rates, times, ports, addresses. Pure; every parser returns a Result with the rule it applied.
import { parseIp } from '../../core/base/endpoint.ts';
import { accept, type Result, reject, UsageError } from '../../core/base/result.ts';
import { parseTrackerUrl } from '../../tracker/tracker-url.ts';

export type Parser<T> = (text: string) => Result<T>;

/** Parses what was typed for a flag. @throws UsageError naming flag, value and rule */
export function flagValue<T>(flag: string, text: string, parse: Parser<T>): T {
  const parsed = parse(text);
  if (parsed.ok) return parsed.value;
  throw new UsageError(`${flag}: "${text}" is refused: ${parsed.reason.what}`);
}

/** The same for a flag that may be absent. */
export function optionalFlagValue<T>(
  flag: string,
  text: string | undefined,
  parse: Parser<T>,
): T | undefined {
  return text === undefined ? undefined : flagValue(flag, text, parse);
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** `10M` and `10MiB` are 10 x 2^20 as in wget, curl and aria2; `10MB` is 10 x 10^6. */
export function parseBytes(text: string): Result<number> {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : UNIT_BYTES[(match[2] as string).toLowerCase()];
  if (match === null || unit === undefined) return reject('not a size like 500K, 10M, 10MiB or 10MB');
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? accept(bytes) : reject('too large');
}

/** Bytes per second; `/s` may follow; 0 is no limit. */
export function parseRate(text: string): Result<number> {
  const parsed = parseBytes(text.trim().replace(/\/s$/i, ''));
  return parsed.ok ? parsed : reject('not a rate like 500K, 10M, 10MiB or 10MB (per second; 0 = no limit)');
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };
/** The longest a Node timer can wait. */
const MOST_TIMER_MS = 2 ** 31 - 1;

/** `90` (seconds), `500ms`, `1h30m`. @returns milliseconds */
export function parseDurationMs(text: string): Result<number> {
  const rule = 'not a time like 30, 30s, 5m or 1h30m';
  const trimmed = text.trim().toLowerCase();
  if (/^[0-9]+(\.[0-9]+)?$/.test(trimmed)) return withinTimer(Number(trimmed) * 1e3);
  if (!/^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$/.test(trimmed)) return reject(rule);
  let totalMs = 0;
  for (const part of trimmed.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(part[1]) * (UNIT_MS[part[2] as string] as number);
  }
  return withinTimer(totalMs);
}

function withinTimer(ms: number): Result<number> {
  return ms <= MOST_TIMER_MS ? accept(Math.round(ms)) : reject('longer than 24 days');
}

/** A port that can be named: 1 to 65535. */
export function parsePort(text: string): Result<number> {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port >= 1 && port <= 65535 ? accept(port) : reject('not a port from 1 to 65535');
}

/** `6881`, `6881-6889`, or `0` for any free port. */
export function parsePortRange(text: string): Result<readonly [first: number, last: number]> {
  if (text === '0') return accept([0, 0]);
  const ends = text.split('-');
  const first = parsePort(ends[0] as string);
  const last = ends.length === 2 ? parsePort(ends[1] as string) : first;
  if (ends.length > 2 || !first.ok || !last.ok)
    return reject('not a port or a range like 6881-6889 (0 = any free port)');
  return first.value <= last.value ? accept([first.value, last.value]) : reject('the range runs backwards');
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `1.2.3.4:6881`, `[2001:db8::1]:6881`, `seed.example:6881`. Names are resolved by whoever dials. */
export function parseHostPort(text: string): Result<HostPort> {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):([0-9]+)$/.exec(text);
  const rule = 'not HOST:PORT like 192.0.2.1:6881, [2001:db8::1]:6881 or seed.example:6881';
  if (match === null) return reject(rule);
  const port = parsePort(match[3] as string);
  if (!port.ok) return port;
  const bracketed = match[1];
  if (bracketed !== undefined) {
    if (!bracketed.includes(':') || parseIp(bracketed) === undefined) return reject(rule);
    return accept({ host: bracketed, port: port.value });
  }
  const host = match[2] as string;
  const isNumeric = /^[0-9.]+$/.test(host);
  if (isNumeric && parseIp(host) === undefined) return reject(rule);
  return accept({ host, port: port.value });
}

/** Bytes of a file as HTTP names them (RFC 9110 14.1.2): both ends belong to it; without a first, the last so many. */
export type ByteRangeText =
  | { readonly first: number; readonly last: number | undefined }
  | { readonly lastBytes: number };

/** `0-499`, `500-`, `-500`. */
export function parseByteRange(text: string): Result<ByteRangeText> {
  const rule = 'not a range of bytes like 0-499, 500- or -500';
  const match = /^([0-9]{0,16})-([0-9]{0,16})$/.exec(text.trim());
  if (match === null) return reject(rule);
  const [first, last] = [match[1] as string, match[2] as string];
  if (first === '')
    return last === '' || Number(last) === 0 ? reject(rule) : accept({ lastBytes: Number(last) });
  if (last !== '' && Number(last) < Number(first)) return reject('the range runs backwards');
  return accept({ first: Number(first), last: last === '' ? undefined : Number(last) });
}

/** 1 to 999,999,999. */
export function parseCount(text: string): Result<number> {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return count >= 1 ? accept(count) : reject('not a whole number of at least 1');
}

/** A count of what may be none. */
export function parseZeroOrMore(text: string): Result<number> {
  if (text === '0') return accept(0);
  const count = parseCount(text);
  return count.ok ? count : reject('not a whole number of at least 0');
}

/** 0 and above, with a fraction or without. */
export function parseNumber(text: string): Result<number> {
  const number = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? accept(number) : reject('not a number like 2 or 0.5');
}

/** A share ratio: uploaded / size. */
export function parseRatio(text: string): Result<number> {
  const ratio = parseNumber(text);
  return ratio.ok ? ratio : reject('not a ratio like 1 or 1.5');
}

/** true, yes, on, 1 or their opposites, in any case. */
export function parseOnOff(text: string): Result<boolean> {
  if (/^(true|yes|on|1)$/i.test(text)) return accept(true);
  if (/^(false|no|off|0)$/i.test(text)) return accept(false);
  return reject('neither true nor false');
}

/** One of these words, to the letter. */
export function parseChoice<T extends string>(choices: readonly T[]): Parser<T> {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    return found === undefined ? reject(`not one of ${choices.join(', ')}`) : accept(found);
  };
}

/** @returns the URL as given, once the tracker rooms accept it */
export function parseTracker(text: string): Result<string> {
  const parsed = parseTrackerUrl(text);
  return parsed.ok ? accept(text) : parsed;
}

/** @returns the URL as given, when it is one of http or https */
export function parseWebUrl(text: string): Result<string> {
  const isWeb = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  return isWeb ? accept(text) : reject('not an http:// or https:// address');
}

/** @returns the URL as given, when it is one of socks5 or socks5h (RFC 1928, 1929) */
export function parseProxy(text: string): Result<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^socks5h?:$/.test(url.protocol) || url.hostname === '')
    return reject('not a proxy like socks5://127.0.0.1:1080 or socks5://user:password@host:1080');
  return accept(text);
}
