// `tt dht report RUN...`: the summary with its intervals, plots, a page; several runs compared.
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import { type Comparison, compare } from '../../dht/report/comparison.ts';
import { readFigures } from '../../dht/report/io/read-figures.ts';
import { retentionOf } from '../../dht/report/io/retention.ts';
import { PAGE_FILE, writeReport } from '../../dht/report/io/write-report.ts';
import { comparisonCells, reportPage } from '../../dht/report/page.ts';
import { plotsOf } from '../../dht/report/plots.ts';
import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { runJson, summaryText } from '../crawl/crawl-text.ts';
import { outFolder } from '../crawl/out-folder.ts';
import { type OpenRun, openRun } from '../crawl/run-directory.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';

/** Names of folders, told apart where two are alike. */
function labelsOf(runs: readonly OpenRun[]): string[] {
  const names = runs.map(({ directory }) => path.basename(directory));
  return runs.map(({ name }, i) =>
    names.filter((other) => other === names[i]).length > 1 ? name : (names[i] as string),
  );
}

function comparisonText(comparison: Comparison): string[] {
  const { runs, retention } = comparisonCells(comparison);
  const lines = ({ head, rows }: typeof runs): string[] =>
    formatTable(
      head.map((title) => ({ title })),
      rows.map((cells) => cells.map(safeText)),
    );
  return ['', ...lines(runs), '', 'still there:', ...lines(retention)];
}

/** What a header that says "running" means to a reader. */
function unended({ header, directory }: OpenRun): string[] {
  if (header.state !== 'running') return [];
  const command = header.mode === 'monitor' ? 'monitor' : 'crawl';
  return [
    `! This run has not ended: it is still written, or was killed. Figures are of what is there; \`tt dht ${command} --resume ${directory}\` ends it.`,
  ];
}

function plainText(text: string): string {
  return text.split('\n').map(safeText).join('\n');
}

async function report(context: CommandContext, runs: readonly OpenRun[]): Promise<Outcome> {
  const { flags, environment, interrupts } = context;
  const labels = labelsOf(runs);
  const figures = runs.map(({ header, store }, i) => readFigures(labels[i] as string, header, store));
  const stored = runs.map(({ header, store }, i) => ({ label: labels[i] as string, run: header, store }));
  const comparison = runs.length > 1 ? compare(figures, retentionOf(stored)) : undefined;
  const texts = figures.map((each, i) => ({
    figures: each,
    text: plainText(
      [summaryText({ run: each.run, summary: [...each.summary] }), ...unended(runs[i] as OpenRun)].join('\n'),
    ),
  }));
  const lines = texts.flatMap(({ figures: { label }, text }, i) => [
    ...(i > 0 ? [''] : []),
    ...(runs.length > 1 ? [`== ${safeText(label)}`] : []),
    text,
  ]);
  if (comparison !== undefined) lines.push(...comparisonText(comparison));
  const data: Record<string, unknown> = {
    runs: figures.map((each, i) => ({
      label: each.label,
      directory: runs[i]?.directory,
      ...runJson(each.run, each.summary),
    })),
    ...(comparison === undefined
      ? {}
      : { comparison: { runs: comparison.runs, retention: comparison.retention } }),
  };
  if (flags.choice('plots') !== false) {
    const out = flags.text('out');
    const directory =
      out === undefined
        ? path.join((runs[0] as OpenRun).directory, 'report')
        : outFolder(environment.cwd, out);
    const plots = plotsOf(figures);
    const all = [...(comparison?.plots ?? []), ...plots];
    const files = await writeReport(directory, all, reportPage(texts, plots, comparison), interrupts.signal);
    const skipped = all.filter(({ missing }) => missing !== undefined);
    lines.push('', safeText(`page: ${path.join(directory, PAGE_FILE)}`));
    lines.push(...skipped.map(({ name, missing }) => `not drawn: ${name}: ${missing}`));
    data['report'] = {
      directory,
      files,
      skipped: skipped.map(({ name, missing }) => ({ name, reason: missing })),
    };
  }
  return { reason: interrupts.signal.aborted ? 'unfinished' : 'done', text: lines.join('\n'), data };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { args, flags } = context;
  if (flags.choice('plots') === false && flags.text('out') !== undefined)
    throw new UsageError('--out and --no-plots exclude each other: there would be nothing to write');
  const runs: OpenRun[] = [];
  try {
    for (const name of args) {
      const opened = await openRun(context, name);
      const twin = runs.find(({ header }) => header.run_id === opened.header.run_id);
      runs.push(opened);
      if (twin !== undefined)
        throw new UsageError(`${twin.name} and ${name} are the same run: it cannot be compared with itself`);
    }
    return await report(context, runs);
  } finally {
    for (const { store } of runs) store.close();
  }
}
