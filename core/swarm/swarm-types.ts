// What a Swarm takes and tells: options, limits, events. The carrier and the simulator program against this.
import type { Bitfield } from '../base/bitfield.ts';
import type { Rng } from '../base/clock.ts';
import type { PieceLayout } from '../metainfo/layout.ts';
import type { ChokePolicy } from './choke-policy.ts';
import type { SlotPool } from './peer-port.ts';

export interface SwarmOptions {
  readonly layout: PieceLayout;
  /** Verified pieces at the start. The swarm takes it over: read it through `Swarm.have`. */
  readonly have: Bitfield;
  readonly slots: SlotPool;
  /** Bytes of one slot; a piece is ceil(size / segmentBytes) segments. A multiple of 16 KiB, or a whole piece. */
  readonly segmentBytes: number;
  readonly rng: Rng;
  readonly events: SwarmEvents;
  /** Default: tit-for-tat while leeching, round robin while seeding. */
  readonly chokePolicy?: ChokePolicy;
  readonly limits?: Partial<SwarmLimits>;
  /** BEP 6 set for a peer at `host`, in order; default none. */
  readonly allowedFastPieces?: (host: string) => readonly number[];
}

export interface SwarmLimits {
  /** Outstanding requests to one peer that told no `reqq`. */
  readonly requestsOut: number;
  /** Requests of one peer that may wait here. */
  readonly requestsIn: number;
  /** Largest block we serve, bytes. */
  readonly requestBytes: number;
}

export interface SwarmEvents {
  /**
   * All bytes of this segment lie in `slot`. The carrier hashes and writes it, has the slot released, and after the last
   * segment of a piece calls `handlePieceVerified` or `handlePieceFailed`.
   * @param wantBlockDigests the verdict needs a SHA-1 of every block (the piece failed before)
   */
  onSegmentFilled(
    piece: number,
    segment: number,
    slot: number,
    lengthBytes: number,
    wantBlockDigests: boolean,
  ): void;
  /** Every peer at `host` has been told to disconnect; do not connect again in this session. */
  onBan(host: string, reason: string): void;
  /** Every wanted piece is verified. Comes again when more becomes wanted and is done. */
  onCompleted(): void;
}
