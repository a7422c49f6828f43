// Row 17 of the matrix: strangers who want everything of a relay. Its quotas hold, its memory stays, and honest peers behind symmetric
// NATs are served while it goes on. The relay is `tt relay` with what it gives by default.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_RELAY_LIMITS } from '../../core/relay/limits.ts';
import type { RunningProcess } from '../support/process.ts';
import { NatLab } from './lab/lab.ts';
import { measured } from './support/measured.ts';
import { RelayProgram } from './support/relay-program.ts';
import { Transfer } from './support/transfer.ts';

const CHILD = fileURLToPath(new URL('support/hostile-client-child.ts', import.meta.url));
const WAIT_MS = 120_000;
const TEST_MS = 200_000;
/** The criterion of the row, on top of what the program needs for honest peers. */
const MOST_MEMORY_BYTES = 64 << 20;
const BYTES = 2 << 20;
const SIGNALS = DEFAULT_RELAY_LIMITS.signalsPerMinute;

describe('row 17: hostile clients of a relay', () => {
  let lab: NatLab;
  let relay: RelayProgram;
  let atFirstBytes: number;
  const attackers = new Set<RunningProcess>();
  /** Two who need the relay for every byte. */
  const serves = async (): Promise<void> => {
    using transfer = await Transfer.make({ bytes: BYTES });
    const seed = await transfer.seed(lab.host(0), ['--relay', relay.at]);
    const leech = transfer.leech(lab.host(1), ['--relay', relay.at]);
    await leech.untilComplete(WAIT_MS);
    await seed.stop();
  };

  beforeAll(async () => {
    lab = await NatLab.make({ sites: [{ kind: 'symmetric' }, { kind: 'symmetric' }], publics: 2 });
    relay = await RelayProgram.start(lab.public(0));
    // Code compiled and a heap grown by honest peers is no work of strangers.
    await serves();
    atFirstBytes = relay.residentBytes();
  }, TEST_MS);
  afterEach(async () => {
    await Promise.all([...attackers].map((attacker) => attacker.stop('SIGKILL')));
    attackers.clear();
  });
  afterAll(() => lab?.close());

  const attack = async (
    name: string,
    count: number,
    argument = '',
  ): Promise<Readonly<Record<string, number>>> => {
    const child = lab.public(1).spawnNode(CHILD, [relay.at, name, `${count}`, argument]);
    attackers.add(child);
    const results = JSON.parse(await child.waitForLine(/"event":"done"/, WAIT_MS)) as Record<string, number>;
    measured(17, `${count} ${name}: ${counts(results)}`);
    return results;
  };
  it(
    '1000 reservations of 1000 keys: the host has eight, and honest peers are served',
    async () => {
      const results = await attack('reservations', 1_000);
      expect(results['reserved']).toBe(DEFAULT_RELAY_LIMITS.reservationsPerHost);
      await serves();
    },
    TEST_MS,
  );

  it(
    '1000 random tickets: none is good',
    async () => {
      const before = relay.status?.counters.badTickets ?? 0;
      const results = await attack('tickets', 1_000);
      expect(results['hung up']).toBe(1_000);
      await relay.until(
        'all to be counted',
        ({ counters }) => counters.badTickets === before + 1_000,
        WAIT_MS,
      );
      expect(relay.status?.splices).toEqual([]);
    },
    TEST_MS,
  );

  it(
    '1000 connections that say nothing: honest peers are served beside them',
    async () => {
      await attack('silent', 1_000);
      await serves();
    },
    TEST_MS,
  );

  it(
    'calls with one nonce, and with a thousand: one is passed on, then as many as a minute has',
    async () => {
      using transfer = await Transfer.make({ bytes: BYTES });
      const seed = await transfer.seed(lab.host(0), ['--relay', relay.at]);
      await relay.until('the seed', ({ reservations }) => reservations > 0, WAIT_MS);
      const callsBefore = relay.status?.counters.calls ?? 0;
      await attack('nonces', 100, transfer.infoHash);
      await relay.until('the first', ({ counters }) => counters.calls > callsBefore, WAIT_MS);
      const once = (relay.status?.counters.calls ?? 0) - callsBefore;
      expect(once).toBe(1);
      await attack('calls', 1_000, transfer.infoHash);
      const passed = (relay.status?.counters.calls ?? 0) - callsBefore;
      // Ten connections of one network; each has its own limit and the network one for all.
      expect(passed).toBeLessThanOrEqual(
        Math.min(11 * SIGNALS, DEFAULT_RELAY_LIMITS.networkSignalsPerMinute + SIGNALS),
      );
      await seed.stop();
    },
    TEST_MS,
  );

  it(
    'a flood of calls left for somebody: his queue holds what one network may leave there',
    async () => {
      await attack('pushes', 2_000, '0b'.repeat(32));
      const status = await relay.until('the queue', ({ queuedItems }) => queuedItems > 0, WAIT_MS);
      expect(status.queuedItems).toBeLessThanOrEqual(DEFAULT_RELAY_LIMITS.itemsPerNetworkAndQueue);
      await serves();
    },
    TEST_MS,
  );

  it('all of that took less than 64 MiB of memory', () => {
    const grownBytes = relay.residentBytes() - atFirstBytes;
    measured(17, `the relay grew by ${(grownBytes / (1 << 20)).toFixed(1)} MiB`);
    expect(grownBytes).toBeLessThan(MOST_MEMORY_BYTES);
  });
});

function counts(results: Readonly<Record<string, number | string>>): string {
  return Object.entries(results)
    .filter(([name]) => name !== 'event')
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
