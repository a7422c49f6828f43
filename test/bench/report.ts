// From samples to figures: medians, ratios to the best peer and to libtorrent, the table, and the verdicts on what is required of tt.
import type { DhtResponder } from './dht/flood.ts';
import type { ProgramName } from './programs.ts';

/** Who is measured: programs, and in one case libraries. */
export type Contestant = ProgramName | DhtResponder;

/** A ceiling, not a peer. */
const CEILING: Contestant = 'udp-echo';

/** Higher is better for rates, lower for everything else. */
export interface Figures {
  readonly [figure: string]: number;
}

export interface Row {
  readonly case: string;
  /** Where, what, against whom: rows with the same case and variant are compared. */
  readonly variant: string;
  readonly program: Contestant;
  readonly samples: readonly Figures[];
  readonly failures: readonly string[];
  readonly median: Figures;
  /** Of the leading figure; over 1 is better than the other. */
  readonly toBestPeer: number | undefined;
  readonly toLibtorrent: number | undefined;
}

/** The figure that a case is about. */
const LEADING: Readonly<Record<string, { readonly figure: string; readonly isRate: boolean }>> = {
  leech: { figure: 'activeMBps', isRate: true },
  seed: { figure: 'activeMBps', isRate: true },
  utp: { figure: 'activeMBps', isRate: true },
  webseed: { figure: 'activeMBps', isRate: true },
  swarm: { figure: 'wallS', isRate: false },
  check: { figure: 'MBps', isRate: true },
  start: { figure: 'firstByteS', isRate: false },
  magnet: { figure: 'wallS', isRate: false },
  idle: { figure: 'anonMiB', isRate: false },
  screen: { figure: 'steadyPercent', isRate: false },
  dht: { figure: 'perCpuS', isRate: true },
};

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export class Table {
  readonly #groups = new Map<
    string,
    { case: string; variant: string; rows: Map<Contestant, { samples: Figures[]; failures: string[] }> }
  >();

  #cell(caseName: string, variant: string, program: Contestant): { samples: Figures[]; failures: string[] } {
    const key = `${caseName}\0${variant}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { case: caseName, variant, rows: new Map() };
      this.#groups.set(key, group);
    }
    let cell = group.rows.get(program);
    if (cell === undefined) {
      cell = { samples: [], failures: [] };
      group.rows.set(program, cell);
    }
    return cell;
  }

  add(caseName: string, variant: string, program: Contestant, figures: Figures): void {
    this.#cell(caseName, variant, program).samples.push(figures);
  }

  fail(caseName: string, variant: string, program: Contestant, message: string): void {
    this.#cell(caseName, variant, program).failures.push(message);
  }

  rows(): Row[] {
    return [...this.#groups.values()].flatMap((group) => {
      const { figure, isRate } = LEADING[group.case] as { figure: string; isRate: boolean };
      const medians = new Map<Contestant, Figures>();
      for (const [program, { samples }] of group.rows) medians.set(program, medianFigures(samples));
      const score = (program: Contestant): number | undefined => {
        const value = medians.get(program)?.[figure];
        return value === undefined || Number.isNaN(value) ? undefined : isRate ? value : 1 / value;
      };
      return [...group.rows].map(([program, { samples, failures }]) => {
        const others = [...group.rows.keys()].filter(
          (name) => name !== 'tt' && name !== program && name !== CEILING,
        );
        const best = Math.max(...others.map((name) => score(name) ?? 0));
        const own = score(program);
        const reference = score('libtorrent');
        return {
          case: group.case,
          variant: group.variant,
          program,
          samples,
          failures,
          median: medians.get(program) as Figures,
          toBestPeer: own === undefined || best <= 0 ? undefined : own / best,
          toLibtorrent: own === undefined || reference === undefined ? undefined : own / reference,
        };
      });
    });
  }
}

function medianFigures(samples: readonly Figures[]): Figures {
  const names = new Set(samples.flatMap((sample) => Object.keys(sample)));
  return Object.fromEntries(
    [...names].map((name) => [name, medianOf(samples.map((sample) => sample[name] ?? Number.NaN))]),
  );
}

function short(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Plain text, one block a group. */
export function formatTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  let group = '';
  for (const row of rows) {
    const figures = Object.keys(row.median);
    const head = `${row.case} · ${row.variant}`;
    const cells = (values: readonly string[]): string => values.map((value) => value.padStart(13)).join('');
    if (head !== group) {
      group = head;
      const sample = rows.find(
        (other) => `${other.case} · ${other.variant}` === head && other.samples.length > 0,
      );
      const names = sample === undefined ? figures : Object.keys(sample.median);
      lines.push('', head, `${'program'.padEnd(15)}${cells([...names, 'x best peer', 'x libtorrent', 'n'])}`);
    }
    lines.push(
      row.program.padEnd(15) +
        cells([
          ...figures.map((name) => short(row.median[name])),
          short(row.toBestPeer),
          short(row.toLibtorrent),
          String(row.samples.length),
        ]) +
        (row.failures.length > 0
          ? `   ${row.failures.length} FAILED: ${row.failures[0]?.split('\n')[0]}`
          : ''),
    );
  }
  return lines.join('\n').trimStart();
}

export interface Verdict {
  readonly what: string;
  readonly required: number;
  readonly measured: number | undefined;
  readonly isMet: boolean;
}

/** What is required of tt, from the rows of one session of the benchmark. */
export function verdicts(rows: readonly Row[]): Verdict[] {
  const found: Verdict[] = [];
  const median = (group: Row, program: Contestant, figure: string): number | undefined =>
    rows.find((row) => row.case === group.case && row.variant === group.variant && row.program === program)
      ?.median[figure];
  const atLeast = (what: string, required: number, measured: number | undefined): void => {
    if (measured !== undefined && !Number.isNaN(measured))
      found.push({ what, required, measured, isMet: measured >= required });
  };
  const atMost = (what: string, required: number, measured: number | undefined): void => {
    if (measured !== undefined && !Number.isNaN(measured))
      found.push({ what, required: -required, measured: -measured, isMet: measured <= required });
  };
  const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a / b;
  for (const row of rows.filter(({ program }) => program === 'tt')) {
    const label = `${row.case}, ${row.variant}`;
    const isTmpfs = row.variant.includes('tmpfs');
    const own = (figure: string): number | undefined => row.median[figure];
    const against = (program: Contestant, figure: string): number | undefined =>
      ratio(own(figure), median(row, program, figure));
    switch (row.case) {
      case 'leech':
        atLeast(`${label}: x libtorrent`, isTmpfs ? 1.1 : 1, against('libtorrent', 'activeMBps'));
        atLeast(`${label}: x aria2`, isTmpfs ? 1.2 : 1, against('aria2', 'activeMBps'));
        atMost(`${label}: CPU seconds / libtorrent's`, 1, against('libtorrent', 'cpuS'));
        atMost(`${label}: anonymous memory, MiB`, 160, own('anonMiB'));
        break;
      case 'seed':
      case 'webseed':
        atLeast(`${label}: x libtorrent`, 1, against('libtorrent', 'activeMBps'));
        break;
      case 'swarm':
        atLeast(`${label}: x libtorrent`, 1, ratio(median(row, 'libtorrent', 'wallS'), own('wallS')));
        atMost(`${label}: anonymous memory, MiB`, 160, own('anonMiB'));
        break;
      case 'check':
        atLeast(`${label}: x best peer`, 2, row.toBestPeer);
        break;
      case 'start':
        atMost(`${label}: seconds to the first byte`, 0.25, own('firstByteS'));
        break;
      case 'magnet':
        atMost(`${label}: seconds to the metadata`, 0.35, own('wallS'));
        break;
      case 'screen':
        atMost(`${label}: % of a core`, 3, own('steadyPercent'));
        break;
      case 'dht':
        atLeast(`${label}: per CPU second, x libtorrent`, 0.8, against('libtorrent', 'perCpuS'));
        atLeast(`${label}: per CPU second, x bittorrent-dht`, 4, against('bittorrent-dht', 'perCpuS'));
        break;
      default:
        break;
    }
  }
  return found;
}

export function formatVerdicts(list: readonly Verdict[]): string {
  const bound = ({ required, measured }: Verdict): string =>
    required < 0
      ? `${short(-(measured ?? Number.NaN))} (at most ${short(-required)})`
      : `${short(measured)} (at least ${short(required)})`;
  return list
    .map((verdict) => `${verdict.isMet ? 'met     ' : 'NOT MET '}${verdict.what}: ${bound(verdict)}`)
    .join('\n');
}
