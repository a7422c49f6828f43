// The folder of a run that a command reads: its header and its store.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { OperationError } from '../../core/base/result.ts';
import { HEADER_FILE, readHeader } from '../../dht/dataset/io/header-file.ts';
import { DatasetStore } from '../../dht/dataset/io/store.ts';
import type { RunRow } from '../../dht/dataset/run-table.ts';
import type { CommandContext } from '../contract/context.ts';

export interface OpenRun {
  /** As typed. */
  readonly name: string;
  readonly directory: string;
  readonly header: RunRow;
  readonly store: DatasetStore;
}

/** @throws OperationError `disk` when there is no run, or one that this tt cannot read */
export async function openRun(
  { environment }: CommandContext,
  name: string,
  access: 'read' | 'write' = 'read',
): Promise<OpenRun> {
  const directory = path.resolve(environment.cwd, name);
  const data = path.join(directory, 'data.sqlite');
  if (!existsSync(path.join(directory, HEADER_FILE)) || !existsSync(data))
    throw new OperationError('disk', `${name} holds no run: no ${HEADER_FILE} with data.sqlite beside it`, {
      hint: 'Name the folder that `tt dht crawl` or `tt dht monitor` wrote.',
    });
  const header = readHeader(directory);
  return { name, directory, header, store: await DatasetStore.open(data, access) };
}
