// Row 20 of the matrix, with `--all` only: a hundred peers behind twenty NATs, five to each, one relay in the open, one seed behind a NAT of
// its own. Nobody knows anybody but the relay. And what the relay's work costs.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { SiteKind, SiteSpec } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { isAll } from './requirements.ts';
import { measured } from './support/measured.ts';
import { RelayProgram } from './support/relay-program.ts';
import { type Leech, Transfer } from './support/transfer.ts';

const SPLICE_CHILD = fileURLToPath(new URL('support/splice-child.ts', import.meta.url));
const HOSTS = 5;
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
/** Small, because a hundred programs share this machine. */
const BYTES = 512 * 1024;
const WAIT_MS = 60_000;
/** So many programs start at a time. */
const AT_ONCE = 5;
const TOGETHER_MS = 600_000;
const SPLICED_BYTES = 256 << 20;
/** Of the row. */
const RATE_BYTES_PER_SEC = 50e6;

describe.skipIf(!isAll)('row 20: a crowd', () => {
  it(
    '100 peers behind 20 NATs, one relay, one seed behind a NAT: everybody completes',
    async () => {
      const sites: SiteSpec[] = KINDS.map((kind) => ({ kind, hosts: HOSTS }));
      await using lab = await NatLab.make({ sites: [...sites, { kind: 'port-restricted' }], publics: 1 });
      using transfer = await Transfer.make({ bytes: BYTES, pieceBytes: 32 * 1024 });
      const relay = await RelayProgram.start(lab.public(0), [
        ...['--no-dht', '--reservations', '256', '--splices', '128', '--splice-rate', '0'],
      ]);
      // A hundred programs share this machine: no key exchange for any, and not everybody connected with everybody. Fewer than this close
      // themselves off: who has everything keeps its places for those who have it too.
      const flags = ['--relay', relay.at, '--lsd', '--encryption', 'off'];
      const few = ['--max-peers', '40'];
      await transfer.seed(lab.host(KINDS.length), flags);
      await relay.until('the seed', ({ reservations }) => reservations === 1, WAIT_MS);
      const startedMs = performance.now();
      const leeches: Leech[] = [];
      for (let host = 0; host < HOSTS; host++) {
        for (let first = 0; first < KINDS.length; first += AT_ONCE) {
          const started = Array.from({ length: AT_ONCE }, (_, i) =>
            transfer.leech(lab.host(first + i, host), [...flags, ...few, '--seed']),
          );
          leeches.push(...started);
          await Promise.all(started.map((leech) => leech.until('started', WAIT_MS)));
        }
      }
      const left = (): Leech[] => leeches.filter((leech) => leech.find('completed') === undefined);
      const endsAtMs = performance.now() + TOGETHER_MS;
      while (left().length > 0 && performance.now() < endsAtMs)
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      const seconds = (performance.now() - startedMs) / 1000;
      const { counters } = relay.status ?? {};
      const rungs: Record<string, number> = {};
      for (const rung of leeches.flatMap((leech) => leech.rungs))
        rungs[`${rung}`] = (rungs[`${rung}`] ?? 0) + 1;
      measured(
        20,
        [
          `${leeches.length - left().length} of ${leeches.length} complete after ${seconds.toFixed(0)} s`,
          `(${JSON.stringify(rungs)}); relay: ${counters?.calls} calls, ${counters?.splices} splices,`,
          `${((counters?.splicedBytes ?? 0) / (1 << 20)).toFixed(0)} MiB, ${relay.cpuSeconds().toFixed(1)} s of CPU`,
        ].join(' '),
      );
      expect(left().map(({ process }) => process.name)).toEqual([]);
      expect(leeches.reduce((sum, leech) => sum + leech.count('piece-failed'), 0)).toBe(0);
    },
    TOGETHER_MS + 300_000,
  );

  it('passing on 50 MB/s takes the relay less than one core', async () => {
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
  }, 180_000);
});
