// What a Swarm takes and tells: options, limits, events. The carrier and the simulator program against this.
import type { Bitfield } from '../base/bitfield.ts';
import type { Rng } from '../base/clock.ts';
import type { PieceLayout } from '../metainfo/layout.ts';
import type { PiecePicker } from '../pieces/picker.ts';
import type { PickPolicy } from '../pieces/policy.ts';
import type { SlotPool } from '../pieces/segment-slots.ts';
import type { ChokePolicy } from './choke-policy.ts';
import type { RateMeter } from './rate-meter.ts';
import type { SwarmPeer } from './swarm-peer.ts';

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
  /** Default: rarest first. */
  readonly pickPolicy?: PickPolicy;
  readonly limits?: Partial<SwarmLimits>;
  /** BEP 6 set for a peer at `host`; default none. */
  readonly allowedFastPieces?: (host: string) => readonly number[];
}

export interface SwarmLimits {
  /** Requests of one peer that may wait here: what we tell as BEP 10 `reqq`, and some for those who do not read it. */
  readonly requestsIn: number;
  /** Largest block we serve, bytes. */
  readonly requestBytes: number;
}

export interface SwarmEvents {
  /**
   * All bytes of this segment lie in `slot`, which now belongs to the storage. The carrier has it hashed, written and
   * released, and after the last segment of a piece calls `handlePieceVerified` or `handlePieceFailed`.
   * @param wantBlockDigests the piece failed before: the verdict needs a SHA-1 of every block
   */
  onSegmentFilled(
    piece: number,
    segment: number,
    slot: number,
    lengthBytes: number,
    wantBlockDigests: boolean,
  ): void;
  /** Every peer at `host` has been told to disconnect; do not connect to it again in this session. */
  onBan(host: string, reason: string): void;
  /** Every wanted piece is verified. Comes again when more becomes wanted and that is done. */
  onCompleted(): void;
}

/** Why a peer may ask us: by its merit, by lot, because a slot would be empty, or only for pieces of its BEP 6 set. */
export type UnchokeReason = 'regular' | 'optimistic' | 'free-slot' | 'allowed-fast';

/** Payload that came for nothing. */
export interface WastedBytes {
  readonly duplicate: number;
  readonly failedHash: number;
  /** Unrequested or rejected payload. */
  readonly unrequested: number;
}

/** What the parts of one swarm share. */
export interface SwarmCommons {
  readonly layout: PieceLayout;
  readonly picker: PiecePicker;
  readonly peers: Set<SwarmPeer>;
  readonly peersById: Map<number, SwarmPeer>;
  readonly events: SwarmEvents;
  readonly limits: SwarmLimits;
  readonly segmentBytes: number;
  readonly down: RateMeter;
  readonly up: RateMeter;
}
