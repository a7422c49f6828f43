// `tt dht crawl` from the real program on loopback: a whole run, its dataset, kill -9 and resume, a clean stop, bad input.
import { createSocket } from 'node:dgram';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { type CountingNet, countingNet } from '../support/crawl-net.ts';
import { loopbackDht } from '../support/dht-loopback.ts';
import { runRows } from '../support/run-rows.ts';
import { waitFor } from '../support/wait.ts';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const NODES = 200;
const DEAD = 40;
const SEED = 4;
const QUICK = ['--no-repeat', '--lookups', '0', '--recheck', '0'];

let net: CountingNet;
const crawl = (...args: string[]): string[] => [
  ...['dht', 'crawl', '--mode', 'full', '--seed', '7', '--interface', '127.0.0.1', '--bootstrap', net.entry],
  ...args,
];

beforeAll(async () => {
  net = await countingNet(NODES, DEAD, SEED);
});
afterAll(() => net?.close());

const rows = (directory: string, sql: string): Record<string, unknown>[] =>
  runRows(`${place.path}/${directory}`, sql);

/** Told of by eight on average, of which a fifth is dead: one look alone misses one in six hundred. */
const MAX_MISSED = 2;

/** Ids of live nodes that a run did not verify, in either look. */
function missing(directory: string): string[] {
  const found = new Set(
    rows(directory, "SELECT id_observed AS id FROM visit WHERE pass = 1 AND outcome = 'ok'").map(
      ({ id }) => id,
    ),
  );
  return net.alive.map(({ id }) => toHex(id.toBytes())).filter((id) => !found.has(id));
}

describe('a crawl', () => {
  it(
    'finds every live node, tells the dead apart, and writes what it says',
    async () => {
      const before = net.nodes.map(({ queries }) => queries);
      const result = json(await tt(...crawl('--out', 'whole', '--lookups', '0', '--json', '--rate', '2000')));
      expect(result).toMatchObject({
        reason: 'done',
        run: { state: 'complete', mode: 'full', ip_privacy: 'hmac' },
      });
      // Two looks together: one node in a gap of the id space may still be told of by nobody.
      expect(missing('whole').length).toBeLessThanOrEqual(1);
      const [dead] = rows('whole', "SELECT count(*) AS n FROM visit WHERE pass = 1 AND outcome = 'timeout'");
      expect(dead?.['n']).toBeGreaterThanOrEqual(DEAD - MAX_MISSED);
      expect(dead?.['n']).toBeLessThanOrEqual(DEAD);
      const summary = result['summary'] as {
        metric: string;
        item: string;
        value: number;
        low: number;
        high: number;
      }[];
      const of = (metric: string, item = '') =>
        summary.find((row) => row.metric === metric && row.item === item);
      expect(of('verified')?.value).toBeGreaterThanOrEqual(NODES - DEAD - MAX_MISSED);
      expect(of('dead_share')?.value).toBeCloseTo(DEAD / (NODES - 1), 1);
      expect(of('p', 'repeat')?.value).toBeGreaterThan(0.97);
      expect(of('second_port')?.value).toBe(1);
      const estimate = of('nodes', 'chapman');
      expect(estimate?.low).toBeLessThanOrEqual(NODES - DEAD);
      expect(estimate?.high).toBeGreaterThanOrEqual(NODES - DEAD);
      // Two looks, and a few asked again from one or two sockets.
      net.nodes.forEach(({ queries, isDead }, i) => {
        expect(queries - (before[i] as number)).toBeLessThanOrEqual(isDead ? 4 : 3);
      });
      // The header names where the run entered, and nothing else is an address.
      const addresses = rows('whole', 'SELECT DISTINCT ip FROM visit UNION SELECT net FROM visit');
      for (const { ip } of addresses) expect(ip).toMatch(/^[0-9a-f]{16}$/);
      expect(existsSync(`${place.path}/whole/journal`), 'and so is the journal').toBe(false);
      expect(JSON.parse(readFileSync(`${place.path}/whole/run.json`, 'utf8'))).toEqual(result['run']);
    },
    TIMEOUT_MS,
  );

  it(
    'killed in the middle goes on with nothing lost and nobody visited twice',
    async () => {
      const before = net.nodes.map(({ queries }) => queries);
      const start = net.queries;
      const first = place.start(...crawl('--out', 'killed', '--rate', '60', '--ip-privacy', 'raw', ...QUICK));
      await waitFor(() => net.queries - start > NODES / 3, {
        what: 'a third of the crawl',
        timeoutMs: TIMEOUT_MS,
      });
      await first.stop('SIGKILL');
      const answeredBefore = net.queries - start;
      expect(answeredBefore).toBeLessThan(NODES);
      const header = JSON.parse(readFileSync(`${place.path}/killed/run.json`, 'utf8')) as { state: string };
      expect(header.state).toBe('running');
      const result = json(
        await tt('dht', 'crawl', '--resume', 'killed', '--interface', '127.0.0.1', '--json'),
      );
      expect(result).toMatchObject({ reason: 'done', run: { state: 'complete', resumes: [{}] } });
      expect(missing('killed').length).toBeLessThanOrEqual(MAX_MISSED);
      const twice = rows('killed', 'SELECT node FROM visit GROUP BY node HAVING count(*) > 1');
      expect(twice).toEqual([]);
      const numbers = rows(
        'killed',
        'SELECT min(number) AS low, max(number) AS high, count(*) AS n FROM visit',
      );
      const [{ low, high, n }] = numbers as [{ low: number; high: number; n: number }];
      expect([low, high]).toEqual([0, n - 1]);
      expect(n).toBeGreaterThanOrEqual(NODES - MAX_MISSED);
      // Those in flight when it was killed are asked once more: what they said was not heard.
      const asked = net.nodes.map(({ queries }, i) => queries - (before[i] as number));
      expect(Math.max(...asked)).toBeLessThanOrEqual(3);
      const liveTwice = net.nodes.filter(({ isDead }, i) => !isDead && asked[i] === 2).length;
      expect(liveTwice).toBeLessThanOrEqual(20);
    },
    TIMEOUT_MS,
  );

  it(
    'stopped cleanly says that it is partial, and goes on',
    async () => {
      const start = net.queries;
      const run = place.start(...crawl('--out', 'stopped', '--rate', '60', '--json', ...QUICK));
      await waitFor(() => net.queries - start > 40, { what: 'some of the crawl', timeoutMs: TIMEOUT_MS });
      await run.stop('SIGINT');
      const header = JSON.parse(readFileSync(`${place.path}/stopped/run.json`, 'utf8')) as Record<
        string,
        unknown
      >;
      expect(header).toMatchObject({ state: 'partial', state_reason: 'signal' });
      expect(header['queue_left']).toBeGreaterThan(0);
      expect(header['warnings']).toHaveLength(1);
      // Meanwhile somebody sets the clock of the machine an hour back: the clock of the run knows nothing of it.
      const back = new Date(Date.parse(header['started_utc'] as string) + 3_600_000).toISOString();
      writeFileSync(`${place.path}/stopped/run.json`, JSON.stringify({ ...header, started_utc: back }));
      const [{ latest }] = rows('stopped', 'SELECT max(received_us) AS latest FROM visit') as [
        { latest: number },
      ];
      const result = await tt('dht', 'crawl', '--resume', 'stopped', '--interface', '127.0.0.1', '--json');
      expect(json(result)).toMatchObject({ reason: 'done', run: { state: 'complete' } });
      const { elapsed_us: elapsed } = json(result)['run'] as { elapsed_us: number };
      expect(elapsed).toBeGreaterThan(latest);
      const times = rows('stopped', 'SELECT queued_us AS queued, received_us AS received FROM visit');
      expect(
        times.filter(
          ({ queued, received }) => Number(queued) < 0 || (received !== null && Number(received) < 0),
        ),
      ).toEqual([]);
      expect(missing('stopped').length).toBeLessThanOrEqual(MAX_MISSED);
    },
    TIMEOUT_MS,
  );

  it('says what is wrong in one line', async () => {
    const wrong: [string[], number, RegExp][] = [
      [['--zone', 'xyz'], 2, /--zone: "xyz" is refused: not a zone like/],
      [['--zone', 'a/9'], 2, /1 hex digits have 4 bits, not 9/],
      [['--rate', '0'], 2, /--rate: not a rate above 0/],
      [['--opt-out', 'none.txt'], 8, /cannot read the opt-out file/],
      [['--opt-out', '/dev/zero'], 8, /it has more than 16777216 bytes/],
      [['--seed', '-1'], 2, /--seed: "-1" is refused/],
      [['--rate', '1e9'], 2, /--rate: "1e9" is refused/],
      [['--rate-per-subnet', '0'], 2, /--rate-per-subnet: not a rate above 0/],
      [['--ip-privacy', 'none'], 2, /hmac, prefix, raw/],
      [['--mode', 'full', '--zone', 'a/4'], 2, /exclude each other/],
      [['--out', '/proc/x'], 8, /--out: cannot make \/proc\/x: ENOENT/],
      [['--resume', 'nowhere'], 8, /holds no run: no run.json is in it/],
      [['--resume', 'damaged'], 8, /damaged\/run.json is damaged: /],
      [['--planted', 'abc'], 2, /--planted: "abc" is not an id/],
    ];
    mkdirSync(`${place.path}/damaged`);
    writeFileSync(`${place.path}/damaged/run.json`, '{');
    for (const [args, code, message] of wrong) {
      const result = await tt('dht', 'crawl', '--interface', '127.0.0.1', ...args);
      expect([args.join(' '), result.code]).toEqual([args.join(' '), code]);
      expect(result.stderr).toMatch(message);
    }
    writeFileSync(`${place.path}/bad-optout.txt`, '10.0.0.0/8\nnot a prefix\n');
    const bad = await tt('dht', 'crawl', '--opt-out', 'bad-optout.txt', '--zone', '0/0');
    expect(bad.stderr).toMatch(/line 2: "not a prefix"/);
    const fleet = ['--engine', 'nats://127.0.0.1:1'];
    const alone = await tt('dht', 'crawl', '--resume', 'whole', ...fleet);
    expect([alone.code, alone.stderr]).toEqual([
      2,
      expect.stringMatching(/a single machine: leave out --engine/),
    ]);
    cpSync(`${place.path}/whole`, `${place.path}/fleet`, { recursive: true });
    writeFileSync(`${place.path}/fleet/fleet.json`, '{}');
    const lone = await tt('dht', 'crawl', '--resume', 'fleet');
    expect([lone.code, lone.stderr]).toEqual([
      2,
      expect.stringMatching(/several machines: add --engine nats/),
    ]);
    for (const [args, message] of [
      [['--for', '0s'], /--for: at least 1s/],
      [['--rescan', '0s'], /--rescan: at least 1s/],
    ] as const) {
      const result = await tt('dht', 'monitor', '--interface', '127.0.0.1', ...args);
      expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(message)]);
    }
    const again = await tt(...crawl('--out', 'whole'));
    expect([again.code, again.stderr]).toEqual([8, expect.stringMatching(/holds a run already/)]);
  });

  it('who opted out gets nothing', async () => {
    writeFileSync(`${place.path}/optout.txt`, '127.0.0.0/8\n');
    const start = net.queries;
    // Nor from the node of ours that looks up distances when the crawl is over.
    const flags = ['--no-repeat', '--recheck', '0', '--lookups', '2'];
    const result = json(await tt(...crawl('--out', 'optout', '--opt-out', 'optout.txt', '--json', ...flags)));
    expect(net.queries).toBe(start);
    expect(rows('optout', 'SELECT outcome FROM visit')).toEqual([{ outcome: 'optout' }]);
    expect(result).toMatchObject({ run: { optout_prefixes: 1 } });
  });

  it('--jsonl - is the dataset as a stream', async () => {
    const result = await tt(...crawl('--out', 'stream', '--jsonl', '-', '--rate', '2000', ...QUICK));
    const records = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { record: string });
    expect(records.filter(({ record }) => record === 'visit').length).toBeGreaterThanOrEqual(
      NODES - MAX_MISSED,
    );
    expect(records.at(-1)).toMatchObject({ record: 'run', state: 'complete' });
  });
});

describe('over IPv6', () => {
  it(
    'a crawl finds every node, and hides addresses as over IPv4',
    async () => {
      const real = await loopbackDht(Array.from({ length: 12 }, () => '::1'));
      try {
        const flags = ['--zone', '0/0', '--ipv6', '--interface', '::1', '--recheck', '0', '--lookups', '0'];
        const result = json(await tt('dht', 'crawl', ...flags, '--out', 'six', '--json', ...real.bootstrap));
        expect(result).toMatchObject({ reason: 'done', run: { state: 'complete', family: 6 } });
        const ports = real.nodes.map((node) => node.port(6)).sort();
        for (const pass of [1, 2]) {
          const seen = rows(
            'six',
            `SELECT port, ip, family FROM visit WHERE pass = ${pass} AND outcome = 'ok'`,
          );
          expect(seen.map(({ port }) => port).sort()).toEqual(ports);
          for (const { ip, family } of seen)
            expect([ip, family]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/), 6]);
        }
      } finally {
        await real.close();
      }
    },
    TIMEOUT_MS,
  );
});

describe('without a way in', () => {
  it.each(['crawl', 'sample', 'monitor'])(
    '%s says so, and not that the network is empty',
    async (command) => {
      // Bound and silent.
      const mute = createSocket('udp4');
      await new Promise<void>((resolve) => mute.bind(0, '127.0.0.1', resolve));
      try {
        const out = `mute-${command}`;
        const more = command === 'crawl' ? QUICK : [];
        const entry = `127.0.0.1:${mute.address().port}`;
        const flags = [
          '--zone',
          '0/0',
          '--interface',
          '127.0.0.1',
          '--bootstrap',
          entry,
          '--out',
          out,
          ...more,
        ];
        const result = await tt('dht', command, ...flags);
        expect([result.code, result.stderr]).toEqual([
          6,
          expect.stringMatching(/nobody answered: .*\n.*--bootstrap/),
        ]);
        const header = JSON.parse(readFileSync(`${place.path}/${out}/run.json`, 'utf8')) as { state: string };
        expect(header.state).toBe('partial');
      } finally {
        mute.close();
      }
    },
    TIMEOUT_MS,
  );
});

describe('a monitor', () => {
  it(
    'keeps a session of every node that is there, and says that none was seen to begin',
    async () => {
      const result = json(
        await tt(
          ...[
            'dht',
            'monitor',
            '--zone',
            '0/0',
            // Long enough for all to be found while the machine is busy with something else.
            '--for',
            '12s',
            '--rescan',
            '1m',
            '--out',
            'watched',
            '--json',
          ],
          ...['--rate', '2000', '--interface', '127.0.0.1', '--bootstrap', net.entry],
        ),
      );
      expect(result).toMatchObject({ reason: 'done', run: { state: 'complete', mode: 'monitor' } });
      const sessions = rows('watched', 'SELECT is_created, is_censored, end_reason, ip FROM session');
      expect(sessions.length).toBeLessThanOrEqual(NODES - DEAD);
      expect(sessions.length).toBeGreaterThanOrEqual(NODES - DEAD - MAX_MISSED);
      expect(existsSync(`${place.path}/watched/journal`)).toBe(false);
      for (const session of sessions)
        expect(session).toMatchObject({ is_created: 0, is_censored: 1, end_reason: 'window' });
    },
    TIMEOUT_MS,
  );
});

describe('samples of a zone', () => {
  it(
    'say how much is stored; info hashes are kept on request only',
    async () => {
      const real = await loopbackDht(Array.from({ length: 6 }, () => '127.0.0.1'));
      try {
        const hash = '5a'.repeat(20);
        const on = ['--interface', '127.0.0.1', ...real.bootstrap];
        expect((await tt('dht', 'announce', hash, '--port', '4321', ...on)).code).toBe(0);
        for (const keeps of [true, false]) {
          const out = `samples-${keeps}`;
          const flags = ['--zone', '0/0', '--out', out, '--json', ...(keeps ? ['--info-hashes'] : [])];
          const result = json(await tt('dht', 'sample', ...flags, ...on));
          expect(result).toMatchObject({ reason: 'done', run: { mode: 'sample', state: 'complete' } });
          const stored = rows(out, 'SELECT sum(stored) AS n FROM sample WHERE position = -1');
          expect(stored[0]?.['n']).toBeGreaterThan(0);
          const hashes = rows(out, 'SELECT DISTINCT info_hash AS h FROM sample WHERE info_hash IS NOT NULL');
          expect(hashes).toEqual(keeps ? [{ h: hash }] : []);
          const asked = rows(out, 'SELECT DISTINCT query, supports_51 FROM visit');
          expect(asked).toEqual([{ query: 'sample_infohashes', supports_51: 1 }]);
        }
      } finally {
        await real.close();
      }
    },
    TIMEOUT_MS,
  );
});
