// The only import of `parse-torrent`, kept to what it is good for: a second opinion on torrents we made ourselves.
// It hashes a re-encoding instead of the bytes as found (wrong for unsorted keys or odd integers), knows no v2, decodes with
// `bencode` (four bytes can hang that), and takes 47 ms to load: so it never reads a foreign torrent or a magnet link. But
// WebTorrent clients read with it, so before a new torrent is published we ask whether they will see what we meant. Loaded
// while the pieces are being hashed, when it costs no time.
import { decodeBencode } from '../../base/bencode.ts';
import { toHex } from '../../base/bytes.ts';
import type { Metainfo } from '../metainfo.ts';

/** It decodes on the main thread; larger torrents (some 400,000 pieces) would stall it. */
const MAX_BYTES = 8 << 20;

/** Starts loading the package; call early, ignore the result. */
export function prepareSecondOpinion(): Promise<unknown> {
  return import('parse-torrent').catch(() => undefined);
}

/**
 * @param torrentBytes what composeTorrent wrote. Anything that is not canonical v1 or hybrid is not asked about.
 * @returns how the other reader differs, in one clause; undefined when it agrees or was not asked. Ours stands either way.
 */
export async function secondOpinion(
  torrentBytes: Uint8Array,
  metainfo: Metainfo,
): Promise<string | undefined> {
  const limits = { maxBytes: MAX_BYTES, maxDepth: 8, maxItems: 1_000_000 };
  if (metainfo.version === 'v2' || !decodeBencode(torrentBytes, { limits }).ok) return undefined;
  try {
    const { default: parseTorrent } = await import('parse-torrent');
    const theirs = await parseTorrent(torrentBytes);
    const sizes = (files: readonly { readonly length: number }[] | undefined) =>
      files?.map((file) => file.length).join();
    if (theirs.infoHash !== toHex(metainfo.infoHash)) return `another info hash, ${theirs.infoHash}`;
    if (sizes(theirs.files) !== sizes(metainfo.files)) return 'other files';
    if (theirs.pieceLength !== metainfo.layout.pieceLength)
      return `another piece length, ${theirs.pieceLength}`;
    if (theirs.pieces?.join('') !== toHex(metainfo.pieceHashes)) return 'other piece hashes';
    if ((theirs.private === true) !== metainfo.isPrivate) return 'another private flag';
    return undefined;
  } catch (error) {
    return `nothing: ${error instanceof Error ? error.message : String(error)}`;
  }
}
