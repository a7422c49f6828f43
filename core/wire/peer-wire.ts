// One peer connection as a pure machine: decrypted bytes in, calls to a handler; messages in, bytes to a sink (BEP 3, 5, 6, 10, 54).
import type { Bitfield } from '../base/bitfield.ts';
import type { ExtendedHandshake } from './extended-handshake.ts';
import type { OwnHandshake, WireHandler, WireSink } from './wire-handler.ts';

export declare class PeerWire {
  /** Set by the handler in onBlockStart. */
  blockTarget: Uint8Array;
  blockOffset: number;
  readonly isClosed: boolean;
  readonly hasFast: boolean;
  readonly hasExtended: boolean;
  /** Bytes composed and not yet flushed. */
  readonly pendingBytes: number;
  /** Payload bytes of blocks that nobody wanted. */
  readonly skippedBytes: number;
  constructor(options: { handler: WireHandler; sink: WireSink; pieceCount?: number });
  /** The bytes of one read; copied where they must stay, so the buffer may be reused after the call. */
  receive(chunk: Uint8Array, length?: number): void;
  /** Gives everything composed to the sink in one write. */
  flush(): void;
  /** Nothing is parsed or composed any more. Idempotent; also for the end of the connection. */
  close(): void;
  /** For magnets: delivers what the peer said about its pieces before the count was known, checked now. */
  setPieceCount(pieceCount: number): void;
  sendHandshake(own: OwnHandshake): void;
  sendPieces(have: Bitfield): void;
  sendChoke(): void;
  sendUnchoke(): void;
  sendInterested(): void;
  sendNotInterested(): void;
  sendHave(piece: number): void;
  sendRequest(piece: number, begin: number, length: number): void;
  sendCancel(piece: number, begin: number, length: number): void;
  sendReject(piece: number, begin: number, length: number): void;
  sendAllowedFast(piece: number): void;
  sendSuggest(piece: number): void;
  sendPort(port: number): void;
  sendKeepAlive(): void;
  /** Flushes what came before, then header and payload: cork the stream around several of these. */
  sendPiece(piece: number, begin: number, payload: Uint8Array, sent?: () => void): void;
  /** @returns false when the peer does not take lt_donthave */
  sendDontHave(piece: number): boolean;
  /** @returns false when the peer does not take messages of this extension */
  sendExtended(name: string, payload: Uint8Array): boolean;
  /** Says changed facts (metadata_size known, upload_only) again, as BEP 10 allows. */
  sendExtendedHandshake(facts: Omit<ExtendedHandshake, 'extensionIds'>): void;
  /** Whether the peer takes messages of this extension. */
  peerTakes(name: string): boolean;
}
