// One peer of one torrent: protocol state and counters. Only the swarm writes here.
import { Bitfield } from '../base/bitfield.ts';
import type { UnchokeReason } from '../session/snapshot.ts';
import type { PeerFacts, PeerPort } from './peer-port.ts';
import { RateMeter } from './rate-meter.ts';

export class SwarmPeer {
  readonly port: PeerPort;
  readonly facts: PeerFacts;
  readonly have: Bitfield;
  readonly joinedAtMs: number;
  amChoking = true;
  amInterested = false;
  peerChoking = true;
  peerInterested = false;
  isSnubbed = false;
  unchokeReason: UnchokeReason | undefined = undefined;
  readonly down = new RateMeter();
  readonly up = new RateMeter();
  /** After `Swarm.claimBlock` returned true: where the payload goes. */
  claimSlot = -1;
  claimOffset = 0;

  constructor(port: PeerPort, facts: PeerFacts, pieceCount: number, nowMs: number) {
    this.port = port;
    this.facts = facts;
    this.have = new Bitfield(pieceCount);
    this.joinedAtMs = nowMs;
  }

  get requestsOut(): number {
    return 0;
  }
  get requestsIn(): number {
    return 0;
  }
  get isSeed(): boolean {
    return this.have.isFull;
  }
}
