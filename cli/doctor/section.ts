// What `tt doctor` is made of: sections of facts, each fact good, worth knowing, harmful, or not checked. A part of the
// program that knows something about this machine's place in the network hands in a DoctorProbe; the page is drawn from
// what the probes return and from nothing else.
import type { Log } from '../../core/base/log.ts';
import type { Flags } from '../base/flag-values.ts';
import type { Settings } from '../settings/settings.ts';

/**
 * `not-checked` is an answer of its own: a fact nobody looked at is never shown as good or bad.
 * `note` works, but not as well as it could; `bad` keeps tt from doing what it is for.
 */
export type DoctorStatus = 'good' | 'note' | 'bad' | 'not-checked';

/** What a `bad` fact makes of the exit code. */
export type DoctorReason = 'network' | 'disk';

export interface DoctorFact {
  /** Stable name for programs, kebab-case. */
  readonly id: string;
  /** Two or three words for people. */
  readonly name: string;
  readonly status: DoctorStatus;
  /** One line: what is so, or why it was not checked. May hold foreign text: it is made safe when it is shown. */
  readonly value: string;
  /** What to do about it; every `bad` and every `note` has one. */
  readonly advice?: string;
  readonly reason?: DoctorReason;
  /** The same as numbers, joined into the JSON object: bytes, milliseconds, strings. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface DoctorSection {
  readonly id: string;
  readonly title: string;
  readonly facts: readonly DoctorFact[];
}

/** What a probe may use. It keeps to `deadlineMs` by itself; the caller cuts it off soon after. */
export interface DoctorContext {
  readonly settings: Settings;
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Nothing may be sent; what needs the network says `not-checked`. */
  readonly isOffline: boolean;
  /** Local addresses of --interface; undefined for all. */
  readonly bindAddresses: readonly string[] | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** By `nowMs`. */
  readonly deadlineMs: number;
}

export interface DoctorProbe {
  readonly id: string;
  readonly title: string;
  /** One section, or several that come of the same work. */
  run(context: DoctorContext): Promise<readonly DoctorSection[]>;
}

export function good(id: string, name: string, value: string, data?: DoctorFact['data']): DoctorFact {
  return { id, name, status: 'good', value, ...(data === undefined ? {} : { data }) };
}

export function notChecked(id: string, name: string, why: string): DoctorFact {
  return { id, name, status: 'not-checked', value: why };
}

export function note(
  id: string,
  name: string,
  value: string,
  advice: string,
  data?: DoctorFact['data'],
): DoctorFact {
  return { id, name, status: 'note', value, advice, ...(data === undefined ? {} : { data }) };
}

export function bad(
  id: string,
  name: string,
  value: string,
  advice: string,
  reason: DoctorReason,
  data?: DoctorFact['data'],
): DoctorFact {
  return { id, name, status: 'bad', value, advice, reason, ...(data === undefined ? {} : { data }) };
}
