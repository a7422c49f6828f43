// Version 2 torrents without a version 1 half: shown by `info`, refused wherever their data would be needed.
import { OperationError } from '../../core/base/result.ts';
import type { Magnet, Metainfo } from '../../core/metainfo/metainfo.ts';

function refuse(what: string): never {
  throw new OperationError(
    'bad-torrent',
    `${what}: this is a version 2 only torrent (BEP 52), which this version of tt can show but not transfer`,
    { hint: 'Look for a hybrid or version 1 torrent of the same files.' },
  );
}

/** @throws OperationError `bad-torrent` */
export function refuseV2Only(metainfo: Metainfo, source: string): void {
  if (metainfo.version === 'v2') refuse(source);
}

/** @throws OperationError `bad-torrent` */
export function refuseV2OnlyMagnet(magnet: Magnet, source: string): void {
  if (!magnet.hasV1) refuse(source);
}
