// What a torrent is not begun with, in words.
import type { Bitfield } from '../base/bitfield.ts';
import { OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';

/** @throws OperationError `bad-torrent` for one that we cannot download */
export function refuseUnsupported({ name, version }: Metainfo): void {
  if (version !== 'v2') return;
  throw new OperationError('bad-torrent', `${name}: a v2-only torrent cannot be downloaded yet`, {
    hint: 'ask for a v1 or hybrid torrent; `tt info` shows this one',
  });
}

/** For a seed that must not download. @throws OperationError `verification-failed` */
export function refuseIncomplete(name: string, have: Bitfield): void {
  if (have.isFull) return;
  throw new OperationError(
    'verification-failed',
    `${name}: ${have.size - have.count} of ${have.size} pieces are missing or do not match the torrent`,
    { hint: 'run `tt verify` to see which files, or `tt download` to fetch the rest' },
  );
}
