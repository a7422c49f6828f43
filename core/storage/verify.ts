// `tt verify`: hashes what lies there against the torrent and says which files suffer; never writes.
import type { Bitfield } from '../base/bitfield.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';

export interface VerifyOptions {
  /** For a file or folder on disk whose name differs from the torrent's. */
  readonly rename?: string;
  readonly threads?: number;
  /** Bytes hashed or skipped so far, of the torrent's total. */
  onProgress?(bytes: number): void;
  readonly signal?: AbortSignal;
}

/** bad: right size, but a piece that touches it failed. */
export type FileVerdict = 'good' | 'missing' | 'short' | 'long' | 'bad';

export interface VerifyReport {
  readonly good: Bitfield;
  readonly badPieces: readonly number[];
  /** Every file but padding, in the torrent's order. */
  readonly files: readonly {
    readonly index: number;
    /** Joined with `/`, below the directory. */
    readonly path: string;
    readonly state: FileVerdict;
    readonly expectedBytes: number;
    /** undefined when missing. */
    readonly foundBytes: number | undefined;
    readonly badPieces: number;
  }[];
}

/** @throws OperationError `disk` when a file that is there cannot be read; DOMException AbortError on abort */
export declare function verifyTorrent(
  metainfo: Metainfo,
  directory: string,
  options?: VerifyOptions,
): Promise<VerifyReport>;
