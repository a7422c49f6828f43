// Writes the generated parts of README.md (help texts, the table of BEPs) and the pages that are generated whole. `--check`
// only compares, and fails when something is stale.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { traceMarkdown } from '../../core/trace/trace-schema.ts';
import { datasetMarkdown } from '../../dht/dataset/schema.ts';
import { BEPS } from './beps.ts';
// The manual page is written, or checked, as well.
import './man.ts';
import { explainMarkdown } from './explain-docs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readmePath = `${root}README.md`;

function help(...args: string[]): string {
  const text = execFileSync(process.execPath, [`${root}bin/tt.cjs`, ...args, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '100', NO_COLOR: '1' },
  });
  return `\`\`\`\n${text.trimEnd()}\n\`\`\``;
}

function bepTable(): string {
  const missing = BEPS.flatMap(({ where }) => where).filter((path) => !existsSync(`${root}${path}`));
  if (missing.length > 0)
    throw new Error(`the BEP table names files that are not there: ${missing.join(', ')}`);
  const rows = BEPS.map(
    ({ bep, title, what, where }) =>
      `| ${bep} | ${title} | ${what} | ${where.map((path) => `\`${path}\``).join(' ')} |`,
  );
  return ['| BEP | | what is there | where |', '|---|---|---|---|', ...rows].join('\n');
}

const parts: Record<string, () => string> = {
  help: () => help(),
  'help download': () => help('download'),
  beps: bepTable,
  screen: () => `\`\`\`\n${readFileSync(`${root}docs/screens/overview-80x24.txt`, 'utf8').trimEnd()}\n\`\`\``,
};

let readme = readFileSync(readmePath, 'utf8');
const before = readme;
for (const [name, make] of Object.entries(parts)) {
  const start = `<!-- generated: ${name} -->`;
  const end = `<!-- end: ${name} -->`;
  const from = readme.indexOf(start);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md lacks ${start} ... ${end}`);
  readme = `${readme.slice(0, from + start.length)}\n${make()}\n${readme.slice(to)}`;
}

/** Pages that are generated whole. */
const pages: Readonly<Record<string, () => string>> = {
  'docs/dataset.md': datasetMarkdown,
  'docs/explain.md': explainMarkdown,
  'docs/trace.md': traceMarkdown,
};

const stale: string[] = readme === before ? [] : ['README.md'];
if (!process.argv.includes('--check')) writeFileSync(readmePath, readme);
for (const [page, make] of Object.entries(pages)) {
  const path = `${root}${page}`;
  const text = make();
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) stale.push(page);
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`stale: ${stale.join(', ')}; run \`npm run build && npm run docs\` and commit the result`);
  process.exit(1);
}
