// `tt dht crawl --mmdb` from the real program: where nodes are, looked up before addresses are hashed; broken databases; resumed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CountingNet, countingNet } from '../support/crawl-net.ts';
import { mmdbBytes } from '../support/mmdb.ts';
import { runRows } from '../support/run-rows.ts';
import { waitFor } from '../support/wait.ts';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const NODES = 120;
const BUILT_S = 1_750_000_000;
const QUICK = ['--no-repeat', '--lookups', '0', '--recheck', '0'];
const at = (name: string): string => `${place.path}/${name}`;

let net: CountingNet;
const crawl = (...args: string[]): string[] => [
  ...['dht', 'crawl', '--mode', 'full', '--seed', '5', '--interface', '127.0.0.1', '--bootstrap', net.entry],
  ...args,
];
const BOTH = ['--mmdb', 'country.mmdb', '--mmdb', 'asn.mmdb'];

beforeAll(async () => {
  net = await countingNet(NODES, 0, 9);
  const countries = [{ network: '127.0.0.0/8', record: { country: { iso_code: 'NZ' } } }];
  writeFileSync(at('country.mmdb'), mmdbBytes('Test-Country', countries, BUILT_S));
  const systems = [
    {
      network: '127.0.0.0/25',
      record: { autonomous_system_number: 64500, autonomous_system_organization: 'Loop\u001b[2J Net' },
    },
  ];
  writeFileSync(at('asn.mmdb'), mmdbBytes('Test-ASN', systems, BUILT_S));
});
afterAll(() => net?.close());

const rows = (directory: string, sql: string): Record<string, unknown>[] => runRows(at(directory), sql);

function countOf(directory: string, metric: string): unknown {
  return rows(directory, `SELECT item, value, basis FROM summary WHERE metric = '${metric}'`);
}

describe('a crawl with a database', () => {
  it(
    'says where nodes are though their addresses are hashed',
    async () => {
      const result = json(
        await tt(
          ...crawl(...QUICK, ...BOTH, '--rate', '2000', '--out', 'hashed', '--jsonl', 'rows', '--json'),
        ),
      );
      expect(result).toMatchObject({
        reason: 'done',
        run: {
          ip_privacy: 'hmac',
          geo_database: 'Test-Country + Test-ASN',
          vantage_country: 'NZ',
          vantage_as: 64_500,
        },
      });
      const [address, ...more] = rows('hashed', 'SELECT * FROM enrichment');
      expect(more).toEqual([]);
      expect(address).toMatchObject({
        as_number: 64_500,
        country: 'NZ',
        prefix: null,
        database: 'Test-Country + Test-ASN',
      });
      expect(rows('hashed', 'SELECT DISTINCT ip FROM visit')).toEqual([{ ip: address?.['ip'] }]);
      expect(address?.['ip']).toMatch(/^[0-9a-f]{16}$/);
      const [answered] = rows(
        'hashed',
        "SELECT count(DISTINCT node) AS n FROM visit WHERE pass = 1 AND outcome = 'ok'",
      );
      const n = answered?.['n'];
      expect(n).toBeGreaterThan(NODES - 3);
      expect(countOf('hashed', 'countries')).toEqual([{ item: 'NZ', value: n, basis: n }]);
      expect(countOf('hashed', 'systems')).toEqual([
        { item: 'AS64500 Loop\u001b[2J Net', value: n, basis: n },
      ]);
      const records = readFileSync(at('rows'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(
        records.filter(({ record }) => record === 'enrichment'),
        'once in the stream',
      ).toMatchObject([{ country: 'NZ' }]);
      const report = await tt('dht', 'report', 'hashed');
      expect(report.stdout).toMatch(/countries: +NZ \d+/);
      expect(report.stdout, 'a database is foreign text too').not.toContain('\u001b[2J');
      expect(
        existsSync(at('hashed/report/countries.svg')) && existsSync(at('hashed/report/systems.png')),
      ).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'looks a prefix up as a whole, and keeps nothing that holds for a part of it',
    async () => {
      const args = crawl(
        ...QUICK,
        ...BOTH,
        '--rate',
        '2000',
        '--ip-privacy',
        'prefix',
        '--out',
        'prefix',
        '--json',
      );
      expect(json(await tt(...args)).reason).toBe('done');
      // The /25 of the AS is half of the /24 that is shown.
      expect(rows('prefix', 'SELECT ip, as_number, country FROM enrichment')).toEqual([
        { ip: '127.0.0.0/24', as_number: null, country: 'NZ' },
      ]);
    },
    TIMEOUT_MS,
  );

  it(
    'killed and resumed looks everybody up, with a database and not without',
    async () => {
      const child = place.start(...crawl(...QUICK, ...BOTH, '--rate', '20', '--out', 'killed'));
      await waitFor(
        () => existsSync(at('killed/journal')) && rows('killed', 'SELECT 1 FROM visit').length > 5,
        {
          what: 'a few visits',
          timeoutMs: TIMEOUT_MS,
        },
      );
      await child.stop('SIGKILL');
      const without = await tt(
        'dht',
        'crawl',
        '--resume',
        'killed',
        '--bootstrap',
        net.entry,
        '--interface',
        '127.0.0.1',
      );
      expect([without.code, without.stderr]).toEqual([
        2,
        expect.stringMatching(/needs --mmdb: .*\(Test-Country \+ Test-ASN\)/),
      ]);
      // Slow, as the run began; enough is found soon.
      const again = place.start(
        'dht',
        'crawl',
        '--resume',
        'killed',
        '--bootstrap',
        net.entry,
        '--interface',
        '127.0.0.1',
        '--mmdb',
        'country.mmdb',
      );
      await waitFor(() => rows('killed', 'SELECT 1 FROM visit').length > 20, {
        what: 'more visits',
        timeoutMs: TIMEOUT_MS,
      });
      await again.stop('SIGINT');
      const [counted] = rows('killed', "SELECT count(*) AS n FROM visit WHERE pass = 1 AND outcome = 'ok'");
      expect(countOf('killed', 'countries')).toEqual([
        { item: 'NZ', value: counted?.['n'], basis: counted?.['n'] },
      ]);
      // The other database, which has no systems, has replaced the first two.
      expect(rows('killed', 'SELECT DISTINCT database, as_number FROM enrichment')).toEqual([
        { database: 'Test-Country', as_number: null },
      ]);
    },
    TIMEOUT_MS,
  );

  it(
    'tells programs of places as it goes',
    async () => {
      const result = await tt(...crawl(...QUICK, ...BOTH, '--rate', '100', '--out', 'events', '--events'));
      const events = result.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const last = events.findLast(({ event }) => event === 'progress');
      expect(last).toMatchObject({
        countries: { NZ: expect.any(Number) },
        estimate: { value: expect.any(Number) },
      });
    },
    TIMEOUT_MS,
  );

  it(
    'samples and monitors say where nodes are as well',
    async () => {
      const enter = ['--interface', '127.0.0.1', '--bootstrap', net.entry, '--rate', '2000', '--json'];
      const sample = json(await tt('dht', 'sample', '--zone', '0/0', ...BOTH, '--out', 'sampled', ...enter));
      expect(sample).toMatchObject({ reason: 'done', run: { geo_database: 'Test-Country + Test-ASN' } });
      expect(countOf('sampled', 'countries')).toMatchObject([{ item: 'NZ' }]);
      const watched = await tt(
        'dht',
        'monitor',
        '--zone',
        '0/0',
        ...BOTH,
        '--for',
        '15s',
        '--out',
        'watched',
        ...enter,
      );
      expect(json(watched)).toMatchObject({
        reason: 'done',
        run: { geo_database: 'Test-Country + Test-ASN' },
      });
      expect(countOf('watched', 'countries')).toMatchObject([{ item: 'NZ' }]);
      const joined = rows('watched', 'SELECT count(*) AS n FROM session JOIN enrichment USING (ip)');
      expect(joined, 'a session has a place though its address is hashed').toEqual(
        rows('watched', 'SELECT count(*) AS n FROM session'),
      );
    },
    TIMEOUT_MS,
  );

  it('refuses what is no database before it asks anybody', async () => {
    const before = net.queries;
    writeFileSync(at('text.mmdb'), 'no database');
    for (const [file, code, reason] of [
      ['none.mmdb', 8, /none\.mmdb/],
      ['text.mmdb', 8, /text\.mmdb is no MMDB database/],
    ] as const) {
      const result = await tt(...crawl('--mmdb', file, '--out', 'never'));
      expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(reason)]);
    }
    const fleet = await tt('dht', 'crawl', '--engine', 'nats://127.0.0.1:1', '--mmdb', 'country.mmdb');
    expect([fleet.code, fleet.stderr]).toEqual([
      2,
      expect.stringMatching(/--mmdb and --engine exclude each other/),
    ]);
    expect([existsSync(at('never')), net.queries]).toEqual([false, before]);
  });
});
