// What a torrent is not begun with, in words.
import type { Bitfield } from '../base/bitfield.ts';
import { bytesEqual } from '../base/bytes.ts';
import { OperationError } from '../base/result.ts';
import type { Magnet, Metainfo } from '../metainfo/metainfo.ts';

/** @throws OperationError `bad-torrent` for one that we cannot download */
export function refuseUnsupported({ name, version }: Metainfo): void {
  if (version !== 'v2') return;
  throw new OperationError('bad-torrent', `${name}: a v2-only torrent cannot be downloaded yet`, {
    hint: 'ask for a v1 or hybrid torrent; `tt info` shows this one',
  });
}

/**
 * Metadata is fetched by its v1 hash; a link that names a v2 hash as well means a torrent that has both (BEP 52).
 * @param name as the link has it
 * @throws OperationError `bad-torrent` where the metadata has another v2 hash, or none
 */
export function refuseOtherV2({ infoHashV2 }: Metainfo, magnet: Magnet, name: string): void {
  if (magnet.infoHashV2 === undefined) return;
  if (infoHashV2 !== undefined && bytesEqual(infoHashV2, magnet.infoHashV2)) return;
  throw new OperationError(
    'bad-torrent',
    `${name}: the two hashes of the magnet link (btih and btmh) are of different torrents`,
    { hint: 'get the link anew; with one of the hashes taken out it leads to the torrent of the other' },
  );
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
