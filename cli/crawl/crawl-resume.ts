// Going on with a run that lies in a folder: it is measured as it began.
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import type { AddressBook } from '../../dht/dataset/io/address-book.ts';
import { readHeader } from '../../dht/dataset/io/header-file.ts';
import type { RunRow } from '../../dht/dataset/run-table.ts';
import type { CommandContext } from '../contract/context.ts';
import type { OptOutFile } from './crawl-arguments.ts';

/** Flags that decide what is measured: a resumed run has its own. */
const FIXED = {
  mode: '--mode',
  zone: '--zone',
  seed: '--seed',
  query: '--query',
  ipPrivacy: '--ip-privacy',
  out: '--out',
  rate: '--rate',
  ratePerIp: '--rate-per-ip',
  ratePerSubnet: '--rate-per-subnet',
  for: '--for',
  rescan: '--rescan',
};

export interface ResumedRun {
  readonly directory: string;
  readonly header: RunRow;
}

/**
 * @param command `crawl` goes on with what is no monitor
 * @throws UsageError when flags say something else than the run, OperationError `disk` when there is none
 */
export function resumedRun(
  { flags, environment }: CommandContext,
  name: string,
  command: 'crawl' | 'monitor',
  optOut: OptOutFile,
  book: AddressBook | undefined,
): ResumedRun {
  const typed = Object.entries(FIXED).flatMap(([key, flag]) => (flags.text(key) === undefined ? [] : [flag]));
  if (typed.length > 0)
    throw new UsageError(`--resume goes on as the run began: leave out ${typed.join(', ')}`);
  const directory = path.resolve(environment.cwd, name);
  const header = readHeader(directory);
  const other = header.mode === 'monitor' ? 'monitor' : 'crawl';
  if (other !== command)
    throw new UsageError(
      `the run in ${name} is no ${command}: go on with \`tt dht ${other} --resume ${name}\``,
    );
  if (header.optout_hash !== (optOut.hash ?? null))
    throw new UsageError('--resume needs the --opt-out file that the run began with');
  if (header.geo_database !== null && book === undefined)
    throw new UsageError(
      `--resume needs --mmdb: addresses of this run are looked up (${header.geo_database})`,
      'Name the same database, or another: visits that the journal still has are looked up again.',
    );
  return { directory, header };
}
