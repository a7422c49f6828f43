// The one adapter of bittorrent-protocol: handshakes, piece sets, the extension protocol, and all that we send but bulk.
// Invariants: only whole frames that PeerWire has checked reach its parser (it reads lengths as signed, has no cap, and
// decodes bencode that kills the process); in and out run synchronously, so order with our own frames is kept; no timer
// of its is ever set.
// Frames of a few numbers that may come in any number are not read here: an unchoke took 0.4 microseconds in Wire's own
// parser and 1.9 by this way, where PeerWire takes 0.03; a flood of them would hold a core (test/bench/wire-parse.ts).
import Wire from 'bittorrent-protocol';
import { encodeBencode } from '../base/bencode-encode.ts';
import { writeU32 } from '../base/bytes.ts';
import { MessageId } from './messages.ts';

/** Length prefix, id, extended id. */
const EXTENDED_HEAD_BYTES = 6;

/** What Wire makes of a frame. Extended payloads come raw: they are decoded by our own strict codecs. */
export interface ProtocolEvents {
  onBitfieldBytes(bytes: Uint8Array): void;
  onHaveAll(): void;
  onHaveNone(): void;
  /** The payload of a message of an extension that we offered. */
  onExtendedPayload(name: string, payload: Uint8Array): void;
}

export interface ProtocolHandshake {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly dht: boolean;
  /** Local id -> name. */
  readonly extensionNames: Record<number, string>;
  readonly extended: Record<string, unknown>;
}

type Output = (bytes: Uint8Array) => void;

function ignore(): void {}

/** Wire without its stream: what it would queue goes straight out. */
class SynchronousWire extends Wire {
  readonly #output: Output;

  constructor(output: Output) {
    super('', 0);
    this.#output = output;
  }

  override _push(bytes: Uint8Array): boolean {
    this.#output(bytes);
    return true;
  }

  override _debug(): void {}
}

export class ProtocolWire {
  readonly #wire: SynchronousWire;

  constructor(events: ProtocolEvents, output: Output) {
    const wire = new SynchronousWire(output);
    this.#wire = wire;
    wire.on('bitfield', (pieces) => {
      // The swarm keeps its own: no second copy for each peer.
      wire.peerPieces = undefined;
      events.onBitfieldBytes(pieces.buffer);
    });
    wire.on('have-all', () => events.onHaveAll());
    wire.on('have-none', () => events.onHaveNone());
    wire.on('extended', (name, payload) => {
      if (typeof name === 'string' && payload instanceof Uint8Array) events.onExtendedPayload(name, payload);
    });
  }

  get hasFast(): boolean {
    return this.#wire.hasFast;
  }

  /** The peer set the BEP 10 bit. */
  get peerHasExtended(): boolean {
    return this.#wire.peerExtensions.extended === true;
  }

  /** @param frame one whole checked frame (or handshake) that nobody else will change */
  receive(frame: Uint8Array): void {
    this.#wire._write(frame, ignore);
  }

  /**
   * The peer's extended handshake, composed anew from what our decoder made of it: Wire calls `toString` of whatever
   * stands in `m`, and one key of that name in there ends the process.
   */
  receiveExtendedHandshake(extensionIds: ReadonlyMap<string, number>): void {
    const payload = encodeBencode({ m: Object.fromEntries(extensionIds) });
    const frame = new Uint8Array(EXTENDED_HEAD_BYTES + payload.length);
    writeU32(frame, 0, frame.length - 4);
    frame[4] = MessageId.extended;
    frame.set(payload, EXTENDED_HEAD_BYTES);
    this.receive(frame);
  }

  /** The id by which the peer takes an extension's messages; 0 when it does not. @param name of our registry */
  peerIdOf(name: string): number {
    return this.#wire.peerExtendedMapping[name] ?? 0;
  }

  sendHandshake(own: ProtocolHandshake): void {
    this.#wire.extendedMapping = own.extensionNames;
    this.#wire.extendedHandshake = own.extended;
    this.#wire.handshake(own.infoHash, own.peerId, { dht: own.dht, fast: true });
  }

  /** Does nothing when the state is that already; the same holds for the next three. */
  choke(): void {
    this.#wire.choke();
  }
  unchoke(): void {
    this.#wire.unchoke();
  }
  interested(): void {
    this.#wire.interested();
  }
  notInterested(): void {
    this.#wire.uninterested();
  }
  bitfield(bytes: Uint8Array): void {
    this.#wire.bitfield(bytes);
  }
  haveAll(): void {
    this.#wire.haveAll();
  }
  haveNone(): void {
    this.#wire.haveNone();
  }
  port(port: number): void {
    this.#wire.port(port);
  }
  suggest(piece: number): void {
    this.#wire.suggest(piece);
  }
  allowedFast(piece: number): void {
    this.#wire.allowedFast(piece);
  }
  extended(id: number, payload: Uint8Array): void {
    this.#wire.extended(id, payload);
  }
}
