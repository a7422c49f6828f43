// A connection under trace: the same handler, voice and upload line, each with a scribe in front. Built only where a trace is
// wanted, so that an untraced block passes no check at all.
import type { Bitfield } from '../../base/bitfield.ts';
import { toHex } from '../../base/bytes.ts';
import type { DisconnectReason, PeerPort } from '../../swarm/peer-port.ts';
import type { Trace, TracedPeer } from '../../trace/trace.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import type { PeerHandshake, WireHandler } from '../../wire/wire-handler.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { UploadLine } from './upload-pump.ts';

/** The trace of one connection. */
export class ConnectionTrace implements TracedPeer {
  traceHead?: string;
  readonly #trace: Trace;
  readonly #connection: PeerConnection;

  constructor(trace: Trace, connection: PeerConnection) {
    this.#trace = trace;
    this.#connection = connection;
  }

  get address(): string {
    return this.#connection.address;
  }
  /** Both sides named it before there is anything to trace. */
  get torrent(): string | undefined {
    const infoHash = this.#connection.handshake?.infoHash;
    return infoHash === undefined ? undefined : toHex(infoHash);
  }
  get pieceCount(): number {
    return this.#connection.owner?.swarm?.have.size ?? 0;
  }
  /** The block that is arriving was taken from this peer meanwhile. */
  get isInLostBlock(): boolean {
    return (this.#connection.swarmPeer?.claimSlot ?? -1) < 0;
  }

  handler(handler: WireHandler): WireHandler {
    return new TracedHandler(this.#trace, this, handler);
  }
  port(port: PeerPort): PeerPort {
    return new TracedPort(this.#trace, this, port);
  }
  line(line: UploadLine): UploadLine {
    return new TracedLine(this.#trace, this, line);
  }

  connected(): void {
    const { isIncoming, isEncrypted, origin, stream } = this.#connection;
    const dir = isIncoming ? 'in' : 'out';
    this.#trace.connect(this, { dir, transport: stream.transport, isEncrypted, origin });
  }

  disconnected(reason: string): void {
    const { swarmPeer } = this.#connection;
    const { downloadedBytes: downloaded = 0, uploadedBytes: uploaded = 0 } = swarmPeer ?? {};
    this.#trace.disconnect(this, { reason, downloaded, uploaded });
  }
}

/** What the peer says. */
class TracedHandler implements WireHandler {
  readonly #trace: Trace;
  readonly #peer: ConnectionTrace;
  readonly #handler: WireHandler;

  constructor(trace: Trace, peer: ConnectionTrace, handler: WireHandler) {
    this.#trace = trace;
    this.#peer = peer;
    this.#handler = handler;
  }

  onHandshake(handshake: PeerHandshake): void {
    this.#handler.onHandshake(handshake);
  }
  onChoke(): void {
    this.#trace.state('choke', this.#peer, 'in');
    this.#handler.onChoke();
  }
  onUnchoke(): void {
    this.#trace.state('unchoke', this.#peer, 'in');
    this.#handler.onUnchoke();
  }
  onInterested(): void {
    this.#trace.state('interested', this.#peer, 'in');
    this.#handler.onInterested();
  }
  onNotInterested(): void {
    this.#trace.state('not-interested', this.#peer, 'in');
    this.#handler.onNotInterested();
  }
  onHave(piece: number): void {
    this.#trace.have(this.#peer, 'in', piece);
    this.#handler.onHave(piece);
  }
  onBitfield(have: Bitfield): void {
    this.#trace.pieces(this.#peer, 'in', have.count);
    this.#handler.onBitfield(have);
  }
  onHaveAll(): void {
    this.#trace.pieces(this.#peer, 'in', this.#peer.pieceCount);
    this.#handler.onHaveAll();
  }
  onHaveNone(): void {
    this.#trace.pieces(this.#peer, 'in', 0);
    this.#handler.onHaveNone();
  }
  onDontHave(piece: number): void {
    this.#handler.onDontHave(piece);
  }
  onRequest(piece: number, begin: number, length: number): void {
    this.#trace.request('request', this.#peer, 'in', { piece, begin, length });
    this.#handler.onRequest(piece, begin, length);
  }
  onCancel(piece: number, begin: number, length: number): void {
    this.#trace.request('cancel', this.#peer, 'in', { piece, begin, length });
    this.#handler.onCancel(piece, begin, length);
  }
  onReject(piece: number, begin: number, length: number): void {
    this.#trace.request('reject', this.#peer, 'in', { piece, begin, length });
    this.#handler.onReject(piece, begin, length);
  }
  onAllowedFast(piece: number): void {
    this.#handler.onAllowedFast(piece);
  }
  onSuggest(piece: number): void {
    this.#handler.onSuggest(piece);
  }
  onBlockStart(piece: number, begin: number, length: number): boolean {
    const isWanted = this.#handler.onBlockStart(piece, begin, length);
    if (!isWanted) this.#trace.block(this.#peer, 'in', { piece, begin, length }, false);
    return isWanted;
  }
  onBlockEnd(piece: number, begin: number, length: number): void {
    this.#trace.block(this.#peer, 'in', { piece, begin, length }, !this.#peer.isInLostBlock);
    this.#handler.onBlockEnd(piece, begin, length);
  }
  onBlockAborted(piece: number, begin: number, length: number): void {
    this.#handler.onBlockAborted(piece, begin, length);
  }
  onPort(port: number): void {
    this.#handler.onPort(port);
  }
  onExtendedHandshake(handshake: ExtendedHandshake): void {
    this.#handler.onExtendedHandshake(handshake);
  }
  onExtended(name: string, payload: Uint8Array): void {
    this.#handler.onExtended(name, payload);
  }
  onKeepAlive(): void {
    this.#handler.onKeepAlive();
  }
  onViolation(reason: string): void {
    this.#handler.onViolation(reason);
  }
}

/** What we say. */
export class TracedPort implements PeerPort {
  readonly #trace: Trace;
  readonly #peer: TracedPeer;
  readonly #port: PeerPort;

  constructor(trace: Trace, peer: TracedPeer, port: PeerPort) {
    this.#trace = trace;
    this.#peer = peer;
    this.#port = port;
  }

  sendPieces(have: Bitfield): void {
    this.#trace.pieces(this.#peer, 'out', have.count);
    this.#port.sendPieces(have);
  }
  sendChoke(): void {
    this.#trace.state('choke', this.#peer, 'out');
    this.#port.sendChoke();
  }
  sendUnchoke(): void {
    this.#trace.state('unchoke', this.#peer, 'out');
    this.#port.sendUnchoke();
  }
  sendInterested(): void {
    this.#trace.state('interested', this.#peer, 'out');
    this.#port.sendInterested();
  }
  sendNotInterested(): void {
    this.#trace.state('not-interested', this.#peer, 'out');
    this.#port.sendNotInterested();
  }
  sendHave(piece: number): void {
    this.#trace.have(this.#peer, 'out', piece);
    this.#port.sendHave(piece);
  }
  sendRequest(piece: number, begin: number, length: number): void {
    this.#trace.request('request', this.#peer, 'out', { piece, begin, length });
    this.#port.sendRequest(piece, begin, length);
  }
  sendCancel(piece: number, begin: number, length: number): void {
    this.#trace.request('cancel', this.#peer, 'out', { piece, begin, length });
    this.#port.sendCancel(piece, begin, length);
  }
  sendReject(piece: number, begin: number, length: number): void {
    this.#trace.request('reject', this.#peer, 'out', { piece, begin, length });
    this.#port.sendReject(piece, begin, length);
  }
  sendAllowedFast(piece: number): void {
    this.#port.sendAllowedFast(piece);
  }
  sendSuggest(piece: number): void {
    this.#port.sendSuggest(piece);
  }
  uploadsReady(): void {
    this.#port.uploadsReady();
  }
  disconnect(reason: DisconnectReason): void {
    this.#port.disconnect(reason);
  }
}

/** What we serve. */
class TracedLine implements UploadLine {
  readonly #trace: Trace;
  readonly #peer: TracedPeer;
  readonly #line: UploadLine;

  constructor(trace: Trace, peer: TracedPeer, line: UploadLine) {
    this.#trace = trace;
    this.#peer = peer;
    this.#line = line;
  }

  get queuedBytes(): number {
    return this.#line.queuedBytes;
  }
  cork(): void {
    this.#line.cork();
  }
  uncork(): void {
    this.#line.uncork();
  }
  sendBlock(piece: number, begin: number, payload: Uint8Array, sent: () => void): void {
    this.#trace.block(this.#peer, 'out', { piece, begin, length: payload.length });
    this.#line.sendBlock(piece, begin, payload, sent);
  }
  nowMs(): number {
    return this.#line.nowMs();
  }
}
