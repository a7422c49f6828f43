// Row 20 of the matrix: a crowd behind NATs, several to each, one relay in the open, one seed behind a NAT of its own. Nobody knows anybody
// but the relay and who is in his own network. With `--all` a hundred peers behind twenty NATs, and what the relay's work costs.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/wait.ts';
import type { SiteKind, SiteSpec } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { isAll } from './requirements.ts';
import { measured, seconds } from './support/measured.ts';
import { RelayProgram } from './support/relay-program.ts';
import { type Leech, Transfer } from './support/transfer.ts';

const SPLICE_CHILD = fileURLToPath(new URL('support/splice-child.ts', import.meta.url));
/** Twenty, about as they are found in the wild; see the simulated swarms of docs/nat.md. */
const KINDS: readonly SiteKind[] = [
  ...Array<SiteKind>(9).fill('port-restricted'),
  ...Array<SiteKind>(3).fill('full-cone'),
  ...Array<SiteKind>(2).fill('addr-restricted'),
  ...Array<SiteKind>(3).fill('symmetric'),
  'shift',
  'cgnat',
  'cgnat-symmetric',
];
const SOME_KINDS: readonly SiteKind[] = ['port-restricted', 'symmetric'];
/** More in one network than the relays that are asked for one peer: their words must not stand before the relay's. */
const HOSTS = 5;
/** Small, because a hundred programs share this machine. */
const BYTES = 512 * 1024;
const WAIT_MS = 60_000;
/** So many programs start at a time. */
const AT_ONCE = 5;
const TOGETHER_MS = 600_000;
const SPLICED_BYTES = 256 << 20;
/** Of the row. */
const RATE_BYTES_PER_SEC = 50e6;

/** The first hosts of all sites are there first, then the second ones, and so on. @returns once all are complete, or time is up */
async function crowd(kinds: readonly SiteKind[]) {
  const sites: SiteSpec[] = kinds.map((kind) => ({ kind, hosts: HOSTS }));
  await using lab = await NatLab.make({ sites: [...sites, { kind: 'port-restricted' }], publics: 1 });
  using transfer = await Transfer.make({ bytes: BYTES, pieceBytes: 32 * 1024 });
  const relay = await RelayProgram.start(lab.public(0), [
    ...['--no-dht', '--reservations', '256', '--splices', '128', '--splice-rate', '0'],
  ]);
  const flags = ['--relay', relay.at, '--lsd'];
  const seed = await transfer.seed(lab.host(kinds.length), flags);
  await relay.until('the seed', ({ reservations }) => reservations === 1, WAIT_MS);
  const leeches: Leech[] = [];
  for (let host = 0; host < HOSTS; host++) {
    for (let first = 0; first < kinds.length; first += AT_ONCE) {
      const started = kinds
        .slice(first, first + AT_ONCE)
        .map((_kind, i) => transfer.leech(lab.host(first + i, host), [...flags, '--seed']));
      leeches.push(...started);
      await Promise.all(started.map((leech) => leech.until('started', WAIT_MS)));
    }
  }
  const left = (): Leech[] => leeches.filter((leech) => leech.find('completed') === undefined);
  // Who is not ready by then is counted below.
  await waitFor(() => left().length === 0, { what: 'all', timeoutMs: TOGETHER_MS }).catch(() => {});
  const took = leeches
    .map((leech) => (leech.find('completed')?.heardMs ?? Number.POSITIVE_INFINITY) - leech.startedMs)
    .sort((a, b) => a - b);
  const rungs: Record<string, number> = {};
  for (const rung of leeches.flatMap((leech) => leech.rungs)) rungs[`${rung}`] = (rungs[`${rung}`] ?? 0) + 1;
  const led = Object.entries(rungs).map(([rung, count]) => `${count} ${rung}`);
  const { counters } = relay.status ?? {};
  const ofSeed = seed.events.filter(({ event }) => event === 'peer-connected').length;
  const text = [
    `${leeches.length - left().length} of ${leeches.length} complete, ${seconds(took[took.length >> 1] as number)} after`,
    `their start (median), ${seconds(took.at(-1) as number)} at most; connections: ${led.join(', ')}, ${ofSeed} of them to the`,
    `seed; relay: ${counters?.calls} calls, ${counters?.splices} splices,`,
    `${((counters?.splicedBytes ?? 0) / (1 << 20)).toFixed(1)} MiB, ${relay.cpuSeconds().toFixed(1)} s of CPU`,
  ].join(' ');
  return {
    left: left(),
    corrupt: leeches.reduce((sum, leech) => sum + leech.count('piece-failed'), 0),
    text,
  };
}

describe('row 20: a crowd', () => {
  const kinds = isAll ? KINDS : SOME_KINDS;
  it(
    `${kinds.length * HOSTS} peers behind ${kinds.length} NATs, one relay, one seed behind a NAT: everybody completes`,
    async () => {
      const { left, corrupt, text } = await crowd(kinds);
      measured(20, text);
      expect(left.map(({ process }) => process.name)).toEqual([]);
      expect(corrupt).toBe(0);
    },
    TOGETHER_MS + 300_000,
  );

  it.skipIf(!isAll)(
    'passing on 50 MB/s takes the relay less than one core',
    async () => {
      await using lab = await NatLab.make({
        sites: [{ kind: 'symmetric' }, { kind: 'symmetric' }],
        publics: 1,
      });
      const relay = await RelayProgram.start(lab.public(0), [
        ...['--no-dht', '--splice-rate', '0', '--splice-limit', `${SPLICED_BYTES}`],
      ]);
      const start = (i: number, role: string) =>
        lab.host(i).spawnNode(SPLICE_CHILD, [relay.at, '07'.repeat(20), role, 'flood']);
      const callee = start(0, 'wait');
      await callee.waitForLine(/"reserved"/, WAIT_MS);
      const before = relay.cpuSeconds();
      const caller = start(1, 'call');
      await Promise.all([callee, caller].map((child) => child.waitForLine(/"closed"/, WAIT_MS)));
      const { counters } = await relay.until(
        'the end',
        (status) => status.counters.spliceEnds.bytes > 0,
        WAIT_MS,
      );
      const cores = ((relay.cpuSeconds() - before) * RATE_BYTES_PER_SEC) / counters.splicedBytes;
      measured(
        20,
        `50 MB/s take the relay ${cores.toFixed(2)} of a core (${(counters.splicedBytes / 1e6).toFixed(0)} MB passed on)`,
      );
      expect(cores).toBeLessThan(1);
    },
    180_000,
  );
});
