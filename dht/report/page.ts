// The report as one HTML page that needs nothing else: no script, no style or picture from elsewhere. Pure.
import { chartSvg, escapeXml } from './chart.ts';
import type { Comparison } from './comparison.ts';
import type { RunFigures } from './figures.ts';
import type { Plot } from './plot-parts.ts';

export interface PageText {
  readonly figures: RunFigures;
  /** The summary as printed. */
  readonly text: string;
}

const STYLE = `body{font:15px/1.5 "DejaVu Sans",Verdana,sans-serif;color:#1a1a1a;background:#fff;max-width:760px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em}pre{background:#f5f5f5;padding:1em;overflow-x:auto;font-size:13px;line-height:1.4;white-space:pre-wrap}
figure{margin:1.5em 0}figure svg{max-width:100%;height:auto;border:1px solid #ddd}figcaption{color:#444;font-size:13px}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:.25em .6em;text-align:left}.missing{color:#444}`;

function figure({ title, about, chart, missing }: Plot): string {
  if (chart === undefined)
    return `<p class="missing"><b>${escapeXml(title)}</b>: not drawn: ${escapeXml(missing ?? '')}.</p>`;
  return `<figure>\n${chartSvg(chart)}<figcaption>${escapeXml(about)}</figcaption>\n</figure>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>\n${[row(head, 'th'), ...rows.map((cells) => row(cells, 'td'))].join('\n')}\n</table>`;
}

/** `2.2 min`, `1.5 h`, `3.2 d`. */
function apart(hours: number): string {
  if (hours < 1) return `${(hours * 60).toFixed(1)} min`;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} d`;
}

/** Cells of the two tables of a comparison, for page and terminal. */
export function comparisonCells(comparison: Comparison): {
  readonly runs: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
  readonly retention: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
} {
  const whole = (value: number | null): string => (value === null ? '-' : Math.round(value).toString());
  const percent = (value: number | null): string => (value === null ? '-' : `${(value * 100).toFixed(1)} %`);
  return {
    runs: {
      head: [
        'run',
        'started (UTC)',
        'mode',
        'zone',
        'state',
        'verified',
        'nodes (95 %)',
        'dead',
        'round trip',
      ],
      rows: comparison.runs.map((run) => [
        run.label,
        run.startedUtc.slice(0, 16).replace('T', ' '),
        run.mode,
        run.zone,
        run.state,
        whole(run.verified),
        run.nodes === null
          ? '-'
          : `${whole(run.nodes.value)} (${whole(run.nodes.low)} to ${run.nodes.high === null ? 'any' : whole(run.nodes.high)})`,
        percent(run.deadShare),
        run.medianRoundTripMs === null ? '-' : `${run.medianRoundTripMs.toPrecision(3)} ms`,
      ]),
    },
    retention: {
      head: ['from', 'to', 'after', 'nodes', 'still there', 'same id'],
      rows: comparison.retention.map((pair) =>
        pair.reason === undefined
          ? [
              pair.from,
              pair.to,
              apart(pair.hours),
              String(pair.before),
              percent(pair.before === 0 ? null : pair.stayed / pair.before),
              percent(pair.before === 0 ? null : pair.sameId / pair.before),
            ]
          : [pair.from, pair.to, apart(pair.hours), '-', pair.reason, '-'],
      ),
    },
  };
}

function comparisonSection(comparison: Comparison): string {
  const { runs, retention } = comparisonCells(comparison);
  return [
    '<h2>Comparison</h2>',
    table(runs.head, runs.rows),
    '<p>Who of an earlier run is in a later one:</p>',
    table(retention.head, retention.rows),
    ...comparison.plots.map(figure),
  ].join('\n');
}

export function reportPage(
  runs: readonly PageText[],
  plots: readonly Plot[],
  comparison: Comparison | undefined,
): string {
  const title =
    runs.length === 1
      ? `DHT measurement of ${runs[0]?.figures.run.started_utc.slice(0, 16).replace('T', ' ')} UTC`
      : `${runs.length} DHT measurements`;
  const sections = runs.map(
    ({ figures, text }) => `<h2>Run ${escapeXml(figures.label)}</h2>\n<pre>${escapeXml(text)}</pre>`,
  );
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<h1>${escapeXml(title)}</h1>`,
    ...sections,
    ...(comparison === undefined ? [] : [comparisonSection(comparison)]),
    '<h2>Plots</h2>',
    ...plots.map(figure),
    '<p>Columns, outcomes and metrics are defined in docs/dataset.md of tt, methods and their bias in docs/measurement.md.</p>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
