// What a .torrent (BEP 3, 12, 19, 27, 47, 52) or a magnet link (BEP 9, 53) says, checked and in our own terms.
import type { InfoHash } from '../base/ids.ts';
import type { FileEntry, PieceLayout } from './layout.ts';

export interface Metainfo {
  readonly version: 'v1' | 'v2' | 'hybrid';
  /** SHA-1 of the raw `info` bytes; for a v2-only torrent the truncated SHA-256. What goes on the wire. */
  readonly infoHash: InfoHash;
  /** 32 bytes, SHA-256 of the raw `info` bytes, for v2 and hybrid. */
  readonly infoHashV2: Uint8Array | undefined;
  /** The `info` dictionary byte for byte, as found: for BEP 9 and for writing the torrent again. */
  readonly infoBytes: Uint8Array;
  /** Safe to be a file name. */
  readonly name: string;
  readonly layout: PieceLayout;
  /** 20 bytes for each piece (v1); empty for v2-only. */
  readonly pieceHashes: Uint8Array;
  readonly files: readonly FileEntry[];
  /** Whether `files` was a list: then everything lies in a folder called `name`. */
  readonly isMultiFile: boolean;
  readonly isPrivate: boolean;
  readonly source: string | undefined;
  readonly trackerTiers: readonly (readonly string[])[];
  readonly webSeeds: readonly string[];
  readonly httpSeeds: readonly string[];
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly comment: string | undefined;
  readonly createdBy: string | undefined;
  /** Seconds since 1970. */
  readonly creationDate: number | undefined;
}

export interface Magnet {
  /** From `urn:btih:`; for a `btmh`-only link the truncated v2 hash. */
  readonly infoHash: InfoHash;
  /** Whether `infoHash` came from btih: false means v2-only. */
  readonly hasV1: boolean;
  readonly infoHashV2: Uint8Array | undefined;
  readonly displayName: string | undefined;
  /** Each `tr` is a tier of its own. */
  readonly trackerTiers: readonly (readonly string[])[];
  readonly webSeeds: readonly string[];
  /** `x.pe`: literal addresses and host names alike; resolved by the dialer. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  /** BEP 53 `so`: inclusive index ranges, merged and sorted; never expanded. */
  readonly selectOnly: readonly (readonly [first: number, last: number])[] | undefined;
  readonly exactLength: number | undefined;
}
