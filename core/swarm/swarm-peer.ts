// One peer of one torrent: protocol state, queues and counters. Only core/swarm writes here; others read.
import { Bitfield } from '../base/bitfield.ts';
import type { PeerSpeed, PickerPeer } from '../pieces/picker-types.ts';
import type { ChokeCandidate } from './choke-policy.ts';
import type { Chokeable } from './choker.ts';
import type { PeerFacts, PeerPort } from './peer-port.ts';
import { PEER_PACE, Pipeline, WEB_PACE } from './pipeline.ts';
import { RateMeter } from './rate-meter.ts';
import { RequestRing } from './request-ring.ts';
import type { UnchokeReason } from './swarm-types.ts';
import { UploadQueue } from './upload-queue.ts';

/** BEP 3's anti-snubbing: a minute without a block while we are interested. */
const SNUBBING_MS = 60_000;

export class SwarmPeer implements PickerPeer, Chokeable {
  /** Never used again within a torrent. */
  readonly id: number;
  readonly port: PeerPort;
  readonly facts: PeerFacts;
  readonly joinedAtMs: number;
  /** What it has. */
  pieces: Bitfield;
  /** It was told to go; nothing more is said to it and nothing it says counts. */
  isEnding = false;

  amChoking = true;
  amInterested = false;
  peerChoking = true;
  peerInterested = false;
  /** BEP 21: it wants nothing more. */
  isUploadOnly = false;
  /** Counted as a seed by the picker. */
  joinedAsSeed = false;
  /** Pieces it has that we want. */
  neededCount = 0;
  interestedAtMs = 0;

  // --- what it sends
  readonly requests = new RequestRing();
  readonly pipeline: Pipeline;
  readonly down = new RateMeter();
  readonly allowedFast = new Set<number>();
  readonly suggested = new Set<number>();
  speed: PeerSpeed = 'medium';
  isSnubbed = false;
  isOnParole = false;
  /** The last pick gave less than the pipeline would hold. */
  isHungry = false;
  lastBlockAtMs = Number.NEGATIVE_INFINITY;
  /** Since the last block. */
  rejectCount = 0;
  /** Payload nobody asked for, bytes. */
  unrequestedBytes = 0;
  /** Where the payload under way goes; slot -1 = throw it away. Look again before every copy: it may be withdrawn. */
  claimSlot = -1;
  claimOffset = 0;
  /** The payload that claimBlock refused had been asked for once. */
  isClaimDuplicate = false;

  // --- what it gets
  readonly uploads = new UploadQueue();
  readonly up = new RateMeter();
  readonly allowedFastOut = new Set<number>();
  /** Pieces suggested to it that it has not asked for yet. */
  readonly suggestedOut: number[] = [];
  unchokeReason: UnchokeReason | undefined = undefined;
  wasUnchoked = false;
  chokeChangedAtMs: number;
  luckySinceMs = Number.NEGATIVE_INFINITY;
  sentSinceUnchokeBytes = 0;
  /** Asked for while choked and taken on, BEP 6. */
  grantedBytes = 0;
  /** Requests refused or taken back since it was served last. */
  refusedCount = 0;

  constructor(id: number, port: PeerPort, facts: PeerFacts, pieceCount: number, nowMs: number) {
    this.id = id;
    this.port = port;
    this.facts = facts;
    this.pieces = new Bitfield(pieceCount);
    this.pipeline = new Pipeline(facts.isWebSeed === true ? WEB_PACE : PEER_PACE);
    this.joinedAtMs = nowMs;
    this.chokeChangedAtMs = nowMs;
  }

  /** One request of a web seed covers any number of neighbouring pieces. */
  get prefersRuns(): boolean {
    return this.facts.isWebSeed === true;
  }

  get isChoked(): boolean {
    return this.peerChoking;
  }

  get isSeed(): boolean {
    return this.pieces.isFull;
  }

  get requestsOut(): number {
    return this.requests.activeCount;
  }

  get requestsIn(): number {
    return this.uploads.size;
  }

  get downloadedBytes(): number {
    return this.down.total;
  }

  get uploadedBytes(): number {
    return this.up.total;
  }

  /** For views: as `unchokeReason`, and what a choked peer may still be getting. */
  get servedFor(): UnchokeReason | undefined {
    if (this.amChoking && this.uploads.size > 0) return 'allowed-fast';
    return this.unchokeReason;
  }

  chokeCandidate(nowMs: number): ChokeCandidate {
    const waitingSinceMs = Math.max(this.lastBlockAtMs, this.interestedAtMs);
    return {
      receivedBytes: this.down.windowBytes(nowMs),
      sentBytes: this.up.windowBytes(nowMs),
      sentSinceUnchokeBytes: this.sentSinceUnchokeBytes,
      isUnchoked: !this.amChoking,
      sinceChangeMs: nowMs - this.chokeChangedAtMs,
      connectedMs: nowMs - this.joinedAtMs,
      isSnubbingUs: this.amInterested && nowMs - waitingSinceMs > SNUBBING_MS,
      pieceCount: this.pieces.count,
    };
  }
}
