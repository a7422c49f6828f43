// The dataset has one definition: what is documented is stored, comes back as it was, and nothing else is there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recheckExtras, storedRecheck, turnoverOf } from '../../../dht/crawl/io/after-look.ts';
import { LookTimes } from '../../../dht/crawl/look-times.ts';
import { recheckRows } from '../../../dht/crawl/recheck.ts';
import type { Table } from '../../../dht/dataset/columns.ts';
import { JsonlWriter } from '../../../dht/dataset/io/jsonl.ts';
import { type AnyRow, DatasetStore } from '../../../dht/dataset/io/store.ts';
import { SUMMARY_TABLE } from '../../../dht/dataset/more-tables.ts';
import { datasetMarkdown, TABLES } from '../../../dht/dataset/schema.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-dataset-');
afterAll(() => place.remove());

/** One value of every type, and nothing where nothing is allowed. */
function sampleRow(table: Table, isEmpty: boolean): AnyRow {
  const values = { text: 'text', integer: 7, real: 0.5, boolean: true, json: { a: [1, 'b'] } };
  return Object.fromEntries(
    Object.entries(table.columns).map(([name, { type, isNullable }]) => [
      name,
      isEmpty && isNullable === true ? null : values[type],
    ]),
  );
}

describe('the dataset', () => {
  it('is documented column by column, and every documented column exists and nothing else', async () => {
    const document = readFileSync(new URL('../../../docs/dataset.md', import.meta.url), 'utf8');
    expect(document, 'docs/dataset.md is stale: npm run docs').toBe(datasetMarkdown());
    const store = await DatasetStore.open(join(place.path, 'schema.sqlite'), 'create');
    const stored = store.query<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
    const sections = [...document.matchAll(/^## Table `(\w+)`$([\s\S]*?)(?=^## )/gm)];
    expect(sections.map((match) => match[1]).sort()).toEqual(stored.map(({ name }) => name).sort());
    for (const [, name, text] of sections) {
      const documented = [...(text as string).matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
      const columns = store.query<{ name: string; notnull: number }>(`PRAGMA table_info("${name}")`);
      expect(documented, name).toEqual(columns.map((column) => column.name));
    }
    store.close();
  });

  it.each(TABLES.map((table) => [table.name, table as Table] as const))(
    'keeps rows of %s as they are',
    async (name, table) => {
      const store = await DatasetStore.open(join(place.path, `${name}.sqlite`), 'create');
      const full = sampleRow(table, false);
      store.put(table, [full]);
      expect([...store.rows(table)]).toEqual([full]);
      const sparse = sampleRow(table, true);
      store.put(table, [sparse]);
      expect([...store.rows(table)], 'the same key replaces').toEqual([sparse]);
      store.close();
      const lines: string[] = [];
      JsonlWriter.lines((line) => lines.push(line)).put(table, [full]);
      expect(lines.map((line) => JSON.parse(line))).toEqual([{ record: name, ...full }]);
    },
  );

  it('refuses a row that lacks a value, and keeps nothing of its batch', async () => {
    const store = await DatasetStore.open(join(place.path, 'batch.sqlite'), 'create');
    const good = sampleRow(SUMMARY_TABLE, false);
    const bad = { ...good, metric: null };
    expect(() => store.put(SUMMARY_TABLE, [good, bad] as never)).toThrow(/NOT NULL/);
    expect([...store.rows(SUMMARY_TABLE)]).toEqual([]);
    store.close();
  });

  it('says in one line that a file is no dataset', async () => {
    const path = join(place.path, 'other.sqlite');
    writeFileSync(path, 'not a database at all, but long enough to be read as one'.repeat(20));
    await expect(DatasetStore.open(path, 'read')).rejects.toThrow(/cannot open the dataset/);
    await expect(DatasetStore.open(join(place.path, 'none.sqlite'), 'read')).rejects.toMatchObject({
      slug: 'disk',
    });
  });

  it('keeps what was asked again after the first look, for a run that is killed in its second', async () => {
    const store = await DatasetStore.open(join(place.path, 'recheck.sqlite'), 'create');
    expect(storedRecheck(store)).toBeUndefined();
    const recheck = { asked: 400, strangePort: 380, knownPort: 8, atMs: 3_600_000.5 };
    store.put(SUMMARY_TABLE, recheckRows('r', recheck));
    expect(storedRecheck(store)).toEqual(recheck);
    store.close();

    const minuteUs = 60_000_000;
    const look = (firstMin: number, lastMin: number): LookTimes => {
      const times = new LookTimes();
      for (let minute = firstMin; minute <= lastMin; minute++)
        for (const [outcome, isInZone] of [
          ['ok', true],
          ['timeout', true],
          ['ok', false],
        ] as const)
          times.take({
            ...{ sent_us: minute * minuteUs, is_in_zone: isInZone, outcome },
            received_us: outcome === 'ok' ? minute * minuteUs : null,
          });
      return times;
    };
    const first = look(1, 57);
    expect([first.lastedMs, first.meanAnswerMs]).toEqual([56 * 60_000, 29 * 60_000]);
    const turnover = turnoverOf(recheck, first, look(61, 65));
    expect(turnover?.gone).toEqual({ hits: 12, of: 400 });
    expect(turnover?.beforeMs).toBeCloseTo(31 * 60_000, -1);
    expect(turnover?.afterMs).toBeCloseTo(3 * 60_000, -1);
    expect(recheckExtras(recheck, first)).toMatchObject({ secondPort: { hits: 380, of: 388 } });
    // A quick first look, a second one long after, nobody asked again: nothing is corrected.
    expect(turnoverOf(recheck, look(1, 5), look(61, 62))).toBeUndefined();
    expect(turnoverOf(recheck, first, look(200, 210))).toBeUndefined();
    expect(turnoverOf(undefined, first, look(61, 65))).toBeUndefined();
    expect(turnoverOf(recheck, first, undefined)).toBeUndefined();
  });
});
