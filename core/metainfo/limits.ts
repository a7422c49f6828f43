// Every bound on what a .torrent, an `info` dictionary or a magnet link may hold. Whatever exceeds one is refused in one line.

export interface ParseLimits {
  readonly maxTorrentBytes: number;
  readonly maxFiles: number;
  readonly maxPieces: number;
  /** Components of one file's path below the torrent's folder. */
  readonly maxPathDepth: number;
  /** UTF-8 bytes of one file's whole path. */
  readonly maxPathBytes: number;
  readonly minPieceLength: number;
  readonly maxPieceLength: number;
}

export const PARSE_LIMITS: ParseLimits = {
  // The largest torrents in circulation are near 20 MB; beyond this it is an attack or another kind of file.
  maxTorrentBytes: 64 << 20,
  // Scientific data sets reach 100,000 files.
  maxFiles: 150_000,
  // 80 MiB of v1 hashes: more than maxTorrentBytes can hold, so this one binds v2 layouts.
  maxPieces: 1 << 22,
  maxPathDepth: 64,
  // Linux allows 4,096 bytes for a whole path; half of it stays for the target folder.
  maxPathBytes: 2048,
  // Nobody makes smaller pieces than 16 KiB, but old torrents exist; below 1 KiB the hashes outweigh the data.
  minPieceLength: 1024,
  // 32,767 blocks of 16 KiB, the most that libtorrent reads.
  maxPieceLength: 0x7fff * 16_384,
};

/** Lists and dictionaries inside each other: the file tree of BEP 52 has one level for each path component. */
export const MAX_BENCODE_DEPTH = PARSE_LIMITS.maxPathDepth + 8;
/** Keys, values and ends in total: about ten for each file of a torrent with maxFiles. */
export const MAX_BENCODE_ITEMS = 1_800_000;

/** Public tracker lists run to a hundred or two. */
export const MAX_TRACKERS = 500;
export const MAX_WEB_SEEDS = 200;
export const MAX_NODES = 200;
/** What browsers and servers take for a URL at the least. */
export const MAX_URL_CHARS = 2048;
/** RFC 1035: a host name has at most 253 characters. */
export const MAX_HOST_CHARS = 253;

/** A link with a hundred trackers is about 10 KB. */
export const MAX_MAGNET_CHARS = 65_536;
export const MAX_MAGNET_PEERS = 200;
/** Ranges of `so` before merging. */
export const MAX_SELECT_RANGES = 10_000;
