// A run's folder that somebody changed, cut off or damaged: one clear word instead of wrong figures, and never a crash.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, it } from 'vitest';
import { OperationError } from '../../../core/base/result.ts';
import { readRunHeader } from '../../../dht/dataset/header.ts';
import { exportTables } from '../../../dht/dataset/io/export.ts';
import { readHeader } from '../../../dht/dataset/io/header-file.ts';
import { DatasetStore } from '../../../dht/dataset/io/store.ts';
import { RUN_TABLE, type RunRow } from '../../../dht/dataset/run-table.ts';
import { TABLES } from '../../../dht/dataset/schema.ts';
import { VISIT_TABLE } from '../../../dht/dataset/visit-table.ts';
import { makeRunFolder } from '../../support/run-folder.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-damage-');
const whole = join(place.path, 'whole');
let header: RunRow;

beforeAll(async () => {
  header = await makeRunFolder(whole, { nodes: 500 });
});

/** A copy of the run with another data.sqlite. */
function copyWith(name: string, change: (bytes: Buffer) => Buffer): string {
  const directory = join(place.path, name);
  mkdirSync(directory);
  copyFileSync(join(whole, 'run.json'), join(directory, 'run.json'));
  writeFileSync(join(directory, 'data.sqlite'), change(readFileSync(join(whole, 'data.sqlite'))));
  return join(directory, 'data.sqlite');
}

async function troubleOf(work: () => unknown): Promise<OperationError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(OperationError);
    return error as OperationError;
  }
  throw new Error('nothing went wrong');
}

describe('a header', () => {
  it('is read back as it was written, and may lack what may be empty', () => {
    expect(readHeader(whole)).toEqual(header);
    const { geo_database: _, ...rest } = header;
    expect(readRunHeader(rest)).toEqual({ ok: true, value: header });
    expect(readRunHeader({ ...header, of_tomorrow: 1 }), 'more than is known').toEqual({
      ok: true,
      value: header,
    });
  });

  it.each([
    ['', null, /no header/],
    ['', [], /no header/],
    ['', 'text', /no header/],
    ['', {}, /no "run_id" in it/],
    ['of a later version', { schema_version: 99, nothing: 'else' }, /schema version 99, and this tt knows 1/],
  ])('that is none is refused: %s %j', (_, value, reason) => {
    const read = readRunHeader(value);
    expect(read.ok ? '' : read.reason.what).toMatch(reason);
  });

  it.each([
    ['zone_prefix', 'zz'],
    ['zone_prefix', null],
    ['zone_bits', 161],
    ['zone_bits', -1],
    ['zone_bits', 4.5],
    ['zone_bits', '4'],
    ['family', 5],
    ['mode', 'all'],
    ['state', 'fine'],
    ['ip_privacy', 'none'],
    ['started_utc', 'yesterday'],
    ['started_utc', '2026-13-45T99:00:00Z'],
    ['elapsed_us', -5],
    ['seed', 1e300],
    ['loss_share', Number.NaN],
    ['warnings', [5]],
    ['resumes', {}],
    ['run_id', 'x'.repeat(1e6).length],
  ] as const)('whose %s is %j is refused by that name', (name, value) => {
    const read = readRunHeader({ ...header, [name]: value });
    expect(read.ok ? 'accepted' : read.reason.what).toContain(`"${name}"`);
    expect(read.ok ? '' : read.reason.what.length).toBeLessThan(300);
  });

  it('every required column of which must be there', () => {
    for (const [name, column] of Object.entries(RUN_TABLE.columns)) {
      const { [name as keyof RunRow]: _, ...rest } = header;
      expect(readRunHeader(rest).ok, name).toBe('isNullable' in column);
    }
  });
});

describe('a dataset', () => {
  it('that has ended is one file, also after it was read', async () => {
    const store = await DatasetStore.open(join(whole, 'data.sqlite'), 'read');
    expect([...store.rows(VISIT_TABLE)]).toHaveLength(500);
    store.close();
    expect(readdirSync(whole).sort()).toEqual(['data.sqlite', 'run.json']);
  });

  it.each([
    ['empty', () => Buffer.alloc(0), /has no table/],
    ['text', () => Buffer.from('no database '.repeat(1000)), /not a database/],
    ['half', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1), /malformed/],
  ])('that is %s is not opened', async (name, change, reason) => {
    const path = copyWith(name, change);
    const { slug, message } = await troubleOf(() => DatasetStore.open(path, 'read'));
    expect([slug, message]).toEqual(['disk', expect.stringMatching(reason)]);
    expect(message).toContain(path);
  });

  it('without one of its columns is not opened', async () => {
    for (const { name, columns } of TABLES) {
      const path = copyWith(`without-${name}`, (bytes) => bytes);
      const database = new DatabaseSync(path);
      const last = Object.keys(columns).at(-1);
      database.exec(`ALTER TABLE "${name}" RENAME COLUMN "${last}" TO other`);
      database.close();
      const { message } = await troubleOf(() => DatasetStore.open(path, 'read'));
      expect(message).toContain(`its table ${name} has no column ${last}`);
    }
  });

  it('with a number that nobody can have counted says so, and is exported whole all the same', async () => {
    const path = copyWith('number', (bytes) => bytes);
    const database = new DatabaseSync(path);
    database.exec('UPDATE visit SET queued_us = 9223372036854775807 WHERE number = 7');
    database.close();
    const store = await DatasetStore.open(path, 'read');
    for (const work of [
      () => [...store.rows(VISIT_TABLE)],
      () => store.query('SELECT queued_us FROM visit'),
    ]) {
      const { slug, message } = await troubleOf(work);
      expect([slug, message]).toEqual(['disk', expect.stringMatching(/too large.*9223372036854775807/)]);
    }
    expect([...store.exactRows(VISIT_TABLE)][7]?.['queued_us']).toBe(9223372036854775807n);
    store.close();
  });

  it('damaged further on says so when it gets there, and leaves no half export', async () => {
    // The largest table's pages lie behind the first few.
    const path = copyWith('page', (bytes) => {
      const from = (bytes.length >> 1) & ~4095;
      return Buffer.from(bytes.fill(7, from));
    });
    const store = await DatasetStore.open(path, 'read');
    for (const work of [
      () => [...store.rows(VISIT_TABLE)],
      () => [...store.exactRows(VISIT_TABLE)],
      () => store.query('SELECT sum(port) FROM visit'),
    ]) {
      const { slug, message } = await troubleOf(work);
      expect([slug, message]).toEqual(['disk', expect.stringMatching(/cannot read .*malformed/)]);
    }
    for (const format of ['parquet', 'csv', 'jsonl'] as const) {
      const directory = join(place.path, `export-${format}`);
      const { signal } = new AbortController();
      const options = { format, tables: [VISIT_TABLE], directory, createdBy: 'test', signal };
      const { message } = await troubleOf(() => exportTables(store, options));
      expect(message).toMatch(/malformed/);
      expect(readdirSync(directory)).toEqual([]);
    }
    store.close();
    const mistake = await DatasetStore.open(join(whole, 'data.sqlite'), 'read');
    expect(() => mistake.query('SELECT missing FROM visit'), 'ours, not the file').toThrow(/no such column/);
    expect(() => mistake.query('SELECT missing FROM visit')).not.toThrow(OperationError);
    mistake.close();
  });
});
