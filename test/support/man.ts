// Writes man/tt.1, the manual page, from the command tree: part of `npm run docs`. `--check` only compares, and fails when stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMON_FLAGS, PROGRAM } from '../../cli/program.ts';
import { manPage } from './man-page.ts';

const folder = fileURLToPath(new URL('../../man/', import.meta.url));
const path = `${folder}tt.1`;
const { version } = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
) as { version: string };
const text = manPage(PROGRAM, COMMON_FLAGS, version);

if (!process.argv.includes('--check')) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, text);
} else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
  console.error('man/tt.1 is stale: run `npm run docs` and commit the result');
  process.exitCode = 1;
}
