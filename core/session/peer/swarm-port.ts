// The swarm's voice to one peer: PeerPort calls become frames.
import type { Bitfield } from '../../base/bitfield.ts';
import type { DisconnectReason, PeerPort } from '../../swarm/peer-port.ts';
import type { PeerConnection } from './peer-connection.ts';

export class SwarmPort implements PeerPort {
  readonly #connection: PeerConnection;
  #hasSaidPieces = false;

  constructor(connection: PeerConnection) {
    this.#connection = connection;
  }

  /** May come twice: "none" while the metadata is unknown, then what we have; the second time as single `have`s. */
  sendPieces(have: Bitfield): void {
    const { wire } = this.#connection;
    if (this.#hasSaidPieces) {
      for (let piece = 0; piece < have.size; piece++) if (have.has(piece)) wire.sendHave(piece);
    } else {
      wire.sendPieces(have);
    }
    this.#hasSaidPieces = true;
  }
  sendChoke(): void {
    this.#connection.wire.sendChoke();
  }
  sendUnchoke(): void {
    this.#connection.wire.sendUnchoke();
  }
  sendInterested(): void {
    this.#connection.wire.sendInterested();
  }
  sendNotInterested(): void {
    this.#connection.wire.sendNotInterested();
  }
  sendHave(piece: number): void {
    this.#connection.wire.sendHave(piece);
  }
  sendRequest(piece: number, begin: number, length: number): void {
    this.#connection.wire.sendRequest(piece, begin, length);
  }
  sendCancel(piece: number, begin: number, length: number): void {
    this.#connection.wire.sendCancel(piece, begin, length);
  }
  sendReject(piece: number, begin: number, length: number): void {
    this.#connection.wire.sendReject(piece, begin, length);
  }
  sendAllowedFast(piece: number): void {
    this.#connection.wire.sendAllowedFast(piece);
  }
  sendSuggest(piece: number): void {
    this.#connection.wire.sendSuggest(piece);
  }
  uploadsReady(): void {
    this.#connection.pumpUploads();
  }
  disconnect(reason: DisconnectReason): void {
    this.#connection.close(reason);
  }
}
