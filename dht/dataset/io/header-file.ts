// run.json: the header of a run as a file of its own beside the tables, whole at any time.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError } from '../../../core/base/result.ts';
import { readRunHeader } from '../header.ts';
import type { RunRow } from '../run-table.ts';

export const HEADER_FILE = 'run.json';

/** @throws OperationError `disk` when there is none, or one that is not as the schema says */
export function readHeader(directory: string): RunRow {
  const path = join(directory, HEADER_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    const what = isMissing ? `no ${HEADER_FILE} is in it` : (error as Error).message;
    throw new OperationError('disk', `${directory} holds no run: ${what}`, {
      cause: error,
      hint: 'Name the folder that `tt dht crawl` or `tt dht monitor` wrote.',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OperationError('disk', `${path} is damaged: ${(error as Error).message}`, { cause: error });
  }
  const header = readRunHeader(value);
  if (!header.ok) throw new OperationError('disk', `${path} is not to be used: ${header.reason.what}`);
  return header.value;
}

/** Beside and renamed: there is a whole one at any time. @throws OperationError `disk` */
export function writeHeader(directory: string, header: RunRow): void {
  const path = join(directory, HEADER_FILE);
  try {
    writeFileSync(`${path}.part`, `${JSON.stringify(header, null, 2)}\n`);
    renameSync(`${path}.part`, path);
  } catch (error) {
    throw new OperationError('disk', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}
