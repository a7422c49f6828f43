// How far this machine's clock is off, asked of a web server that the person names (its `Date` header, RFC 9110 6.6.1):
// tt has no time service of its own and asks nobody uninvited. What the system says of its clock is looked at in any case.
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { isIPv6 } from '../../core/base/endpoint.ts';
import { flagValue, parseWebUrl } from '../base/parse.ts';
import { bad, type DoctorContext, type DoctorFact, type DoctorProbe, good, notChecked } from './section.ts';

/** The header has whole seconds. */
const DATE_STEP_MS = 1_000;
/** Beyond this certificates of trackers begin to fail, and logs mislead. */
const MOST_OFFSET_MS = 30_000;
/** This program did not exist before. */
const BEFORE_TT_MS = Date.UTC(2026, 10, 1);
const MOST_HEADER_BYTES = 16_384;
/** Made by systemd-timesyncd once a server has answered. */
const SYNCHRONIZED_FILE = '/run/systemd/timesync/synchronized';
/** chrony's measurements, rewritten while it runs. */
const CHRONY_FILE = '/run/chrony/chronyd.pid';

export interface ClockReading {
  /** Positive: this machine is ahead. */
  readonly offsetMs: number;
  /** The truth lies within. */
  readonly errorMs: number;
}

/**
 * What one answer says about the clock. Pure.
 * @param sentUnixMs, receivedUnixMs by the clock in question @returns undefined when the header is no date
 */
export function clockReading(
  dateHeader: string | undefined,
  sentUnixMs: number,
  receivedUnixMs: number,
): ClockReading | undefined {
  const serverMs = dateHeader === undefined ? Number.NaN : Date.parse(dateHeader);
  if (!Number.isFinite(serverMs) || !/GMT\s*$/i.test(dateHeader as string)) return undefined;
  // Somewhere in its second, somewhere between sending and receiving.
  const halfTripMs = Math.max(0, receivedUnixMs - sentUnixMs) / 2;
  return {
    offsetMs: Math.round(sentUnixMs + halfTripMs - (serverMs + DATE_STEP_MS / 2)),
    errorMs: Math.ceil(halfTripMs + DATE_STEP_MS / 2),
  };
}

/** Several servers may disagree; the one in the middle speaks. Pure. */
export function clockFact(readings: readonly ClockReading[], asked: readonly string[]): DoctorFact {
  const sorted = [...readings].sort((a, b) => a.offsetMs - b.offsetMs);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) {
    return notChecked('clock-offset', 'Clock offset', `no usable answer from ${asked.join(', ')}`);
  }
  const { offsetMs, errorMs } = middle;
  const data = { offsetMs, errorMs, servers: asked.length, answers: readings.length };
  const amount = `${(Math.abs(offsetMs) / 1000).toFixed(1)} s ${offsetMs > 0 ? 'ahead' : 'behind'}, ± ${(errorMs / 1000).toFixed(1)} s`;
  if (Math.abs(offsetMs) - errorMs > MOST_OFFSET_MS) {
    const advice = 'Set the clock, or let the system do it (NTP): certificates of https trackers fail by it.';
    return bad('clock-offset', 'Clock offset', amount, advice, 'network', data);
  }
  const within = Math.abs(offsetMs) <= errorMs;
  const value = within ? `none that could be seen (± ${(errorMs / 1000).toFixed(1)} s)` : amount;
  return good('clock-offset', 'Clock offset', value, data);
}

async function askDate(url: string, context: DoctorContext): Promise<ClockReading | undefined> {
  const timeoutMs = Math.max(1, Math.ceil(context.deadlineMs - context.nowMs()));
  const { hostname } = new URL(url);
  const localAddress = context.bindAddresses?.find(
    (host) => isIPv6(host) === hostname.startsWith('[') || !/^[\d.]+$|^\[/.test(hostname),
  );
  return new Promise((resolve) => {
    const sentUnixMs = Date.now();
    const request = (url.startsWith('https:') ? https : http).request(
      url,
      {
        method: 'HEAD',
        agent: false,
        maxHeaderSize: MOST_HEADER_BYTES,
        signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]),
        // A wrong clock makes certificates fail, and only the date is wanted; nothing secret is sent.
        rejectUnauthorized: false,
        ...(localAddress === undefined ? {} : { localAddress }),
      },
      (response) => {
        resolve(clockReading(response.headers.date, sentUnixMs, Date.now()));
        response.destroy();
      },
    );
    request.on('error', () => resolve(undefined));
    request.end();
  });
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What the system knows of its own clock, without asking anybody. */
function systemClockFact(): DoctorFact {
  const nowUnixMs = Date.now();
  if (nowUnixMs < BEFORE_TT_MS) {
    return bad(
      'clock',
      'Clock',
      `${new Date(nowUnixMs).toISOString()} is before tt was made`,
      'Set the clock: certificates of https trackers fail by it.',
      'network',
    );
  }
  const now = new Date(nowUnixMs).toISOString().slice(0, 19);
  if (isThere(SYNCHRONIZED_FILE) || isThere(CHRONY_FILE)) {
    return good('clock', 'Clock', `${now.replace('T', ' ')} UTC, kept by the system's time service`);
  }
  return good('clock', 'Clock', `${now.replace('T', ' ')} UTC${clockSource()}`);
}

/** Linux names what its clock counts by. */
function clockSource(): string {
  try {
    const file = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
    return `, counted by ${readFileSync(file, 'latin1').trim().slice(0, 32)}`;
  } catch {
    return '';
  }
}

/** @throws UsageError on a --clock-from that is no web address */
export function clockServers(flags: DoctorContext['flags']): readonly string[] {
  return flags.list('clockFrom').map((url) => flagValue('--clock-from', url, parseWebUrl));
}

async function offsetFact(context: DoctorContext): Promise<DoctorFact> {
  const servers = clockServers(context.flags);
  if (context.isOffline) return notChecked('clock-offset', 'Clock offset', '--offline');
  if (context.settings.proxy !== '')
    return notChecked('clock-offset', 'Clock offset', 'it would be asked past the proxy');
  if (servers.length === 0) {
    const why = 'name a web server to compare with: --clock-from https://example.org/';
    return notChecked('clock-offset', 'Clock offset', why);
  }
  const readings = await Promise.all(servers.map((url) => askDate(url, context)));
  return clockFact(
    readings.filter((each) => each !== undefined),
    servers,
  );
}

export const clockProbe: DoctorProbe = {
  id: 'clock',
  title: 'Clock',
  run: async (context) => [
    { id: 'clock', title: 'Clock', facts: [systemClockFact(), await offsetFact(context)] },
  ],
};
