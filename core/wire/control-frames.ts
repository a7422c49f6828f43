// Handshakes, piece sets and extended messages: the rules a frame must meet before bittorrent-protocol's Wire may see it,
// and what it means to the handler once Wire has read it (BEP 3, 6, 10, 54).

import { encodeBencode } from '../base/bencode-encode.ts';
import { Bitfield } from '../base/bitfield.ts';
import { bytesEqual, readU32, writeU32 } from '../base/bytes.ts';
import { EarlyPieces } from './early-pieces.ts';
import { composeExtendedFacts, decodeExtendedHandshake, type ExtendedFacts } from './extended-handshake.ts';
import { extensionNamed, extensionWithId, LT_DONTHAVE } from './extensions.ts';
import {
  DHT_BIT,
  EXTENDED_BIT,
  FAST_BIT,
  FRAME_HEAD_BYTES,
  HANDSHAKE_BYTES,
  HAVE_BYTES,
  MAX_ALL_OR_NONE,
  MAX_BITFIELD_BYTES,
  MAX_EXTENDED_BYTES,
  MAX_EXTENDED_HANDSHAKES,
  MAX_FRAME_BYTES,
  MessageId,
  PROTOCOL_HEADER,
  RESERVED_BYTES,
  V2_BIT,
} from './messages.ts';
import { type ProtocolEvents, ProtocolWire } from './protocol-wire.ts';
import type { OwnHandshake, WireHandler } from './wire-handler.ts';

/** In large torrents aria2 waits for more: room for others who do likewise. */
const LEAST_HAVES_A_BITFIELD = 10;
/** Assumed while the piece count is unknown: nobody gets many pieces in the time that metadata takes. */
const MAX_EARLY_PIECES = 1000;

/** Id of the extended handshake itself. */
const HANDSHAKE_ID = 0;

export interface ControlOptions {
  readonly handler: WireHandler;
  readonly output: (bytes: Uint8Array) => void;
  readonly onViolation: (reason: string) => void;
  readonly isClosed: () => boolean;
  readonly pieceCount: number | undefined;
}

export class ControlFrames implements ProtocolEvents {
  readonly wire: ProtocolWire;
  readonly #handler: WireHandler;
  readonly #violate: (reason: string) => void;
  readonly #isClosed: () => boolean;
  #pieceCount: number | undefined;
  #early: EarlyPieces | undefined;
  #own: OwnHandshake | undefined;
  #pieceStatements = 0;
  #allOrNone = 0;
  #extendedHandshakes = 0;

  constructor(options: ControlOptions) {
    this.#handler = options.handler;
    this.#violate = options.onViolation;
    this.#isClosed = options.isClosed;
    this.#pieceCount = options.pieceCount;
    this.wire = new ProtocolWire(this, options.output);
  }

  get hasFast(): boolean {
    return this.wire.hasFast;
  }
  get hasExtended(): boolean {
    return this.wire.peerHasExtended;
  }

  /** @returns a reason to end the connection, or whether the frame is worth reading (false: skip it) */
  judge(id: number, length: number): boolean | string {
    if (id === MessageId.haveAll || id === MessageId.haveNone) {
      if (length !== 1) return `message ${id} of ${length} bytes`;
      if (!this.hasFast) return `message ${id} without the fast extension`;
      if (++this.#allOrNone > MAX_ALL_OR_NONE) return 'too many have-alls and have-nones';
    } else if (id === MessageId.bitfield) {
      const due = this.#pieceCount === undefined ? undefined : Math.ceil(this.#pieceCount / 8);
      if (due === undefined ? length - 1 > MAX_BITFIELD_BYTES : length - 1 !== due)
        return `bitfield of ${length - 1} bytes`;
    } else if (id === MessageId.extended) {
      if (length < 2 || length > MAX_EXTENDED_BYTES) return `extended message of ${length} bytes`;
      return this.hasExtended;
    } else {
      return length > MAX_FRAME_BYTES ? `message ${id} of ${length} bytes` : false;
    }
    if (++this.#pieceStatements > this.#mostPieceStatements) return 'too many bitfields';
    return true;
  }

  /** @param bytes 68 of them, with the right protocol name */
  receiveHandshake(bytes: Uint8Array): void {
    const reserved = bytes.slice(PROTOCOL_HEADER.length, PROTOCOL_HEADER.length + RESERVED_BYTES);
    const infoHash = bytes.slice(HANDSHAKE_BYTES - 40, HANDSHAKE_BYTES - 20);
    if (this.#own !== undefined && !bytesEqual(this.#own.infoHash, infoHash)) {
      this.#violate('handshake for another torrent');
      return;
    }
    const offers = (bit: { readonly at: number; readonly mask: number }): boolean =>
      ((reserved[bit.at] as number) & bit.mask) !== 0;
    this.wire.receive(bytes);
    this.#handler.onHandshake({
      infoHash,
      peerId: bytes.slice(HANDSHAKE_BYTES - 20),
      reserved,
      offersFast: offers(FAST_BIT),
      offersExtended: offers(EXTENDED_BIT),
      offersDht: offers(DHT_BIT),
      offersV2: offers(V2_BIT),
    });
  }

  /** @param frame whole, of a length that `judge` let pass; nobody else's */
  receive(frame: Uint8Array): void {
    if (frame[4] === MessageId.extended && !this.#checkExtended(frame)) return;
    this.wire.receive(frame);
  }

  onEarlyHave(piece: number): void {
    if (!this.#earlyPieces.have(piece)) this.#violate(`have of piece ${piece}`);
  }

  onEarlyAllowedFast(piece: number): void {
    this.#earlyPieces.allow(piece);
  }

  setPieceCount(pieceCount: number): void {
    this.#pieceCount = pieceCount;
    const early = this.#early;
    this.#early = undefined;
    if (early === undefined) return;
    const pieces = early.resolve(pieceCount);
    if (!pieces.ok) {
      this.#violate(pieces.reason.what);
      return;
    }
    if (pieces.value !== undefined) {
      // Who has not agreed to BEP 6 said it with a bitfield, and must not be taken to have said anything else.
      if (this.hasFast && pieces.value.isFull) this.#handler.onHaveAll();
      else if (this.hasFast && pieces.value.count === 0) this.#handler.onHaveNone();
      else this.#handler.onBitfield(pieces.value);
    }
    for (const piece of early.allowedFast) {
      if (piece < pieceCount && !this.#isClosed()) this.#handler.onAllowedFast(piece);
    }
  }

  sendHandshake(own: OwnHandshake): void {
    this.#own = own;
    this.wire.sendHandshake({
      infoHash: own.infoHash,
      peerId: own.peerId,
      dht: own.dht,
      extensionNames: Object.fromEntries(
        this.#offered(own).map((extension) => [extension.localId, extension.name]),
      ),
      extended: composeExtendedFacts(own.extended),
    });
  }

  sendExtendedHandshake(facts: ExtendedFacts): void {
    if (this.#own === undefined || !this.hasExtended) return;
    const m = Object.fromEntries(
      this.#offered(this.#own).map((extension) => [extension.name, extension.localId]),
    );
    this.wire.extended(HANDSHAKE_ID, encodeBencode({ ...composeExtendedFacts(facts), m }));
  }

  sendPieces(have: Bitfield): void {
    if (this.hasFast && have.isFull && have.size > 0) this.wire.haveAll();
    else if (this.hasFast && have.count === 0) this.wire.haveNone();
    else if (have.count > 0) this.wire.bitfield(have.bytes);
  }

  sendDontHave(piece: number): boolean {
    const payload = new Uint8Array(4);
    writeU32(payload, 0, piece);
    return this.sendExtended(LT_DONTHAVE.name, payload);
  }

  sendExtended(name: string, payload: Uint8Array): boolean {
    if (!this.peerTakes(name)) return false;
    this.wire.extended(this.wire.peerIdOf(name), payload);
    return true;
  }

  peerTakes(name: string): boolean {
    return extensionNamed(name) !== undefined && this.wire.peerIdOf(name) !== 0;
  }

  onBitfieldBytes(bytes: Uint8Array): void {
    if (this.#pieceCount === undefined) {
      this.#earlyPieces.bitfield(bytes);
      return;
    }
    const field = Bitfield.fromWire(this.#pieceCount, bytes);
    if (field.ok) this.#handler.onBitfield(field.value);
    else this.#violate(field.reason.what);
  }
  onHaveAll(): void {
    if (this.#pieceCount === undefined) this.#earlyPieces.all();
    else this.#handler.onHaveAll();
  }
  onHaveNone(): void {
    if (this.#pieceCount === undefined) this.#earlyPieces.none();
    else this.#handler.onHaveNone();
  }
  onExtendedPayload(name: string, payload: Uint8Array): void {
    if (name === LT_DONTHAVE.name) this.#onDontHave(payload);
    else this.#handler.onExtended(name, payload);
  }

  /** @returns whether the frame itself may go on to Wire */
  #checkExtended(frame: Uint8Array): boolean {
    const id = frame[FRAME_HEAD_BYTES] as number;
    const payload = frame.subarray(FRAME_HEAD_BYTES + 1);
    if (id !== HANDSHAKE_ID) {
      const extension = extensionWithId(id);
      // Ids that we never gave out are noise, not a reason to part.
      if (extension === undefined || this.#own?.extensions.includes(extension.name) !== true) return false;
      if (payload.length <= extension.maxPayloadBytes) return true;
      this.#violate(`${extension.name} message of ${payload.length} bytes`);
      return false;
    }
    if (++this.#extendedHandshakes > MAX_EXTENDED_HANDSHAKES) {
      this.#violate('too many extended handshakes');
      return false;
    }
    const decoded = decodeExtendedHandshake(payload);
    if (!decoded.ok) {
      this.#violate(decoded.reason.what);
      return false;
    }
    this.wire.receiveExtendedHandshake(decoded.value.extensionIds);
    this.#handler.onExtendedHandshake(decoded.value);
    return false;
  }

  #onDontHave(payload: Uint8Array): void {
    if (payload.length !== 4) {
      this.#violate(`lt_donthave of ${payload.length} bytes`);
      return;
    }
    const piece = readU32(payload, 0);
    if (this.#pieceCount === undefined) this.#earlyPieces.dontHave(piece);
    else if (piece < this.#pieceCount) this.#handler.onDontHave(piece);
    else this.#violate(`dont-have of piece ${piece} of ${this.#pieceCount}`);
  }

  /**
   * Deviation from BEP 3, which has one bitfield at most: aria2 sends a new one (or a have-all) wherever it is no longer than the
   * haves it stands for, in a torrent of 32 pieces for each of them. So there may be as many as its pieces account for, and a peer
   * cannot make us read them for ever.
   */
  get #mostPieceStatements(): number {
    const pieceCount = this.#pieceCount ?? MAX_EARLY_PIECES;
    const bitfieldBytes = FRAME_HEAD_BYTES + Math.ceil(pieceCount / 8);
    return (
      2 + Math.ceil(pieceCount / Math.min(LEAST_HAVES_A_BITFIELD, Math.ceil(bitfieldBytes / HAVE_BYTES)))
    );
  }

  get #earlyPieces(): EarlyPieces {
    this.#early ??= new EarlyPieces();
    return this.#early;
  }

  #offered(own: OwnHandshake): { name: string; localId: number }[] {
    return own.extensions.flatMap((name) => {
      const extension = extensionNamed(name);
      return extension === undefined ? [] : [extension];
    });
  }
}
