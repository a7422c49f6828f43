// kill -9 again and again, at moments that a seed draws, in every mode: nothing is lost, nobody is visited twice, nobody is asked
// more often than the tries and the kills allow, and a monitor's sessions go on.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { randomInt, seededRng } from '../../core/base/clock.ts';
import { type CountingNet, countingNet, MANY_ENTRIES } from '../support/crawl-net.ts';
import type { RunningProcess } from '../support/process.ts';
import { runRows } from '../support/run-rows.ts';
import { waitFor } from '../support/wait.ts';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const NODES = 90;
const DEAD = 15;
const KILLS = 4;
const SEED = Number(process.env['TT_SEED'] ?? 21);
/** Each of several processes waits for its turn on a busy machine. */
const KILL_TIMEOUT_MS = TIMEOUT_MS * 4;
const LOOPBACK = ['--interface', '127.0.0.1'];

let net: CountingNet;
let rng = seededRng(SEED);
beforeAll(async () => {
  net = await countingNet(NODES, DEAD, SEED, MANY_ENTRIES);
  rng = seededRng(SEED);
  process.stdout.write(`seed ${SEED}\n`);
});
afterAll(() => net?.close());

const rows = (directory: string, sql: string): Record<string, unknown>[] =>
  runRows(`${place.path}/${directory}`, sql);

/** Kills it after so many more queries; false when it had ended before. */
async function killAfter(process: RunningProcess, queries: number): Promise<boolean> {
  const start = net.queries;
  let hasEnded = false;
  void process.exited.then(() => {
    hasEnded = true;
  });
  await waitFor(() => hasEnded || net.queries - start >= queries, {
    what: `${queries} queries`,
    timeoutMs: TIMEOUT_MS,
    everyMs: 1,
  });
  if (hasEnded) return false;
  await process.stop('SIGKILL');
  return true;
}

function header(directory: string): { readonly state: string; readonly resumes: readonly unknown[] } {
  return JSON.parse(readFileSync(`${place.path}/${directory}/run.json`, 'utf8'));
}

const MODES: [string, string[], number][] = [
  ['zone', ['crawl', '--zone', '0/0'], 1],
  ['full', ['crawl', '--mode', 'full', '--no-repeat'], 1],
  ['two looks', ['crawl', '--mode', 'full'], 2],
  ['sample', ['sample', '--zone', '0/0'], 1],
];

describe('a crawl that is killed again and again', () => {
  it.each(MODES)(
    'in mode %s loses nothing and visits nobody twice',
    async (name, [command, ...flags], looks) => {
      const out = name.replace(' ', '-');
      const before = net.nodes.map(({ queries }) => queries);
      const fixed = [
        '--seed',
        '7',
        '--out',
        out,
        '--rate',
        '150',
        '--ip-privacy',
        'raw',
        '--bootstrap',
        net.entry,
      ];
      const none = command === 'crawl' ? ['--lookups', '0', '--recheck', '0'] : [];
      if (name === 'zone') none.push('--no-repeat');
      const stream = ['--jsonl', `${out}.jsonl`];
      let kills = 0;
      let running = place.start(
        'dht',
        command as string,
        ...flags,
        ...none,
        ...fixed,
        ...stream,
        ...LOOPBACK,
      );
      while (
        kills < KILLS &&
        (await killAfter(running, 1 + randomInt(rng, Math.floor((NODES * looks) / KILLS))))
      ) {
        kills++;
        expect(header(out).state).toBe('running');
        running = place.start('dht', 'crawl', '--resume', out, ...stream, ...LOOPBACK);
      }
      expect(kills, 'it must be killed to prove anything').toBeGreaterThan(1);
      const { code } = await running.exited;
      expect(code, running.stderrLines.join('\n')).toBe(0);
      expect(header(out)).toMatchObject({ state: 'complete', resumes: Array(kills).fill({}) });
      const visits = (pass: number): Record<string, unknown>[] =>
        rows(
          out,
          `SELECT node, number, id_observed AS id, outcome FROM visit WHERE pass = ${pass} ORDER BY number`,
        );
      for (let pass = 1; pass <= looks; pass++) {
        const seen = visits(pass);
        expect(new Set(seen.map(({ node }) => node)).size, 'one visit a node').toBe(seen.length);
        expect(seen.map(({ number }) => number)).toEqual(seen.map((_, i) => i));
        const ids = new Set(seen.filter(({ outcome }) => outcome === 'ok').map(({ id }) => id));
        const missing = net.alive.filter(({ id }) => !ids.has(toHex(id.toBytes())));
        expect(missing).toEqual([]);
        expect(seen.length, 'the dead are visited as well').toBe(NODES);
      }
      const asked = net.nodes.map(({ queries }, i) => queries - (before[i] as number));
      // Two tries a look, and one more for each time it was killed while its answer was on the way.
      expect(Math.max(...asked)).toBeLessThanOrEqual(2 * looks + kills);
      // The stream is that of the whole run.
      const records = readFileSync(`${place.path}/${out}.jsonl`, 'utf8').trimEnd().split('\n');
      const streamed = records.map((line) => JSON.parse(line) as { record: string });
      const [{ n }] = rows(out, 'SELECT count(*) AS n FROM visit') as [{ n: number }];
      expect(streamed.filter(({ record }) => record === 'visit')).toHaveLength(n);
      expect(streamed.at(-1)).toMatchObject({ record: 'run', state: 'complete' });
    },
    KILL_TIMEOUT_MS,
  );

  it('keeps what nodes said of our address', async () => {
    // As if it had been killed when all was done but the end: nobody is asked any more.
    const path = `${place.path}/full/run.json`;
    const before = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    expect(before).toMatchObject({ state: 'complete', vantage_external: '127.0.0.1', vantage_nat: 'none' });
    writeFileSync(
      path,
      JSON.stringify({ ...before, state: 'running', vantage_external: null, vantage_nat: null }),
    );
    const { queries } = net;
    const result = json(await place.tt('dht', 'crawl', '--resume', 'full', '--json', ...LOOPBACK));
    expect(net.queries).toBe(queries);
    expect(result).toMatchObject({
      run: { state: 'complete', vantage_external: '127.0.0.1', vantage_nat: 'none' },
    });
  });

  it(
    'in mode topology asks no table twice for the same part',
    async () => {
      const fixed = [
        '--seed',
        '7',
        '--out',
        'topology',
        '--rate',
        '200',
        '--rate-per-ip',
        '200',
        '--bootstrap',
        net.entry,
      ];
      let kills = 0;
      let running = place.start(
        'dht',
        'crawl',
        '--mode',
        'topology',
        '--zone',
        '0/0',
        '--lookups',
        '0',
        '--recheck',
        '0',
        ...fixed,
        ...LOOPBACK,
      );
      while (kills < KILLS && (await killAfter(running, 1 + randomInt(rng, NODES * 2)))) {
        kills++;
        running = place.start('dht', 'crawl', '--resume', 'topology', ...LOOPBACK);
      }
      expect(kills).toBeGreaterThan(1);
      const { code } = await running.exited;
      expect(code, running.stderrLines.join('\n')).toBe(0);
      const probed = "FROM visit WHERE outcome = 'ok' AND id_claimed IS NOT NULL";
      expect(
        rows('topology', `SELECT node, probe_bits ${probed} GROUP BY node, probe_bits HAVING count(*) > 1`),
      ).toEqual([]);
      // From the far half of the id space down, without a gap.
      expect(
        rows('topology', `SELECT node ${probed} GROUP BY node HAVING max(probe_bits) + 1 <> count(*)`),
      ).toEqual([]);
      const [{ n }] = rows('topology', `SELECT count(DISTINCT id_observed) AS n ${probed}`) as [
        { n: number },
      ];
      expect(n).toBeGreaterThanOrEqual(NODES - DEAD - 1);
      // Every entry belongs to a visit that is there.
      expect(
        rows('topology', 'SELECT visit FROM edge WHERE visit NOT IN (SELECT number FROM visit)'),
      ).toEqual([]);
      const [listed] = rows('topology', 'SELECT sum(nodes_count) AS n FROM visit') as [{ n: number }];
      const [edges] = rows('topology', 'SELECT count(*) AS n FROM edge') as [{ n: number }];
      expect(edges.n).toBe(listed.n);
    },
    KILL_TIMEOUT_MS,
  );
});

describe('a monitor that is killed again and again', () => {
  const watch = (...args: string[]): RunningProcess =>
    place.start('dht', 'monitor', ...args, '--events', ...LOOPBACK);
  /** Until the scan is over and so many are watched. */
  const watching = (running: RunningProcess, least: number): Promise<unknown> =>
    waitFor(() => running.stdoutLines.some((line) => watchedIn(line) >= least), {
      what: () => `${least} watched nodes: ${running.stdoutLines.at(-1)} ${running.stderrLines.join(' ')}`,
      timeoutMs: TIMEOUT_MS,
    });

  it(
    'goes on: each node one session, each scan asks each node once',
    async () => {
      const before = net.nodes.map(({ queries }) => queries);
      const flags = ['--zone', '0/0', '--for', '1d', '--rescan', '12h', '--out', 'watched', '--rate', '100'];
      let running = watch(...flags, '--bootstrap', net.entry);
      for (let kill = 0; kill < KILLS; kill++) {
        expect(
          await killAfter(running, 1 + randomInt(rng, Math.floor(NODES / KILLS))),
          'it must not end',
        ).toBe(true);
        running = watch('--resume', 'watched');
      }
      const least = NODES - DEAD;
      await watching(running, least);
      await running.stop('SIGKILL');
      expect(header('watched').state).toBe('running');

      // Everybody is known now: only the pace decides when they are asked again.
      running = watch('--resume', 'watched');
      await watching(running, least);
      await running.stop('SIGINT');
      expect(header('watched')).toMatchObject({ state: 'partial', state_reason: 'signal' });
      const sessions = rows('watched', 'SELECT id, is_created, is_censored, end_reason FROM session');
      const alive = new Set(net.alive.map(({ id }) => toHex(id.toBytes())));
      expect(new Set(sessions.map(({ id }) => id)).size, 'one session a node').toBe(sessions.length);
      expect(sessions.every(({ id }) => alive.has(id as string))).toBe(true);
      expect(sessions.length).toBe(least);
      for (const session of sessions)
        expect(session).toMatchObject({ is_created: 0, is_censored: 1, end_reason: 'window' });
      expect(rows('watched', 'SELECT pass, node FROM visit GROUP BY pass, node HAVING count(*) > 1')).toEqual(
        [],
      );
      const [{ scans }] = rows('watched', 'SELECT max(pass) AS scans FROM visit') as [{ scans: number }];
      expect(scans, 'no scan is begun anew').toBe(1);

      // Stopped cleanly it goes on as well, and what was told as open is one session still.
      running = watch('--resume', 'watched');
      await watching(running, least);
      await running.stop('SIGINT');
      expect(rows('watched', 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM session')).toEqual([
        { n: sessions.length, ids: sessions.length },
      ]);
      expect(header('watched').resumes).toHaveLength(KILLS + 2);
      // One scan: the dead are asked by nobody else.
      const asked = net.nodes.map(({ queries, isDead }, i) => (isDead ? queries - (before[i] as number) : 0));
      expect(Math.max(...asked)).toBeLessThanOrEqual(2 + KILLS + 1);
    },
    KILL_TIMEOUT_MS,
  );

  it('and a crawl are not confused', async () => {
    const wrong = await place.tt('dht', 'crawl', '--resume', 'watched', ...LOOPBACK);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringMatching(/go on with `tt dht monitor --resume watched`/),
    ]);
    const other = await place.tt('dht', 'monitor', '--resume', 'full', ...LOOPBACK);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringMatching(/go on with `tt dht crawl --resume full`/),
    ]);
    const fixed = await place.tt('dht', 'monitor', '--resume', 'watched', '--for', '2h', ...LOOPBACK);
    expect([fixed.code, fixed.stderr]).toEqual([2, expect.stringMatching(/leave out --for/)]);
    const json1 = json(await place.tt('dht', 'monitor', '--resume', 'nowhere', '--json', ...LOOPBACK));
    expect(json1.exitCode).toBe(8);
  });
});

function watchedIn(line: string): number {
  const { event, watched, scans, present } = JSON.parse(line) as Record<string, unknown>;
  return event === 'progress' && scans === 1 && present === watched ? (watched as number) : -1;
}
