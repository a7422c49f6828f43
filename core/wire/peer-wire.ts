// One peer connection as a pure machine: decrypted bytes in, calls to a handler; messages in, bytes to a sink (BEP 3, 5,
// 6, 10, 54). Invariants: every length is checked before anything is kept for it; memory held for a frame grows only
// with bytes that came; nothing is called after close. Frames of a few numbers, which a peer may send any number of, are
// parsed here without allocation; handshakes, piece sets and extended messages are handled by ControlFrames.
import type { Bitfield } from '../base/bitfield.ts';
import { copyBytes, EMPTY_BYTES, readU16, readU32, writeU32 } from '../base/bytes.ts';
import { ControlFrames } from './control-frames.ts';
import type { ExtendedFacts } from './extended-handshake.ts';
import { FrameCollector } from './frame-collector.ts';
import { FrameComposer } from './frame-composer.ts';
import {
  FRAME_HEAD_BYTES,
  HANDSHAKE_BYTES,
  HAVE_BYTES,
  MAX_BLOCK_BYTES,
  MessageId,
  PIECE_HEAD_BYTES,
  PORT_BYTES,
  PROTOCOL_HEADER,
  REQUEST_BYTES,
} from './messages.ts';
import type { OwnHandshake, WireHandler, WireSink } from './wire-handler.ts';

export interface PeerWireOptions {
  readonly handler: WireHandler;
  readonly sink: WireSink;
  /** Undefined for a magnet, and for an incoming connection until its torrent is known: see setPieceCount. */
  readonly pieceCount?: number | undefined;
}

/** What the next bytes are. Plain numbers: the switch on them is on the block path. */
const IN_HANDSHAKE = 0;
const IN_HEAD = 1;
const IN_BLOCK = 2;
const IN_FRAME = 3;
const IN_SKIPPED = 4;

/** The longest head that is parsed in one go. */
const HEAD_BYTES = REQUEST_BYTES;
/** Requests before we have the metadata are a mistake; so many, the queue that we allow, are forgiven. */
const MAX_EARLY_REQUESTS = 2000;

export class PeerWire {
  /** Set by the handler in onBlockStart: where the payload goes. */
  blockTarget = EMPTY_BYTES;
  blockOffset = 0;

  readonly #handler: WireHandler;
  readonly #sink: WireSink;
  readonly #composer: FrameComposer;
  readonly #control: ControlFrames;
  #state = IN_HANDSHAKE;
  #isClosed = false;
  #pieceCount: number | undefined;

  /** The start of a frame whose head was cut by the end of a read. */
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headFill = 0;
  #headNeed = 4;

  readonly #frame = new FrameCollector();
  #skipLeft = 0;

  #blockPiece = 0;
  #blockBegin = 0;
  #blockLength = 0;
  #blockFill = 0;
  #skippedBytes = 0;
  #earlyRequests = 0;

  constructor(options: PeerWireOptions) {
    this.#handler = options.handler;
    this.#sink = options.sink;
    this.#pieceCount = options.pieceCount;
    this.#composer = new FrameComposer(options.sink);
    this.#control = new ControlFrames({
      handler: options.handler,
      output: (bytes) => this.#composer.append(bytes),
      onViolation: (reason) => this.#violate(reason),
      isClosed: () => this.#isClosed,
      pieceCount: options.pieceCount,
    });
    this.#frame.begin(HANDSHAKE_BYTES);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
  /** BEP 6 is in use. */
  get hasFast(): boolean {
    return this.#control.hasFast;
  }
  /** The peer speaks BEP 10. */
  get hasExtended(): boolean {
    return this.#control.hasExtended;
  }
  /** Bytes composed and not yet flushed. */
  get pendingBytes(): number {
    return this.#composer.pendingBytes;
  }
  /** Payload bytes of blocks that nobody wanted. */
  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  /**
   * Takes the first `length` bytes of one read, cut anywhere. What must stay is copied, so the buffer may be reused as
   * soon as this returns. Flushes nothing: whoever calls in flushes when the whole turn's work is done.
   */
  receive(chunk: Uint8Array, length: number = chunk.length): void {
    let at = 0;
    while (at < length && !this.#isClosed) {
      switch (this.#state) {
        case IN_BLOCK: {
          const taken = Math.min(this.#blockLength - this.#blockFill, length - at);
          copyBytes(chunk, at, at + taken, this.blockTarget, this.blockOffset + this.#blockFill);
          at += taken;
          this.#blockFill += taken;
          if (this.#blockFill === this.#blockLength) this.#endBlock();
          break;
        }
        case IN_HEAD: {
          if (this.#headFill === 0) {
            const consumed = this.#parseHead(chunk, at, length - at);
            if (consumed === 0) {
              this.#head.set(chunk.subarray(at, length));
              this.#headFill = length - at;
              at = length;
            } else {
              at += consumed;
            }
          } else {
            const taken = Math.min(this.#headNeed - this.#headFill, length - at);
            for (let i = 0; i < taken; i++) this.#head[this.#headFill + i] = chunk[at + i] as number;
            at += taken;
            this.#headFill += taken;
            if (this.#headFill === this.#headNeed) {
              const fill = this.#headFill;
              this.#headFill = 0;
              if (this.#parseHead(this.#head, 0, fill) === 0) this.#headFill = fill;
            }
          }
          break;
        }
        case IN_SKIPPED: {
          const taken = Math.min(this.#skipLeft, length - at);
          at += taken;
          this.#skipLeft -= taken;
          if (this.#skipLeft === 0) this.#state = IN_HEAD;
          break;
        }
        default: {
          const taken = Math.min(this.#frame.missing, length - at);
          this.#takeFrameBytes(chunk.subarray(at, at + taken));
          at += taken;
        }
      }
    }
  }

  /** Gives everything composed to the sink in one write. */
  flush(): void {
    this.#composer.flush();
  }

  /** Nothing is parsed, called or composed any more. Idempotent; also for when the connection has ended by itself. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const wasInBlock = this.#state === IN_BLOCK;
    this.#frame.take();
    this.blockTarget = EMPTY_BYTES;
    this.#composer.discard();
    if (wasInBlock) this.#handler.onBlockAborted(this.#blockPiece, this.#blockBegin, this.#blockLength);
  }

  /**
   * Tells how many pieces the torrent has, once. For a magnet this delivers what the peer said about its pieces so
   * far, checked now (which may end in onViolation).
   */
  setPieceCount(pieceCount: number): void {
    if (this.#isClosed) return;
    this.#pieceCount = pieceCount;
    this.#control.setPieceCount(pieceCount);
  }

  sendHandshake(own: OwnHandshake): void {
    if (!this.#isClosed) this.#control.sendHandshake(own);
  }
  /** Bitfield, or have-all/have-none with BEP 6; nothing at all for no pieces without it, as BEP 3 allows. */
  sendPieces(have: Bitfield): void {
    if (!this.#isClosed) this.#control.sendPieces(have);
  }
  sendChoke(): void {
    if (!this.#isClosed) this.#control.wire.choke();
  }
  sendUnchoke(): void {
    if (!this.#isClosed) this.#control.wire.unchoke();
  }
  sendInterested(): void {
    if (!this.#isClosed) this.#control.wire.interested();
  }
  sendNotInterested(): void {
    if (!this.#isClosed) this.#control.wire.notInterested();
  }
  sendHave(piece: number): void {
    if (!this.#isClosed) this.#composer.frame1(MessageId.have, piece);
  }
  sendRequest(piece: number, begin: number, length: number): void {
    if (!this.#isClosed) this.#composer.frame3(MessageId.request, piece, begin, length);
  }
  sendCancel(piece: number, begin: number, length: number): void {
    if (!this.#isClosed) this.#composer.frame3(MessageId.cancel, piece, begin, length);
  }
  /** BEP 6: does nothing for a peer without it. */
  sendReject(piece: number, begin: number, length: number): void {
    if (!this.#isClosed && this.hasFast) this.#composer.frame3(MessageId.reject, piece, begin, length);
  }
  /** BEP 6: does nothing for a peer without it. */
  sendAllowedFast(piece: number): void {
    if (!this.#isClosed && this.hasFast) this.#control.wire.allowedFast(piece);
  }
  /** BEP 6: does nothing for a peer without it. */
  sendSuggest(piece: number): void {
    if (!this.#isClosed && this.hasFast) this.#control.wire.suggest(piece);
  }
  sendPort(port: number): void {
    if (!this.#isClosed) this.#control.wire.port(port);
  }
  sendKeepAlive(): void {
    if (!this.#isClosed) this.#composer.append(KEEP_ALIVE);
  }

  /**
   * Writes what was composed before, then the head and `payload` itself, not copied: it must stay as it is until `sent`.
   * Cork the stream around several of these, so that heads and payloads leave in one system call.
   */
  sendPiece(piece: number, begin: number, payload: Uint8Array, sent?: () => void): void {
    if (this.#isClosed) return;
    this.#composer.frame2(MessageId.piece, piece, begin, payload.length);
    this.#composer.flush();
    this.#sink.writePayload(payload, sent);
  }

  /** BEP 54. @returns false when the peer does not take lt_donthave */
  sendDontHave(piece: number): boolean {
    return !this.#isClosed && this.#control.sendDontHave(piece);
  }
  /** @returns false when the peer does not take messages of this extension */
  sendExtended(name: string, payload: Uint8Array): boolean {
    return !this.#isClosed && this.#control.sendExtended(name, payload);
  }
  /** Says changed facts (metadata_size is known, upload_only) again, as BEP 10 allows. */
  sendExtendedHandshake(facts: ExtendedFacts): void {
    if (!this.#isClosed) this.#control.sendExtendedHandshake(facts);
  }
  /** Whether the peer takes messages of this extension. */
  peerTakes(name: string): boolean {
    return this.#control.peerTakes(name);
  }

  /** @returns how many bytes it took; 0 when headNeed bytes are not there yet */
  #parseHead(bytes: Uint8Array, at: number, available: number): number {
    if (available < 4) return this.#await(4);
    const length = readU32(bytes, at);
    if (length === 0) {
      this.#handler.onKeepAlive();
      return 4;
    }
    if (available < FRAME_HEAD_BYTES) return this.#await(FRAME_HEAD_BYTES);
    const id = bytes[at + 4] as number;
    switch (id) {
      case MessageId.piece:
        if (length < 9 || length > 9 + MAX_BLOCK_BYTES)
          return this.#refuse(`piece message of ${length} bytes`);
        if (available < PIECE_HEAD_BYTES) return this.#await(PIECE_HEAD_BYTES);
        this.#startBlock(readU32(bytes, at + 5), readU32(bytes, at + 9), length - 9);
        return PIECE_HEAD_BYTES;
      case MessageId.have: {
        if (length !== 5) return this.#refuse(`have message of ${length} bytes`);
        if (available < HAVE_BYTES) return this.#await(HAVE_BYTES);
        const piece = readU32(bytes, at + 5);
        if (this.#pieceCount === undefined) this.#control.onEarlyHave(piece);
        else if (piece >= this.#pieceCount) this.#violate(`have of piece ${piece} of ${this.#pieceCount}`);
        else this.#handler.onHave(piece);
        return HAVE_BYTES;
      }
      case MessageId.request:
      case MessageId.cancel:
      case MessageId.reject:
        if (length !== 13) return this.#refuse(`message ${id} of ${length} bytes`);
        if (available < REQUEST_BYTES) return this.#await(REQUEST_BYTES);
        this.#onRequestLike(id, readU32(bytes, at + 5), readU32(bytes, at + 9), readU32(bytes, at + 13));
        return REQUEST_BYTES;
      case MessageId.choke:
      case MessageId.unchoke:
      case MessageId.interested:
      case MessageId.notInterested:
        if (length !== 1) return this.#refuse(`message ${id} of ${length} bytes`);
        this.#onStateMessage(id);
        return FRAME_HEAD_BYTES;
      case MessageId.suggest:
      case MessageId.allowedFast:
        if (length !== 5) return this.#refuse(`message ${id} of ${length} bytes`);
        if (available < HAVE_BYTES) return this.#await(HAVE_BYTES);
        this.#onAdvice(id, readU32(bytes, at + 5));
        return HAVE_BYTES;
      case MessageId.port: {
        if (length !== 3) return this.#refuse(`port message of ${length} bytes`);
        if (available < PORT_BYTES) return this.#await(PORT_BYTES);
        const port = readU16(bytes, at + 5);
        if (port !== 0) this.#handler.onPort(port);
        return PORT_BYTES;
      }
      default:
        this.#startFrame(id, length);
        return FRAME_HEAD_BYTES;
    }
  }

  #onStateMessage(id: number): void {
    if (id === MessageId.choke) this.#handler.onChoke();
    else if (id === MessageId.unchoke) this.#handler.onUnchoke();
    else if (id === MessageId.interested) this.#handler.onInterested();
    else this.#handler.onNotInterested();
  }

  /** What is out of range is let go: it is only advice. Suggestions without the metadata are of no use. */
  #onAdvice(id: number, piece: number): void {
    if (!this.hasFast) this.#violate(`message ${id} without the fast extension`);
    else if (this.#pieceCount === undefined) {
      if (id === MessageId.allowedFast) this.#control.onEarlyAllowedFast(piece);
    } else if (piece < this.#pieceCount) {
      if (id === MessageId.allowedFast) this.#handler.onAllowedFast(piece);
      else this.#handler.onSuggest(piece);
    }
  }

  #await(bytes: number): 0 {
    this.#headNeed = bytes;
    return 0;
  }

  #refuse(reason: string): number {
    this.#violate(reason);
    return FRAME_HEAD_BYTES;
  }

  #onRequestLike(id: number, piece: number, begin: number, length: number): void {
    const isInRange = this.#pieceCount !== undefined && piece < this.#pieceCount;
    if (id === MessageId.request) {
      if (length === 0 || length > MAX_BLOCK_BYTES) this.#violate(`request of ${length} bytes`);
      else if (isInRange) this.#handler.onRequest(piece, begin, length);
      else if (this.#pieceCount !== undefined)
        this.#violate(`request of piece ${piece} of ${this.#pieceCount}`);
      // Without the metadata we have nothing: BEP 6 asks for an answer, BEP 3 does not.
      else if (++this.#earlyRequests <= MAX_EARLY_REQUESTS) this.sendReject(piece, begin, length);
      else this.#violate('flood of requests for what we cannot have');
    } else if (id === MessageId.cancel) {
      if (isInRange) this.#handler.onCancel(piece, begin, length);
    } else if (!this.hasFast) {
      this.#violate('reject without the fast extension');
    } else if (isInRange) {
      this.#handler.onReject(piece, begin, length);
    }
  }

  #startBlock(piece: number, begin: number, length: number): void {
    if (this.#pieceCount !== undefined && piece >= this.#pieceCount) {
      this.#violate(`block of piece ${piece} of ${this.#pieceCount}`);
      return;
    }
    if (length === 0) return;
    if (this.#pieceCount === undefined || !this.#handler.onBlockStart(piece, begin, length)) {
      this.#skippedBytes += length;
      this.#skip(length);
      return;
    }
    this.#blockPiece = piece;
    this.#blockBegin = begin;
    this.#blockLength = length;
    this.#blockFill = 0;
    this.#state = IN_BLOCK;
  }

  #endBlock(): void {
    this.#state = IN_HEAD;
    this.#handler.onBlockEnd(this.#blockPiece, this.#blockBegin, this.#blockLength);
  }

  #skip(length: number): void {
    if (length === 0) return;
    this.#skipLeft = length;
    this.#state = IN_SKIPPED;
  }

  #startFrame(id: number, length: number): void {
    const verdict = this.#control.judge(id, length);
    if (typeof verdict === 'string') {
      this.#violate(verdict);
    } else if (!verdict) {
      this.#skip(length - 1);
    } else {
      const head = new Uint8Array(FRAME_HEAD_BYTES);
      writeU32(head, 0, length);
      head[4] = id;
      this.#frame.begin(4 + length);
      this.#state = IN_FRAME;
      this.#takeFrameBytes(head);
    }
  }

  #takeFrameBytes(bytes: Uint8Array): void {
    const start = this.#frame.fill;
    this.#frame.add(bytes);
    if (this.#state === IN_HANDSHAKE) {
      const come = this.#frame.view();
      for (let i = start; i < come.length && i < PROTOCOL_HEADER.length; i++) {
        if (come[i] === PROTOCOL_HEADER[i]) continue;
        this.#violate('not a BitTorrent handshake');
        return;
      }
    }
    if (this.#frame.missing > 0) return;
    const isHandshake = this.#state === IN_HANDSHAKE;
    const frame = this.#frame.take();
    this.#state = IN_HEAD;
    if (isHandshake) this.#control.receiveHandshake(frame);
    else this.#control.receive(frame);
  }

  #violate(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#handler.onViolation(reason);
  }
}

const KEEP_ALIVE = new Uint8Array(4);
