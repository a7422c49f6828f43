// All tables of a dataset, and docs/dataset.md made from them.
import type { Table } from './columns.ts';
import {
  EDGE_TABLE,
  ENRICHMENT_TABLE,
  METRICS,
  SAMPLE_TABLE,
  SESSION_TABLE,
  SUMMARY_TABLE,
} from './more-tables.ts';
import { RUN_TABLE } from './run-table.ts';
import { OUTCOMES, VISIT_TABLE } from './visit-table.ts';

/** Raised when a column changes its meaning or goes; a new column does not raise it. */
export const SCHEMA_VERSION = 1;

export const TABLES = [
  RUN_TABLE,
  VISIT_TABLE,
  EDGE_TABLE,
  SESSION_TABLE,
  SAMPLE_TABLE,
  ENRICHMENT_TABLE,
  SUMMARY_TABLE,
] as const satisfies readonly Table[];

export type TableName = (typeof TABLES)[number]['name'];

function list(title: string, entries: Readonly<Record<string, string>>): string {
  const rows = Object.entries(entries).map(([name, about]) => `| \`${name}\` | ${about} |`);
  return [`## ${title}`, '', '| value | meaning |', '|---|---|', ...rows].join('\n');
}

function section({ name, about, columns, key }: Table): string {
  const rows = Object.entries(columns).map(
    ([column, { type, isNullable, about: meaning }]) =>
      `| \`${column}\` | ${type}${isNullable === true ? ', may be empty' : ''} | ${meaning} |`,
  );
  return [
    `## Table \`${name}\``,
    '',
    about,
    `Key: ${key.map((column) => `\`${column}\``).join(', ')}.`,
    '',
    '| column | type | meaning |',
    '|---|---|---|',
    ...rows,
  ].join('\n');
}

const INTRODUCTION = `# The dataset of \`tt dht crawl\` and \`tt dht monitor\`

Schema version ${SCHEMA_VERSION}. Generated from \`dht/dataset/\` by \`npm run docs\`: what is stored, exported and documented has one definition.

A run is a directory: \`run.json\` (the header), \`data.sqlite\` (all tables), and while it runs \`journal\` (what \`--resume\` continues from; it holds
addresses as they are, and is removed when a run that hides addresses ends). \`--jsonl\` writes the same rows as a stream, one object a line, with the name of the
table in \`record\`. Identity of a node is (id, address, port); no column counts by address alone without saying so.
Booleans are 0 and 1 in SQLite and CSV. Times are microseconds on the monotonic clock since \`started_utc\`.

A hidden address is not an anonymous one, because ids are kept as they are: an id that fits its address (\`bep42\` is \`valid\`) gives away 20 of the 32 bits of an
IPv4 address (and as much of an IPv6 address), which anybody can try out in seconds; together with an AS or a country that may name one host. And
who is still there can be found by id. Before rows are given to others leave out the columns of ids, or cut them to the first digits
(\`zone_bits\` and what the study needs); \`summary\` names nobody.`;

/** docs/dataset.md. */
export function datasetMarkdown(): string {
  const parts = [
    INTRODUCTION,
    ...TABLES.map((table) => section(table)),
    list('Outcomes of a visit', OUTCOMES),
    list('Metrics of the summary', METRICS),
  ];
  return `${parts.join('\n\n')}\n`;
}
