// `tt dht export RUN`: the tables of a run as Parquet, CSV or JSON lines.
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import type { Table } from '../../dht/dataset/columns.ts';
import { csvHeader } from '../../dht/dataset/export-text.ts';
import {
  EXPORT_FORMATS,
  type ExportFormat,
  exportTables,
  rowBatches,
  textOf,
} from '../../dht/dataset/io/export.ts';
import type { DatasetStore } from '../../dht/dataset/io/store.ts';
import { TABLES } from '../../dht/dataset/schema.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { flagValue, parseChoice } from '../base/parse.ts';
import { ttVersion } from '../base/version.ts';
import type { CommandContext } from '../contract/context.ts';
import { bigNumber } from '../crawl/crawl-text.ts';
import { outFolder } from '../crawl/out-folder.ts';
import { openRun } from '../crawl/run-directory.ts';
import { formatTable } from '../terminal/table.ts';
import { formatCount } from '../terminal/units.ts';

const NAMES = TABLES.map(({ name }) => name);

async function toStdout(
  context: CommandContext,
  store: DatasetStore,
  tables: readonly Table[],
  format: ExportFormat,
): Promise<Outcome> {
  if (format === 'parquet') throw new UsageError('--out -: Parquet needs a file, not a stream');
  if (format === 'csv' && tables.length !== 1)
    throw new UsageError('--out -: CSV has one table a stream: name it with --table');
  if (context.output.isForPrograms)
    throw new UsageError('--out - and --json exclude each other: both want stdout');
  const { console } = context.output;
  const write = (text: string): Promise<void> => console.outBytes(Buffer.from(text));
  for (const table of tables) {
    const lines = textOf(format, table);
    if (format === 'csv') await write(csvHeader(table));
    for await (const batch of rowBatches(store, table, context.interrupts.signal)) await write(lines(batch));
  }
  return done('', {});
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { args, flags, environment, interrupts } = context;
  const format = flagValue('--format', flags.text('format') ?? 'parquet', parseChoice(EXPORT_FORMATS));
  const wanted = flags.list('table').map((name) => flagValue('--table', name, parseChoice(NAMES)));
  const tables = TABLES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const { directory, store } = await openRun(context, args[0] as string);
  try {
    const out = flags.text('out');
    if (out === '-') return await toStdout(context, store, tables, format);
    const target = out === undefined ? path.join(directory, 'export') : outFolder(environment.cwd, out);
    const createdBy = `tt ${ttVersion()}`;
    const files = await exportTables(store, {
      format,
      tables,
      directory: target,
      createdBy,
      signal: interrupts.signal,
    });
    const lines = formatTable(
      [{ title: 'table' }, { title: 'rows', align: 'right' }, { title: 'file' }],
      files.map(({ table, rows, path: file }) => [table, bigNumber(rows), file]),
    );
    const isWhole = files.length === tables.length;
    return {
      reason: isWhole ? 'done' : 'unfinished',
      text: [
        ...lines,
        ...(isWhole ? [] : [`stopped: ${formatCount(files.length, 'table')} of ${tables.length}`]),
      ].join('\n'),
      data: { format, directory: target, files },
    };
  } finally {
    store.close();
  }
}
