// Every table with rows in it, as Parquet, CSV and JSON lines, read back by DuckDB and compared with SQLite value by value.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Column } from '../../../dht/dataset/columns.ts';
import { enrichRun } from '../../../dht/dataset/io/enrich.ts';
import { EXPORT_FORMATS, type ExportFormat, exportTables } from '../../../dht/dataset/io/export.ts';
import { AddressDatabase } from '../../../dht/dataset/io/mmdb.ts';
import { DatasetStore } from '../../../dht/dataset/io/store.ts';
import { RUN_TABLE } from '../../../dht/dataset/run-table.ts';
import { TABLES } from '../../../dht/dataset/schema.ts';
import { VISIT_TABLE } from '../../../dht/dataset/visit-table.ts';
import { mmdbBytes } from '../../support/mmdb.ts';
import { makeRunFolder } from '../../support/run-folder.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-export-');
const at = (name: string): string => join(place.path, name);
const DUCK_TYPES = {
  text: 'VARCHAR',
  integer: 'BIGINT',
  real: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
} as const;

function database(name: string, country: string, damage?: (bytes: Uint8Array) => void): AddressDatabase {
  const bytes = mmdbBytes(
    name,
    [{ network: '192.0.2.0/24', record: { country: { iso_code: country }, asn: 'AS64500' } }],
    1_750_000_000,
  );
  damage?.(bytes);
  writeFileSync(at(`${name}.mmdb`), bytes);
  return AddressDatabase.open(at(`${name}.mmdb`));
}

beforeAll(async () => {
  const header = await makeRunFolder(at('run'), {
    nodes: 300,
    withEdges: true,
    withSessions: true,
    withSamples: true,
  });
  const store = await DatasetStore.open(at('run/data.sqlite'), 'write');
  // What CSV must quote, and what a float would round.
  store.execute(
    `UPDATE visit SET client = 'a "b", c' || char(10) || 'ü', received_us = 9007199254740993 WHERE number = 3`,
  );
  store.execute(`UPDATE visit SET client = '' WHERE number = 5`);
  enrichRun(store, at('run'), header, [database('Test', 'NZ')]);
  const { signal } = new AbortController();
  for (const format of EXPORT_FORMATS)
    await exportTables(store, { format, tables: TABLES, directory: at(format), createdBy: 'test', signal });
  store.close();
});

/** The same value by whatever way it came. */
function plain({ type }: Column, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'integer') return BigInt(value as bigint);
  if (type === 'boolean') return typeof value === 'boolean' ? value : value === 1n;
  return type === 'json' ? JSON.parse(value as string) : value;
}

/** How DuckDB is to read it: by the types of the schema, for formats that have none. */
function source(format: ExportFormat, name: string, columns: readonly (readonly [string, Column])[]): string {
  const file = `'${at(`${format}/${name}.${format}`)}'`;
  if (format === 'parquet') return `read_parquet(${file})`;
  const types = columns.map(([column, { type }]) => `'${column}': '${DUCK_TYPES[type]}'`).join(', ');
  return format === 'csv'
    ? `read_csv(${file}, header = true, allow_quoted_nulls = false, columns = {${types}})`
    : `read_json(${file}, format = 'newline_delimited', columns = {${types}})`;
}

describe.each(EXPORT_FORMATS)('exported as %s', (format) => {
  it.each(TABLES.map((table) => [table.name, table] as const))(
    '%s is what SQLite holds, column by column',
    async (name, table) => {
      const columns = Object.entries(table.columns) as [string, Column][];
      const sqlite = new DatabaseSync(at('run/data.sqlite'), { readOnly: true });
      const statement = sqlite.prepare(`SELECT * FROM "${name}" ORDER BY ${table.key.join(', ')}`);
      statement.setReadBigInts(true);
      const held = statement.all() as Record<string, unknown>[];
      sqlite.close();
      expect(held.length, 'a table without rows proves nothing').toBeGreaterThan(0);
      const duck = await (await DuckDBInstance.create(':memory:')).connect();
      const from = source(format, name, columns);
      const described = (await duck.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`)).getRowObjects();
      expect(described.map((row) => [row['column_name'], row['column_type']])).toEqual(
        columns.map(([column, { type }]) => [column, DUCK_TYPES[type]]),
      );
      const read = (
        await duck.runAndReadAll(`SELECT * FROM ${from} ORDER BY ${table.key.join(', ')}`)
      ).getRowObjects();
      const shown = (rows: readonly Record<string, unknown>[]): unknown[] =>
        rows.map((row) => columns.map(([column, definition]) => plain(definition, row[column])));
      expect(shown(read)).toEqual(shown(held));
      duck.disconnectSync();
    },
  );
});

it.each(EXPORT_FORMATS)(
  '%s: stopped half-way, a table leaves no file, and those before it stay',
  async (format) => {
    await makeRunFolder(at(`stopped-${format}`), { nodes: 1_500 });
    const store = await DatasetStore.open(at(`stopped-${format}/data.sqlite`), 'write');
    const stop = new AbortController();
    // The loop turns for the first time between two batches of the second table.
    setImmediate(() => stop.abort());
    const directory = at(`stopped-${format}/export`);
    const done = await exportTables(store, {
      format,
      tables: [RUN_TABLE, VISIT_TABLE],
      directory,
      createdBy: 'test',
      signal: stop.signal,
    });
    store.close();
    expect(done.map(({ table }) => table)).toEqual(['run']);
    expect(readdirSync(directory)).toEqual([`run.${format}`]);
  },
);

it('a database that turns out damaged leaves the enrichment that was there', async () => {
  const header = await makeRunFolder(at('again'), { nodes: 300 });
  const store = await DatasetStore.open(at('again/data.sqlite'), 'write');
  const { header: enriched } = enrichRun(store, at('again'), header, [database('Good', 'NZ')]);
  const before = store.query('SELECT * FROM enrichment ORDER BY ip');
  const places = store.query("SELECT * FROM summary WHERE metric = 'countries'");
  expect([before.length, places.length]).toEqual([300, 1]);
  // Behind the tree, where the data is: 24 nodes of six bytes and sixteen zeros.
  const bad = database('Bad', 'FR', (bytes) => bytes.fill(0xff, 24 * 6 + 16, 24 * 6 + 24));
  expect(() => enrichRun(store, at('again'), enriched, [bad])).toThrow(/damaged/);
  expect(store.query('SELECT * FROM enrichment ORDER BY ip')).toEqual(before);
  expect(store.query("SELECT * FROM summary WHERE metric = 'countries'")).toEqual(places);
  store.close();
});
