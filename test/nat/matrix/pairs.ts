// The pairs of the matrix, how each is tried in one lab, and how the results look as a table.
import type { SiteKind, SiteSpec } from '../lab/kinds.ts';
import type { NatLab } from '../lab/lab.ts';
import type { MatrixOpenWorld } from './open.ts';
import type { Event, MatrixPeer } from './world.ts';

export const MATRIX_KINDS = [
  'public',
  'full-cone',
  'addr-restricted',
  'port-restricted',
  'shift',
  'symmetric',
  'firewall',
  'cgnat',
  'cgnat-symmetric',
] as const satisfies readonly SiteKind[];
export type MatrixKind = (typeof MATRIX_KINDS)[number];
export type Pair = readonly [leecher: SiteKind, seed: SiteKind];

/** Each unordered pair once: 45. */
export const MATRIX_PAIRS: readonly Pair[] = MATRIX_KINDS.flatMap((a, i) =>
  MATRIX_KINDS.slice(i).map((b) => [a, b] as const),
);

/** A port that cannot be foretold facing a filter by port: nothing but a splice can join those. */
export function needsSplice([a, b]: Pair): boolean {
  const isMoving = (kind: SiteKind): boolean => kind === 'symmetric' || kind === 'cgnat-symmetric';
  const filtersPorts = (kind: SiteKind): boolean =>
    !['public', 'full-cone', 'addr-restricted'].includes(kind);
  return (isMoving(a) && filtersPorts(b)) || (isMoving(b) && filtersPorts(a));
}

export interface PairResult {
  readonly pair: Pair;
  /** That brought the first byte; undefined: they never met. */
  readonly firstRung: string | undefined;
  /** In the end: bytes flow through a relay while a straight way is still looked for. */
  readonly rung: string | undefined;
  readonly transport: string | undefined;
  /** From the start of the leecher's process to the first byte of payload. */
  readonly firstByteMs: number | undefined;
}

/**
 * Seeds stand on the second half of the sites, leechers on the first, in the order of `kinds`.
 * @param skewMs so much later seeds hear what relay and neighbour say
 */
export function sitesOfMatrix(kinds: readonly SiteKind[] = MATRIX_KINDS, skewMs = 0): SiteSpec[] {
  const late = skewMs === 0 ? {} : { lateMs: skewMs };
  return [...kinds.map((kind) => ({ kind })), ...kinds.map((kind) => ({ kind, ...late }))];
}

export interface PairOptions {
  readonly lab: NatLab;
  readonly open: MatrixOpenWorld;
  /** Of the lab's sites. */
  readonly kinds: readonly SiteKind[];
  /** When a leecher that has got nothing is given up. */
  readonly giveUpMs: number;
  /** As for `sitesOfMatrix`: so much longer a seed needs to settle. */
  readonly skewMs?: number;
}

export async function tryPair(pair: Pair, options: PairOptions): Promise<PairResult> {
  const { lab, open, kinds, giveUpMs, skewMs = 0 } = options;
  const { world, neighbour, flags } = open;
  const [a, b] = pair;
  await lab.flush();
  const seed = await world.seed(lab.host(kinds.length + kinds.indexOf(b)), [neighbour], flags);
  let leech: MatrixPeer | undefined;
  try {
    await seed.until(
      'peer-connected',
      START_MS + ROUND_TRIPS_TO_SETTLE * skewMs,
      ({ address }) => address === neighbour,
    );
    await settled(seed, skewMs);
    leech = world.leech(lab.host(kinds.indexOf(a)), [neighbour], flags);
    const { startedMs } = leech;
    const first = await leech.until('first-byte', giveUpMs).catch(() => undefined);
    const isMet = ({ event, address }: Event): boolean => event === 'peer-connected' && address !== neighbour;
    const met =
      first &&
      leech.events.findLast((event) => isMet(event) && event.heardMs <= first.heardMs + SAME_TURN_MS);
    const isStraight = (event: Event): boolean => isMet(event) && event.reached?.rung !== 'splice';
    const isUpgradable = met?.reached?.rung === 'splice' && !needsSplice(pair);
    const straight = isUpgradable
      ? await leech
          .until('peer-connected', UPGRADE_MS + ROUND_TRIPS_TO_SETTLE * skewMs, isStraight)
          .catch(() => met)
      : met;
    return {
      pair,
      firstRung: met?.reached?.rung,
      rung: straight?.reached?.rung,
      transport: straight?.transport,
      firstByteMs: first === undefined ? undefined : Math.round(first.heardMs - startedMs),
    };
  } finally {
    await Promise.all([seed.stop(), leech?.stop()]);
  }
}

const START_MS = 15_000;
/** A hole that was missed is tried again after 5 s, and once more a minute later: gateways that let strangers in want silence before. */
const UPGRADE_MS = 90_000;
/** Lines of one turn may come one after the other. */
const SAME_TURN_MS = 5;
/** A seed that has been there for a while: it knows its NAT and has its places at relays. */
const SETTLE_MS = 4_000;
/** Connections, encryption, reservations, and all of it once more over uTP. */
const ROUND_TRIPS_TO_SETTLE = 16;

async function settled(seed: MatrixPeer, skewMs: number): Promise<void> {
  const leftMs = seed.startedMs + SETTLE_MS + ROUND_TRIPS_TO_SETTLE * skewMs - performance.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}

/** Rows are leechers, columns seeds; each pair stands once, above the diagonal. */
export function matrixRows(results: readonly PairResult[]): string[][] {
  const cell = (a: SiteKind, b: SiteKind): string => {
    const result = results.find(({ pair }) => pair[0] === a && pair[1] === b);
    if (result === undefined) return '';
    const { firstRung, rung, firstByteMs } = result;
    if (rung === undefined) return 'none';
    return firstRung === rung ? `${rung} ${firstByteMs}` : `${firstRung} ${firstByteMs}, then ${rung}`;
  };
  return MATRIX_KINDS.map((a) => [a, ...MATRIX_KINDS.map((b) => cell(a, b))]);
}

export function summaryOf(results: readonly PairResult[]): string {
  const count = (passes: (result: PairResult) => boolean): number => results.filter(passes).length;
  const times = results.flatMap(({ firstByteMs }) => (firstByteMs === undefined ? [] : [firstByteMs]));
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const moved = count(({ firstRung, rung }) => firstRung !== rung);
  const later = moved === 0 ? '' : ` (${moved} of the straight ones spliced at first)`;
  return [
    `${results.length} pairs: ${count(({ rung }) => rung === 'direct')} direct,`,
    `${count(({ rung }) => rung === 'reverse')} reversed, ${count(({ rung }) => rung === 'punch')} punched,`,
    `${count(({ rung }) => rung === 'splice')} spliced, ${count(({ rung }) => rung === undefined)} unconnected${later};`,
    `first byte after ${at(0.5)} ms (median), ${times.at(-1) ?? 0} ms at most.`,
  ].join(' ');
}
