// A crawl over several machines through a real nats-server: three workers at two vantage points, one killed in the middle. Nothing
// is lost, nothing counts twice, and the two views make an estimate.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { type CountingNet, countingNet, MANY_ENTRIES } from '../support/crawl-net.ts';
import { freePort } from '../support/ports.ts';
import { type RunningProcess, start } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { skipsFor } from './support/requirements.ts';
import { startTt } from './support/tt.ts';

const NODES = 120;
const SEED = 11;
const PARTS = 4;
const TEST_TIMEOUT_MS = 150_000;
const START_TIMEOUT_MS = 60_000;

interface FleetEvent {
  readonly workers: readonly {
    readonly name: string;
    readonly silentMs: number;
    readonly zone?: string;
    readonly visits?: number;
  }[];
  readonly estimate?: { readonly value: number; readonly p: number };
}

describe.skipIf(skipsFor('nats'))('a crawl through JetStream', () => {
  const scratch = makeTempDir('tt-interop-fleet-');
  let net: CountingNet;
  let server: RunningProcess;
  let url: string;

  beforeAll(async () => {
    net = await countingNet(NODES, 0, SEED, MANY_ENTRIES);
    const port = await freePort('127.0.0.1');
    server = start('nats-server', [
      '-js',
      '-a',
      '127.0.0.1',
      '-p',
      String(port),
      '-sd',
      `${scratch.path}/nats`,
    ]);
    await server.waitFor(
      () =>
        new Promise<boolean>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.destroy();
            resolve(true);
          });
          socket.once('error', () => resolve(false));
        }),
      { what: 'nats-server to listen', timeoutMs: START_TIMEOUT_MS },
    );
    url = `nats://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    net?.close();
    await server?.stop();
    scratch.remove();
  });

  const tt = (name: string, ...args: string[]): RunningProcess =>
    startTt(['dht', 'crawl', '--engine', url, '--events', ...args], { home: `${scratch.path}/${name}` });
  const worker = (name: string, vantage: string): RunningProcess =>
    tt(name, '--worker', '--vantage', vantage, '--interface', '127.0.0.1');
  const saw = (running: RunningProcess, event: string): boolean =>
    running.stdoutLines.some((line) => line.includes(`"event":"${event}"`));

  test(
    'with three workers, one of them killed in the middle of an order',
    async () => {
      const out = `${scratch.path}/run`;
      const coordinator = tt(
        ...['coordinator', '--mode', 'full', '--seed', '7', '--out', out, '--bootstrap', net.entry],
        // Slow enough that an order takes seconds: the victim dies within its first.
        ...['--rate', '12', '--vantages', 'east,west', '--parts', String(PARTS), '--ip-privacy', 'hmac'],
      );
      const victim = worker('victim', 'east');
      await victim.waitFor(() => saw(victim, 'order'), { what: 'an order', timeoutMs: START_TIMEOUT_MS });
      // Till the coordinator has heard that it is at work.
      const isHeard = (): boolean =>
        coordinator.stdoutLines.some((line) => /"zone":"[^"]+","visits":[1-9]/.test(line));
      await coordinator.waitFor(isHeard, { what: 'a beat of the victim', timeoutMs: START_TIMEOUT_MS });
      victim.child.kill('SIGKILL');
      const workers = [worker('east', 'east'), worker('west', 'west')];
      const status = await coordinator.exited;
      expect(status.code, coordinator.stderrLines.join('\n')).toBe(0);
      for (const each of workers) {
        each.child.kill('SIGTERM');
        await each.exited;
      }
      expect(saw(victim, 'order-done')).toBe(false);
      // Meanwhile it says who is there, and what two views of a part come to.
      const said = coordinator.stdoutLines
        .filter((line) => line.includes('"event":"progress"'))
        .map((line) => JSON.parse(line) as FleetEvent);
      const names = new Set(said.flatMap(({ workers: seen }) => seen.map(({ name }) => name)));
      expect(names.size).toBe(3);
      expect(
        said.some(({ workers: seen }) =>
          seen.some(({ zone, visits = 0 }) => zone !== undefined && visits > 0),
        ),
      ).toBe(true);
      expect(said.some(({ workers: seen }) => seen.some(({ silentMs }) => silentMs > 6_000))).toBe(true);
      expect(said.some(({ estimate }) => estimate !== undefined && estimate.p > 0.9)).toBe(true);

      const fleet = JSON.parse(readFileSync(`${out}/fleet.json`, 'utf8')) as {
        orders: unknown[];
        done: { order: number }[];
      };
      expect(fleet.orders).toHaveLength(PARTS * 2);
      expect(new Set(fleet.done.map(({ order }) => order)).size).toBe(PARTS * 2);
      expect(fleet.done).toHaveLength(PARTS * 2);
      const header = JSON.parse(readFileSync(`${out}/run.json`, 'utf8')) as {
        state: string;
        own_nodes: unknown[];
      };
      expect(header.state).toBe('complete');
      expect(header.own_nodes).toHaveLength(PARTS * 2);

      const database = new DatabaseSync(`${out}/data.sqlite`, { readOnly: true });
      const seen = database
        .prepare(
          "SELECT pass, id_observed AS id, count(*) AS n FROM visit WHERE is_in_zone = 1 AND outcome = 'ok' GROUP BY pass, id_observed",
        )
        .all() as { pass: number; id: string; n: number }[];
      const ids = net.nodes.map(({ id }) => toHex(id.toBytes())).sort();
      for (const pass of [1, 2]) {
        const found = seen.filter((row) => row.pass === pass);
        expect(found.map(({ id }) => id).sort()).toEqual(ids);
        expect(
          found.every(({ n }) => n === 1),
          'nobody counts twice',
        ).toBe(true);
      }
      const summary = database
        .prepare("SELECT metric, item, value FROM summary WHERE metric IN ('p', 'nodes', 'verified')")
        .all() as { metric: string; item: string; value: number }[];
      const of = (metric: string, item: string): number | undefined =>
        summary.find((row) => row.metric === metric && row.item === item)?.value;
      const shown = database.prepare('SELECT DISTINCT ip FROM visit').all() as { ip: string }[];
      database.close();
      expect(of('verified', '')).toBe(NODES);
      expect(of('p', 'repeat')).toBe(1);
      expect(of('nodes', 'chapman')).toBeCloseTo(NODES, 5);
      expect(shown.map(({ ip }) => ip).filter((ip) => ip.includes('127.'))).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
