// Writes a .torrent around an `info` dictionary that stays byte for byte as it was found, so its hash cannot change.
import { composeDict, encodeBencode } from '../base/bencode-encode.ts';
import { utf8 } from '../base/bytes.ts';
import type { Metainfo } from './metainfo.ts';

/** The parts of a Metainfo that are written; a Metainfo itself fits. */
export type TorrentParts = Pick<Metainfo, 'infoBytes'> &
  Partial<
    Pick<
      Metainfo,
      'trackerTiers' | 'webSeeds' | 'httpSeeds' | 'nodes' | 'comment' | 'createdBy' | 'creationDate'
    >
  > & {
    /** BEP 52 `piece layers`, bencoded; without it a v2 torrent is as incomplete as a magnet link. */
    readonly pieceLayers?: Uint8Array;
  };

/** The bytes of a .torrent (BEP 3, 5, 12, 17, 19). Same parts, same bytes; empty parts are left out. */
export function composeTorrent(parts: TorrentParts): Uint8Array {
  const pairs: [Uint8Array, Uint8Array][] = [[utf8('info'), parts.infoBytes]];
  const add = (key: string, value: Uint8Array | undefined) => {
    if (value !== undefined) pairs.push([utf8(key), value]);
  };
  const tiers = (parts.trackerTiers ?? []).filter((tier) => tier.length > 0);
  const first = tiers[0]?.[0];
  add('announce', first === undefined ? undefined : encodeBencode(first));
  // One tracker needs no list, and readers older than BEP 12 look at `announce` only.
  add('announce-list', tiers.flat().length > 1 ? encodeBencode(tiers) : undefined);
  add('comment', optional(parts.comment));
  add('created by', optional(parts.createdBy));
  add('creation date', parts.creationDate === undefined ? undefined : encodeBencode(parts.creationDate));
  add('httpseeds', listed(parts.httpSeeds));
  add(
    'nodes',
    parts.nodes?.length ? encodeBencode(parts.nodes.map(({ host, port }) => [host, port])) : undefined,
  );
  add('piece layers', parts.pieceLayers);
  add('url-list', listed(parts.webSeeds));
  return composeDict(pairs);
}

function optional(text: string | undefined): Uint8Array | undefined {
  return text === undefined || text === '' ? undefined : encodeBencode(text);
}

function listed(urls: readonly string[] | undefined): Uint8Array | undefined {
  return urls === undefined || urls.length === 0 ? undefined : encodeBencode(urls);
}
