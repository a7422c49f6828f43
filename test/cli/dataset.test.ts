// `tt dht report`, `export` and `enrich` from the real program, on folders of runs whose figures are known; and `tt lab net`.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Columns } from '../../dht/dataset/columns.ts';
import { TABLES } from '../../dht/dataset/schema.ts';
import { mmdbBytes } from '../support/mmdb.ts';
import { makeRunFolder, START_MS } from '../support/run-folder.ts';
import { runRows } from '../support/run-rows.ts';
import { waitFor } from '../support/wait.ts';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const HOUR_MS = 3_600_000;
const PLOTS = [
  ...['growth', 'estimates', 'round-trips', 'clients', 'countries', 'systems', 'table-depth'],
  ...['id-uniformity', 'bep42', 'dead-share', 'session-survival', 'availability'],
];
const at = (name: string): string => `${place.path}/${name}`;

beforeAll(async () => {
  await makeRunFolder(at('first'), { withEdges: true, withSessions: true });
  // 150 of its 200 nodes are those of the first run.
  await makeRunFolder(at('second'), { first: 50, startMs: START_MS + 5 * HOUR_MS });
  await makeRunFolder(at('hashed'), { ipPrivacy: 'hmac', startMs: START_MS + 9 * HOUR_MS });
  await makeRunFolder(at('prefixes'), { ipPrivacy: 'prefix' });
  await makeRunFolder(at('running'), { header: { state: 'running' } });
  await makeRunFolder(at('unenriched'));
  await makeRunFolder(at('empty'), { nodes: 0 });
  await makeRunFolder(at('later'), { header: { schema_version: 99 } });
});

interface Report {
  readonly directory: string;
  readonly files: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

describe('a report', () => {
  it(
    'draws what it has as SVG and PNG, says why for the rest, and makes a page of its own',
    async () => {
      const result = json(await tt('dht', 'report', 'first', '--json'));
      const { directory, files, skipped } = result['report'] as Report;
      expect(directory).toBe(at('first/report'));
      expect(skipped.map(({ name }) => name)).toEqual(['estimates', 'countries', 'systems']);
      expect(skipped[1]?.reason).toMatch(/tt dht enrich/);
      const drawn = PLOTS.filter((name) => !skipped.some((each) => each.name === name));
      expect(files).toEqual(['index.html', ...drawn.flatMap((name) => [`${name}.svg`, `${name}.png`])]);
      for (const name of drawn) {
        expect(readFileSync(`${directory}/${name}.svg`, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
        const png = readFileSync(`${directory}/${name}.png`);
        expect(png.subarray(0, 8).toString('latin1')).toBe('\u0089PNG\r\n\u001a\n');
        expect([png.readUInt32BE(16), png.length > 5_000], name).toEqual([1440, true]);
      }
      const page = readFileSync(`${directory}/index.html`, 'utf8');
      expect(page.match(/<svg /g)).toHaveLength(drawn.length);
      expect(page, 'names of strangers are text').toContain('libtorrent &lt;&amp;&gt; &quot;1,2&quot;');
      expect(page).not.toMatch(/<script|src=|href=|@import|url\(/);
      expect(page).toMatch(/dead entries: +20\.0 % \(95 %: 15\.0 % to 26\.1 %\)/);
      expect(page).toMatch(/Countries<\/b>: not drawn: no enrichment/);
    },
    TIMEOUT_MS,
  );

  it('has letters in its pictures where the machine has no fonts', async () => {
    const pixels = async (title: string): Promise<string> => {
      const { pngOfSvg } = await import('../../dht/report/io/raster.ts');
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"><text x="5" y="20" font-family="sans-serif">${title}</text></svg>`;
      return createHash('sha1')
        .update(await pngOfSvg(svg))
        .digest('hex');
    };
    expect(await pixels('nodes')).not.toBe(await pixels(''));
    expect(await pixels('nodes')).not.toBe(await pixels('knots'));
  });

  it(
    'compares runs: who is still there, and whom it cannot tell',
    async () => {
      const args = ['dht', 'report', 'second', 'first', 'hashed', '--out', 'compared'];
      const result = json(await tt(...args, '--json'));
      const { retention } = result['comparison'] as { retention: Record<string, unknown>[] };
      expect(retention).toHaveLength(3);
      // Nodes 50 to 199; every fifth is dead.
      expect(retention[0]).toMatchObject({
        from: 'first',
        to: 'second',
        hours: 5,
        before: 160,
        stayed: 120,
        sameId: 120,
      });
      expect(retention[1]).toMatchObject({
        to: 'hashed',
        reason: expect.stringMatching(/hidden in different ways/),
      });
      const { files, skipped } = result['report'] as Report;
      expect(files).toContain('churn.png');
      expect(skipped).toContainEqual({
        name: 'diurnal',
        reason: 'needs 3 runs with an estimate, and there are 0',
      });
      expect(readFileSync(at('compared/clients.svg'), 'utf8')).toMatch(
        />second<[\s\S]*>first<[\s\S]*>hashed</,
      );
      const text = (await tt(...args)).stdout;
      expect(text).toMatch(/first +second +5\.0 h +160 +75\.0 % +75\.0 %/);
    },
    TIMEOUT_MS,
  );

  it('of an empty run draws nothing and fails at nothing', async () => {
    const { report } = json(await tt('dht', 'report', 'empty', '--json')) as unknown as { report: Report };
    expect([report.files, report.skipped.length]).toEqual([['index.html'], PLOTS.length]);
    const dry = await tt('dht', 'report', 'hashed', '--no-plots');
    expect([dry.code, existsSync(at('hashed/report'))]).toEqual([0, false]);
  });

  it(
    'says what is wrong in one line',
    async () => {
      const wrong: [string[], number, RegExp][] = [
        [['report', 'nowhere'], 8, /nowhere holds no run/],
        [['report', 'later'], 8, /schema version 99/],
        [['report', 'first', '--no-plots', '--out', 'x'], 2, /exclude each other/],
        [['export', 'nowhere'], 8, /holds no run/],
        [['export', 'first', '--format', 'xls'], 2, /xls/],
        [['export', 'first', '--table', 'nodes'], 2, /--table: "nodes" is refused: not one of run, visit/],
        [['export', 'first', '--out', '-'], 2, /Parquet needs a file/],
        [['export', 'first', '--format', 'csv', '--out', '-'], 2, /one table a stream/],
        [['enrich', 'first'], 2, /--mmdb FILE/],
        [['enrich', 'first', '--mmdb', 'first/run.json'], 8, /run\.json is no MMDB database/],
        [['enrich', 'first', '--mmdb', 'none.mmdb'], 8, /cannot read .*none\.mmdb: there is no such file$/m],
        [['enrich', 'first', '--mmdb', 'first'], 8, /cannot read .*first: it is a folder$/m],
      ];
      for (const [args, code, message] of wrong) {
        const result = await tt('dht', ...args);
        expect([args.join(' '), result.code]).toEqual([args.join(' '), code]);
        expect(result.stderr).toMatch(message);
      }
    },
    TIMEOUT_MS,
  );
});

describe('a run that has not ended', () => {
  it(
    'is reported as far as it is, and said to be unended',
    async () => {
      await makeRunFolder(at('killed'), {
        startMs: START_MS + HOUR_MS,
        header: { state: 'running', ended_utc: null, elapsed_us: null },
      });
      const database = new DatabaseSync(at('killed/data.sqlite'));
      database.exec('DELETE FROM summary');
      database.close();
      const { code, stdout } = await tt('dht', 'report', 'killed', '--no-plots');
      expect([code, stdout]).toEqual([0, expect.stringMatching(/verified id: +160\n/)]);
      expect(stdout).toMatch(/! This run has not ended.*tt dht crawl --resume .*killed` ends it/);
      expect(stdout, 'it has not looked everywhere').not.toContain('spread evenly');
      const both = await tt('dht', 'report', 'second', 'killed', 'prefixes', '--no-plots');
      expect(both.stdout).toMatch(/prefixes +killed .*hidden in different ways/);
      const alike = await tt('dht', 'report', 'unenriched', 'killed', '--no-plots');
      expect(alike.stdout).toMatch(/unenriched +killed +1\.0 h +- +the later run was cut/);
    },
    TIMEOUT_MS,
  );
});

describe('an export', () => {
  it(
    'as Parquet is what SQLite holds, with types, nulls and 64-bit integers',
    async () => {
      const database = new DatabaseSync(at('second/data.sqlite'));
      // What a float would round.
      database.exec('UPDATE visit SET queued_us = 9007199254740993 WHERE number = 7');
      database.close();
      const { files } = json(
        await tt('dht', 'export', 'second', '--out', 'parquet', '--json'),
      ) as unknown as {
        files: { table: string; path: string; rows: number }[];
      };
      expect(files.map(({ table }) => table)).toEqual(TABLES.map(({ name }) => name));
      const duck = await (await DuckDBInstance.create(':memory:')).connect();
      const ask = async (sql: string): Promise<Record<string, unknown>[]> =>
        (await duck.runAndReadAll(sql)).getRowObjects();
      const types = { text: 'VARCHAR', integer: 'BIGINT', real: 'DOUBLE', boolean: 'BOOLEAN', json: 'JSON' };
      for (const { name, columns } of TABLES) {
        const described = await ask(`DESCRIBE SELECT * FROM '${at(`parquet/${name}.parquet`)}'`);
        expect(described.map((row) => [row['column_name'], row['column_type']])).toEqual(
          Object.entries(columns as Columns).map(([column, { type }]) => [column, types[type]]),
        );
      }
      const visits = await ask(`SELECT * FROM '${at('parquet/visit.parquet')}' ORDER BY number`);
      const source = new DatabaseSync(at('second/data.sqlite'), { readOnly: true });
      const statement = source.prepare('SELECT * FROM visit ORDER BY number');
      statement.setReadBigInts(true);
      const expected = statement.all() as Record<string, unknown>[];
      source.close();
      expect(visits[7]?.['queued_us']).toBe(9007199254740993n);
      expect(visits).toHaveLength(200);
      const booleans = Object.entries(TABLES[1].columns).filter(([, { type }]) => type === 'boolean');
      for (const row of expected)
        for (const [name] of booleans) if (row[name] !== null) row[name] = row[name] === 1n;
      expect(visits).toEqual(expected.map((row) => ({ ...row })));
      const [run] = await ask(
        `SELECT config->>'mode' AS mode, ended_utc FROM '${at('parquet/run.parquet')}'`,
      );
      expect(run?.['mode']).toBe('zone');
    },
    TIMEOUT_MS,
  );

  it(
    'as CSV is read by others as it was written',
    async () => {
      await tt('dht', 'export', 'first', '--format', 'csv', '--table', 'visit', '--out', 'csv');
      const duck = await (await DuckDBInstance.create(':memory:')).connect();
      const [row] = (
        await duck.runAndReadAll(
          `SELECT count(*)::INT AS n, count(client)::INT AS clients, count(DISTINCT client)::INT AS names,
         any_value(client) FILTER (client LIKE 'lib%') AS one FROM read_csv('${at('csv/visit.csv')}', all_varchar = true)`,
        )
      ).getRowObjects();
      expect(row).toEqual({ n: 200, clients: 160, names: 2, one: 'libtorrent <&> "1,2"' });
      expect(existsSync(at('csv/run.csv'))).toBe(false);
    },
    TIMEOUT_MS,
  );

  it('as JSON lines is the stream of --jsonl', async () => {
    const result = await tt('dht', 'export', 'first', '--format', 'jsonl', '--out', '-');
    const lines = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toEqual({ record: 'run', ...JSON.parse(readFileSync(at('first/run.json'), 'utf8')) });
    expect(lines.filter(({ record }) => record === 'visit')).toHaveLength(200);
    expect(lines[5]).toMatchObject({
      record: 'visit',
      node: 4,
      outcome: 'timeout',
      client: null,
      is_in_zone: true,
    });
  });
});

describe('an enrichment', () => {
  const BUILT_S = 1_750_000_000;
  beforeAll(() => {
    const systems = [
      {
        network: '192.0.2.0/25',
        record: { autonomous_system_number: 64500, autonomous_system_organization: 'Low <Net>' },
      },
      { network: '192.0.2.128/25', record: { asn: 'AS64501', as_name: 'High Net' } },
    ];
    writeFileSync(at('asn.mmdb'), mmdbBytes('Test-ASN', systems, BUILT_S));
    const countries = [
      {
        network: '192.0.0.0/16',
        record: { country: { iso_code: 'NZ' }, traits: { is_hosting_provider: true } },
      },
    ];
    writeFileSync(at('country.mmdb'), mmdbBytes('Test-Country', countries, BUILT_S - 86_400));
  });
  const rows = (run: string): Record<string, unknown>[] =>
    runRows(at(run), 'SELECT * FROM enrichment ORDER BY ip');

  it(
    'adds what the databases say of every address, and the plots of it',
    async () => {
      const args = ['dht', 'enrich', 'first', '--mmdb', 'asn.mmdb', '--mmdb', 'country.mmdb', '--json'];
      expect(json(await tt(...args))).toMatchObject({ addresses: 200, known: 200, ambiguous: 0 });
      expect(json(await tt(...args)), 'again').toMatchObject({ addresses: 200, known: 200 });
      const found = rows('first');
      expect(found).toHaveLength(200);
      const common = { country: 'NZ', is_datacentre: 1, database: 'Test-ASN + Test-Country' };
      const of = (ip: string) => found.find((row) => row['ip'] === ip);
      expect(of('192.0.2.127')).toMatchObject({
        ...common,
        ...{ as_number: 64500, as_organisation: 'Low <Net>', prefix: '192.0.2.0/25' },
        database_date: new Date((BUILT_S - 86_400) * 1000).toISOString(),
      });
      expect(of('192.0.2.128')).toMatchObject({ ...common, as_number: 64501, prefix: '192.0.2.128/25' });
      const header = JSON.parse(readFileSync(at('first/run.json'), 'utf8')) as Record<string, unknown>;
      expect(header['geo_database']).toBe('Test-ASN + Test-Country');
      const { report } = json(await tt('dht', 'report', 'first', '--json')) as unknown as { report: Report };
      expect(report.files).toEqual(expect.arrayContaining(['countries.svg', 'systems.png']));
      // Of nodes 0 to 127, 25 are dead.
      expect(readFileSync(at('first/report/systems.svg'), 'utf8')).toMatch(
        />AS64500 Low &lt;Net&gt;<[\s\S]*>103<[\s\S]*>AS64501 High Net<[\s\S]*>57</,
      );
    },
    TIMEOUT_MS,
  );

  it('of prefixes keeps only what holds for all of a prefix', async () => {
    const result = json(
      await tt('dht', 'enrich', 'prefixes', '--mmdb', 'asn.mmdb', '--mmdb', 'country.mmdb', '--json'),
    );
    expect(result).toMatchObject({ addresses: 1, known: 1, ambiguous: 1 });
    expect(rows('prefixes')).toMatchObject([
      { ip: '192.0.2.0/24', as_number: null, country: 'NZ', prefix: null },
    ]);
  });

  it('refuses what cannot be looked up, and what is still written', async () => {
    const hashed = await tt('dht', 'enrich', 'hashed', '--mmdb', 'asn.mmdb');
    expect([hashed.code, hashed.stderr]).toEqual([
      9,
      expect.stringMatching(/hashed[\s\S]*--ip-privacy prefix/),
    ]);
    const running = await tt('dht', 'enrich', 'running', '--mmdb', 'asn.mmdb');
    expect([running.code, running.stderr]).toEqual([9, expect.stringMatching(/has not ended/)]);
    expect(rows('hashed')).toEqual([]);
  });
});

describe('a network on loopback', () => {
  it(
    'is there to be crawled, with its dead',
    async () => {
      const net = place.start('lab', 'net', '--nodes', '40', '--dead', '5', '--events');
      const entry = (): string | undefined => /"bootstrap":"([0-9.:]+)"/.exec(net.stdoutLines.join())?.[1];
      await waitFor(() => entry() !== undefined, { what: 'the network', timeoutMs: TIMEOUT_MS });
      const crawled = json(
        await tt(
          ...['dht', 'crawl', '--zone', '0/0', '--no-repeat', '--lookups', '0', '--recheck', '0'],
          ...['--interface', '127.0.0.1', '--bootstrap', entry() as string, '--out', 'net', '--json'],
        ),
      );
      const summary = crawled['summary'] as { metric: string; item: string; value: number }[];
      const verified = summary.find(({ metric }) => metric === 'verified')?.value;
      // Told of by eight others on average; none of the dead answers.
      expect(verified).toBeLessThanOrEqual(35);
      expect(verified).toBeGreaterThanOrEqual(33);
      await net.stop('SIGINT');
      const wrong = await tt('lab', 'net', '--nodes', '3', '--dead', '3');
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/--dead/)]);
    },
    TIMEOUT_MS,
  );
});
