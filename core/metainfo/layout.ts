// All piece, block and file arithmetic in one place. Pure; indices are checked by callers against the counts here.

/** The request unit (BEP 3): every client asks for 16 KiB. */
export const BLOCK_BYTES = 16_384;

export class PieceLayout {
  /** Bytes of all files, padding included. */
  readonly totalLength: number;
  readonly pieceLength: number;
  readonly pieceCount: number;

  constructor(totalLength: number, pieceLength: number) {
    this.totalLength = totalLength;
    this.pieceLength = pieceLength;
    this.pieceCount = Math.ceil(totalLength / pieceLength);
  }

  /** Bytes in this piece: `pieceLength`, less in the last. */
  pieceSize(piece: number): number {
    return Math.min(this.pieceLength, this.totalLength - piece * this.pieceLength);
  }

  pieceOffset(piece: number): number {
    return piece * this.pieceLength;
  }

  blockCount(piece: number): number {
    return Math.ceil(this.pieceSize(piece) / BLOCK_BYTES);
  }

  /** Bytes in block `block` of this piece: 16 KiB, less in the last of the last. */
  blockSize(piece: number, block: number): number {
    return Math.min(BLOCK_BYTES, this.pieceSize(piece) - block * BLOCK_BYTES);
  }

  /** Whether (piece, begin, length) lies inside the torrent: for requests from peers. */
  contains(piece: number, begin: number, length: number): boolean {
    return (
      piece >= 0 &&
      piece < this.pieceCount &&
      length > 0 &&
      begin >= 0 &&
      begin + length <= this.pieceSize(piece)
    );
  }
}

/** A file and where it lies in the torrent's one run of bytes. */
export interface FileEntry {
  readonly index: number;
  /** Path components below the target folder, each made safe (see safe-path.ts); the torrent's name comes first in a multi-file torrent. */
  readonly path: readonly string[];
  readonly length: number;
  /** Of its first byte in the torrent. */
  readonly offset: number;
  /** BEP 47 `attr` p: never on disk, zeros by definition. */
  readonly isPadding: boolean;
  /** BEP 47 x. */
  readonly isExecutable: boolean;
  /** BEP 47 h. */
  readonly isHidden: boolean;
  /** BEP 47 l: checked components of the target, relative to the torrent's root. */
  readonly symlinkTarget: readonly string[] | undefined;
}
