// A Swarm with recording ports and a disk that is one call away: for unit tests, no sockets, no clock.
import { Bitfield } from '../../core/base/bitfield.ts';
import { seededRng } from '../../core/base/clock.ts';
import { BLOCK_BYTES, PieceLayout } from '../../core/metainfo/layout.ts';
import type { DisconnectReason, PeerFacts, PeerPort } from '../../core/swarm/peer-port.ts';
import { Swarm } from '../../core/swarm/swarm.ts';
import type { SwarmPeer } from '../../core/swarm/swarm-peer.ts';
import type { SwarmOptions } from '../../core/swarm/swarm-types.ts';

export interface SentRequest {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

/** Keeps everything that was said, oldest first: words in `said`, open requests in `requests`. */
export class RecordingPort implements PeerPort {
  readonly said: string[] = [];
  readonly requests: SentRequest[] = [];
  readonly cancels: SentRequest[] = [];
  ended: DisconnectReason | undefined = undefined;

  /** What was said since the last call. */
  take(): string[] {
    return this.said.splice(0);
  }
  sendPieces(have: Bitfield): void {
    this.said.push(`pieces ${have.count}/${have.size}`);
  }
  sendChoke(): void {
    this.said.push('choke');
  }
  sendUnchoke(): void {
    this.said.push('unchoke');
  }
  sendInterested(): void {
    this.said.push('interested');
  }
  sendNotInterested(): void {
    this.said.push('not-interested');
  }
  sendHave(piece: number): void {
    this.said.push(`have ${piece}`);
  }
  sendRequest(piece: number, begin: number, length: number): void {
    this.said.push('request');
    this.requests.push({ piece, begin, length });
  }
  sendCancel(piece: number, begin: number, length: number): void {
    this.said.push('cancel');
    this.cancels.push({ piece, begin, length });
  }
  sendReject(piece: number, begin: number, length: number): void {
    this.said.push(`reject ${piece}:${begin}+${length}`);
  }
  sendAllowedFast(piece: number): void {
    this.said.push(`allowed-fast ${piece}`);
  }
  sendSuggest(piece: number): void {
    this.said.push(`suggest ${piece}`);
  }
  uploadsReady(): void {
    this.said.push('uploads-ready');
  }
  disconnect(reason: DisconnectReason): void {
    this.said.push(`disconnect ${reason}`);
    this.ended = reason;
  }
}

export interface RigPeer {
  readonly port: RecordingPort;
  readonly peer: SwarmPeer;
}

export interface RigOptions extends Partial<Omit<SwarmOptions, 'layout' | 'slots' | 'events'>> {
  readonly pieceCount?: number;
  readonly blocksPerPiece?: number;
  readonly slotCount?: number;
}

export class SwarmRig {
  readonly swarm: Swarm;
  readonly layout: PieceLayout;
  nowMs = 1_000_000;
  /** Segments handed over: `piece.segment`. */
  readonly filled: { piece: number; segment: number; slot: number; wantDigests: boolean }[] = [];
  readonly bans: string[] = [];
  completions = 0;
  slotsInUse = 0;

  constructor(options: RigOptions = {}) {
    const { pieceCount = 8, blocksPerPiece = 4, slotCount = 64, ...rest } = options;
    this.layout = new PieceLayout(pieceCount * blocksPerPiece * BLOCK_BYTES, blocksPerPiece * BLOCK_BYTES);
    let next = 0;
    this.swarm = new Swarm({
      have: new Bitfield(pieceCount),
      segmentBytes: 1 << 20,
      rng: seededRng(7),
      ...rest,
      layout: this.layout,
      slots: {
        acquire: () => {
          if (this.slotsInUse === slotCount) return -1;
          this.slotsInUse++;
          return next++;
        },
        release: () => {
          this.slotsInUse--;
        },
      },
      events: {
        onSegmentFilled: (piece, segment, slot, _length, wantDigests) =>
          this.filled.push({ piece, segment, slot, wantDigests }),
        onBan: (host, reason) => this.bans.push(`${host}: ${reason}`),
        onCompleted: () => {
          this.completions++;
        },
      },
    });
  }

  join(facts: Partial<PeerFacts> = {}): RigPeer {
    const port = new RecordingPort();
    const host = facts.host ?? `10.0.0.${this.swarm.peers.size + 1}`;
    const peer = this.swarm.addPeer(port, { isIncoming: false, hasFast: true, ...facts, host }, this.nowMs);
    return { port, peer };
  }

  /** A peer with everything that unchoked us. */
  joinSeed(facts: Partial<PeerFacts> = {}): RigPeer {
    const joined = this.join(facts);
    this.swarm.handleBitfield(joined.peer, Bitfield.full(this.layout.pieceCount).bytes, this.nowMs);
    this.swarm.handleUnchoke(joined.peer, this.nowMs);
    return joined;
  }

  /** A peer that asked for data. */
  joinInterested(facts: Partial<PeerFacts> = {}): RigPeer {
    const joined = this.join(facts);
    this.swarm.handleInterested(joined.peer, this.nowMs);
    return joined;
  }

  /** The peer sends this block. @returns whether it was claimed */
  send({ peer }: RigPeer, request: SentRequest): boolean {
    const { piece, begin, length } = request;
    if (!this.swarm.claimBlock(peer, piece, begin, length, this.nowMs)) {
      this.swarm.handleUnrequested(peer, length, this.nowMs);
      return false;
    }
    this.swarm.handleBlock(peer, piece, begin, length, this.nowMs);
    return true;
  }

  /** The peer answers its oldest open requests. */
  answer(from: RigPeer, count = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < count; i++) {
      const request = from.port.requests.shift();
      if (request === undefined) return;
      this.send(from, request);
    }
  }

  /** The disk passes every filled piece. @returns them */
  verifyFilled(digests?: (piece: number) => Uint8Array): number[] {
    const pieces = this.filled.splice(0).map(({ piece }) => {
      this.slotsInUse--;
      this.swarm.handlePieceVerified(piece, digests?.(piece), this.nowMs);
      return piece;
    });
    this.swarm.handleSlotsAvailable(this.nowMs);
    return pieces;
  }

  /** Jumps, running every timeout on the way. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const dueMs = this.swarm.nextTimeoutMs();
      if (dueMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.swarm.handleTimeout(this.nowMs);
    }
    this.nowMs = untilMs;
  }
}
