// The two faces between the pure swarm and whatever carries its messages: sockets in the program, links in the simulator.
import type { Bitfield } from '../base/bitfield.ts';

/**
 * What the swarm says to one peer. Calls come while the swarm handles an input; the carrier may gather them and send
 * them in one write when that call returns. Order is meaning: it must be kept.
 */
export interface PeerPort {
  /** First message of all: bitfield, or have-all/have-none between peers with BEP 6. */
  sendPieces(have: Bitfield): void;
  sendChoke(): void;
  sendUnchoke(): void;
  sendInterested(): void;
  sendNotInterested(): void;
  sendHave(piece: number): void;
  sendRequest(piece: number, begin: number, length: number): void;
  sendCancel(piece: number, begin: number, length: number): void;
  /** Only called for peers with `hasFast`. */
  sendReject(piece: number, begin: number, length: number): void;
  /** Only called for peers with `hasFast`. */
  sendAllowedFast(piece: number): void;
  /** Only called for peers with `hasFast`. */
  sendSuggest(piece: number): void;
  /** Requests of this peer wait: pull them with `Swarm.nextUpload` as the line has room. */
  uploadsReady(): void;
  /** The connection must end; `Swarm.removePeer` follows from the carrier. */
  disconnect(reason: DisconnectReason): void;
}

export type DisconnectReason =
  | 'protocol-violation'
  | 'banned'
  | 'both-seeds'
  | 'not-useful'
  | 'replaced'
  | 'timeout'
  | 'flood';

/** What is known of a peer when it joins. */
export interface PeerFacts {
  /** IP address: the unit of bans. */
  readonly host: string;
  readonly isIncoming: boolean;
  /** Both sides set the BEP 6 bit. */
  readonly hasFast: boolean;
  /** BEP 19: a server with pieces. It takes none, is told nothing, and never chokes. */
  readonly isWebSeed?: boolean;
}
