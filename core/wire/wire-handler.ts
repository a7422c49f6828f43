// The faces of one peer connection: what the wire tells its owner, and where its bytes go.
import type { Bitfield } from '../base/bitfield.ts';
import type { ExtendedHandshake } from './extended-handshake.ts';

/** A peer's BitTorrent handshake (BEP 3), checked. The byte arrays are copies. */
export interface PeerHandshake {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** The eight reserved bytes as sent. */
  readonly reserved: Uint8Array;
  /** What the peer offers; whether it is in use depends on both sides (`PeerWire.hasFast`). */
  readonly offersFast: boolean;
  /** BEP 10. */
  readonly offersExtended: boolean;
  /** BEP 5: it has a DHT node; `sendPort` tells it ours. */
  readonly offersDht: boolean;
  /** BEP 52. */
  readonly offersV2: boolean;
}

/**
 * Everything arrives synchronously inside `PeerWire.receive`, in the order of the stream. Any of these may call any
 * `send*` and `close`. Piece indices are below the piece count; begin and length are any 32-bit values in `onCancel`
 * and `onReject`, and length is 1 to 128 KiB in `onRequest`: whether they fit the piece is the owner's to check.
 */
export interface WireHandler {
  /** Incoming: decide which torrent, then `sendHandshake` (or `close`) from here. Outgoing: the info hash is ours. */
  onHandshake(handshake: PeerHandshake): void;
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  onHave(piece: number): void;
  /** The peer's pieces, at most one of these three in a connection. The bitfield is the owner's to keep. */
  onBitfield(have: Bitfield): void;
  onHaveAll(): void;
  onHaveNone(): void;
  /** BEP 54. */
  onDontHave(piece: number): void;
  onRequest(piece: number, begin: number, length: number): void;
  onCancel(piece: number, begin: number, length: number): void;
  onReject(piece: number, begin: number, length: number): void;
  onAllowedFast(piece: number): void;
  onSuggest(piece: number): void;
  /**
   * A block's header is here. To take it, set `wire.blockTarget` and `wire.blockOffset` (room for `length` bytes) and
   * return true; the payload is copied there as it comes. False: the payload is skipped and counted.
   */
  onBlockStart(piece: number, begin: number, length: number): boolean;
  onBlockEnd(piece: number, begin: number, length: number): void;
  /** The connection ended within a block that was taken: its target holds only part of it. */
  onBlockAborted(piece: number, begin: number, length: number): void;
  /** BEP 5: port of the peer's DHT node. */
  onPort(port: number): void;
  onExtendedHandshake(handshake: ExtendedHandshake): void;
  /** A message of an extension that we offered, by name; `payload` is a copy, checked for size only. */
  onExtended(name: string, payload: Uint8Array): void;
  onKeepAlive(): void;
  /** The peer broke the protocol: `reason` is one clause. The wire is closed already; drop the connection. */
  onViolation(reason: string): void;
}

/** Where a wire's bytes go: a ByteStream, with or without encryption in between. */
export interface WireSink {
  /** Handed over for good: the wire never touches `bytes` again, so they may be encrypted in place and kept. */
  write(bytes: Uint8Array): void;
  /** Shared payload: must not be changed; stays as it is until `sent`. */
  writePayload(bytes: Uint8Array, sent?: () => void): void;
  /** Output is pending for the first time since the last flush: call `PeerWire.flush` before this turn ends. */
  onPending(): void;
  /**
   * Only what may wait is pending (`have`): call `PeerWire.flush` some time; it leaves earlier with anything else. Without
   * this method it is announced by `onPending`.
   */
  onPendingLater?(): void;
}

/** What we say first. */
export interface OwnHandshake {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** We have a DHT node (BEP 5). */
  readonly dht: boolean;
  /** Names of the extensions offered, from the registry in extensions.ts; leave out ut_pex for private torrents. */
  readonly extensions: readonly string[];
  /** BEP 10 facts; `m` is filled in from `extensions`. */
  readonly extended: Omit<ExtendedHandshake, 'extensionIds'>;
}
