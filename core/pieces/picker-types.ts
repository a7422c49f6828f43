// What the picker and the swarm say to each other. Objects marked "reused" are overwritten by the next call of the same
// method: a block costs no allocation.
import type { Bitfield } from '../base/bitfield.ts';
import type { Rng } from '../base/clock.ts';
import type { PieceLayout } from '../metainfo/layout.ts';
import type { PickPolicy } from './policy.ts';
import type { SlotPool } from './segment-slots.ts';

/** Fast: a whole piece within about 20 s. Slow: cannot be trusted with one. The swarm decides, from its rate figures. */
export type PeerSpeed = 'fast' | 'medium' | 'slow';

/** What `pick` must know of the peer that asks. The swarm's own peer object may carry these fields. */
export interface PickerPeer {
  /** 0..2^31-1 and never used again for another peer of this torrent: contributors outlive connections. */
  readonly id: number;
  /** Live: read, never kept or changed. */
  readonly pieces: Bitfield;
  /** It chokes us: only pieces in `allowedFast` may be asked for. */
  readonly isChoked: boolean;
  /** BEP 6; pieces it sends in spite of choking. The swarm bounds its size. */
  readonly allowedFast?: ReadonlySet<number> | undefined;
  /** BEP 6; pieces it would rather send. The swarm bounds its size; the picker looks at the first 16. */
  readonly suggested?: ReadonlySet<number> | undefined;
  readonly speed: PeerSpeed;
  /** A web seed (BEP 19): asked for neighbouring pieces, as long as there are any. */
  readonly prefersRuns?: boolean;
  /** Sent nothing for long: takes from the common end and counts as slow. */
  readonly isSnubbed: boolean;
  /** Suspect of a failed piece: takes whole pieces that nobody else touches. */
  readonly isOnParole: boolean;
}

/** What a view draws of the pieces beyond having them or not. */
export interface PieceFacts {
  /** Peers that have each piece, 255 for more. */
  readonly pieceAvailability: Uint8Array;
  readonly isSequential: boolean;
}

/** `pick` writes (piece, block) pairs; a block begins at `block * BLOCK_BYTES`. */
export const PICK_STRIDE = 2;

export interface PickerOptions {
  readonly layout: PieceLayout;
  /** Verified pieces. The picker owns and changes it from now on; others may read it. */
  readonly have: Bitfield;
  readonly rng: Rng;
  readonly slots: SlotPool;
  /** The piece length, or a multiple of BLOCK_BYTES below it: a piece is buffered in segments of so much, one slot each. */
  readonly segmentBytes: number;
  /** rarestFirst unless told. */
  readonly policy?: PickPolicy | undefined;
  readonly limits?: Partial<PickerLimits> | undefined;
}

export interface PickerLimits {
  /** Above this many blocks in open pieces, open ones are shared before another is opened. 2048 (libtorrent's figure). */
  readonly openBlocks: number;
  /**
   * ... and above this many open pieces for each peer that has requests out. 3: libtorrent's 1.5 counts idle peers as well.
   * Simulated with 40 leechers: at 1.5 the seed was asked for pieces others had, and every piece had a copy after 43 s, not 27.
   */
  readonly openPiecesPerPeer: number;
  /** Segments that slow and snubbed peers may keep open together while faster ones are about. 32 MiB: half the default pool. */
  readonly slowSegments: number;
  /** Peers asked for one block at the same time, at most. 4: three stalled ones cannot hold a download's end. */
  readonly requestersPerBlock: number;
}

/** Where an arriving payload goes. Reused by the next `claim`. */
export interface Claim {
  /**
   * `wanted`: copy it to (slot, offset). `duplicate`: asked for once, no longer needed: read past it and count it.
   * `unrequested`: never asked of this peer, or not a block at all: read past it; the sender may pay.
   */
  readonly outcome: 'wanted' | 'duplicate' | 'unrequested';
  /** `wanted`: the buffer; else -1. */
  readonly slot: number;
  /** `wanted`: byte offset within the buffer; else -1. */
  readonly offset: number;
  /** Index within the piece; -1 when unrequested. */
  readonly block: number;
  /**
   * `wanted`: a peer in the middle of sending this very block, which has lost it to the claimer: what follows of that
   * peer's payload must be thrown away (its `receiveBlock` would answer `isNew: false`). -1 when there is none.
   */
  readonly revokedPeer: number;
}

/** What a complete block brought. Reused by the next `receiveBlock`. */
export interface Receipt {
  /** false: it lost its place meanwhile (revoked, piece dropped); nothing changed and nothing was stored. */
  readonly isNew: boolean;
  /** Other peers that were asked for the same block: send them a cancel. No longer outstanding. Reused too. */
  readonly cancelPeers: readonly number[];
  /** The segment is complete: its buffer now belongs to the storage, which releases it. -1 otherwise. */
  readonly filledSlot: number;
  /** With `filledSlot`: where the segment begins in its piece, bytes. */
  readonly segmentBegin: number;
  /** With `filledSlot`: bytes. */
  readonly segmentLength: number;
  /** Every block is stored: once written, `markPieceVerified` or `markPieceFailed` is due. */
  readonly isPieceFilled: boolean;
}

/** Streaming: a window that slides with the first missing piece. */
export interface SequentialWindow {
  /** Nothing before this piece is urgent: where the reader stands. */
  readonly fromPiece: number;
  /** Pieces taken in order; behind them the policy rules. */
  readonly windowPieces: number;
}

/** Since the start. */
export interface PickerCounters {
  /** Blocks asked of a further peer while one was outstanding already: endgame, stealing, a waiting reader. */
  readonly duplicateRequests: number;
  /** Stored blocks thrown away to free a buffer that nobody could fill. */
  readonly evictedBlocks: number;
  /** Claims answered `duplicate` and `unrequested`. */
  readonly duplicateClaims: number;
  readonly unrequestedClaims: number;
}
