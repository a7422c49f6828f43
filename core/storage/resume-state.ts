// The state directory: one journal, one torrent file and one entry for `tt list` per torrent.

export interface ResumableTorrent {
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly name: string;
  readonly directory: string;
  readonly rename: string | undefined;
  /** A .torrent that can be added again; undefined only when somebody removed it. */
  readonly torrentPath: string | undefined;
  readonly magnet: string | undefined;
  readonly totalLength: number;
  readonly pieceCount: number;
  readonly verifiedPieces: number;
  /** Milliseconds since 1970 of the last journal record. */
  readonly updatedAtMs: number;
  /** A running tt has it open. */
  readonly isOpen: boolean;
}

export declare function listResumable(stateDir: string): Promise<readonly ResumableTorrent[]>;
/** Forgets the resume state of a torrent that is not open. @returns false when there was none */
export declare function removeResumable(stateDir: string, infoHash: string): Promise<boolean>;
