// What every thread must know of a torrent to find its bytes: plain data that crosses thread boundaries.
import { join, relative, sep } from 'node:path';
import type { Metainfo } from '../metainfo/metainfo.ts';
import { segmentBytesOf } from './slots.ts';

export type StoredFileKind = 'file' | 'padding' | 'symlink';

export interface StoredFile {
  /** Below `directory`, joined for this platform. */
  readonly path: string;
  readonly length: number;
  /** Of its first byte in the torrent. */
  readonly offset: number;
  readonly kind: StoredFileKind;
  readonly isExecutable: boolean;
  /** Text of the link: relative, inside the torrent's own folder. */
  readonly linkText: string | undefined;
}

export interface StoreConfig {
  /** Absolute; all paths are below it. */
  readonly directory: string;
  readonly files: readonly StoredFile[];
  readonly totalLength: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly segmentBytes: number;
  /** 20 bytes each. */
  readonly pieceHashes: Uint8Array;
  /** Sparse: a byte of the torrent lies at its own offset. Holds what falls into files that are not wanted. */
  readonly partPath: string;
}

export function storeConfigOf(
  metainfo: Metainfo,
  directory: string,
  rename: string | undefined,
  partPath: string,
): StoreConfig {
  const { layout } = metainfo;
  const rootName = rename ?? metainfo.files[0]?.path[0] ?? metainfo.name;
  const files = metainfo.files.map((file): StoredFile => {
    const components = rename === undefined ? file.path : [rename, ...file.path.slice(1)];
    const path = components.join(sep);
    let linkText: string | undefined;
    if (file.symlinkTarget !== undefined) {
      const target = join(sep, metainfo.isMultiFile ? rootName : '', ...file.symlinkTarget);
      linkText = relative(join(sep, ...components.slice(0, -1)), target);
    }
    const kind = file.isPadding ? 'padding' : linkText === undefined ? 'file' : 'symlink';
    return {
      path,
      length: file.length,
      offset: file.offset,
      kind,
      isExecutable: file.isExecutable,
      linkText,
    };
  });
  return {
    directory,
    files,
    totalLength: layout.totalLength,
    pieceLength: layout.pieceLength,
    pieceCount: layout.pieceCount,
    segmentBytes: segmentBytesOf(layout),
    pieceHashes: metainfo.pieceHashes,
    partPath,
  };
}

export function pieceSizeOf(config: StoreConfig, piece: number): number {
  return Math.min(config.pieceLength, config.totalLength - piece * config.pieceLength);
}

export function segmentCountOf(config: StoreConfig, piece: number): number {
  return Math.ceil(pieceSizeOf(config, piece) / config.segmentBytes);
}
