// The one adapter of bittorrent-protocol: handshakes, state messages and the extension protocol go through its Wire.
// Invariants: only whole frames that PeerWire has checked reach its parser (it reads lengths as signed, has no cap, and
// decodes bencode that kills the process); in and out run synchronously, so order with our own frames is kept; no timer
// of its is ever set.
// Bulk frames (request, piece, have, cancel, reject, keep-alive) do not come here: see test/bench/wire-parse.ts for why.
import Wire from 'bittorrent-protocol';

/** What Wire makes of a frame. Extended payloads come raw: they are decoded by our own strict codecs. */
export interface ProtocolEvents {
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  onBitfieldBytes(bytes: Uint8Array): void;
  onHaveAll(): void;
  onHaveNone(): void;
  onPort(port: number): void;
  onSuggest(piece: number): void;
  onAllowedFast(piece: number): void;
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
    wire.on('choke', () => events.onChoke());
    wire.on('unchoke', () => events.onUnchoke());
    wire.on('interested', () => events.onInterested());
    wire.on('uninterested', () => events.onNotInterested());
    wire.on('bitfield', (pieces) => {
      // The swarm keeps its own: no second copy for each peer.
      wire.peerPieces = undefined;
      events.onBitfieldBytes(pieces.buffer);
    });
    wire.on('have-all', () => events.onHaveAll());
    wire.on('have-none', () => events.onHaveNone());
    wire.on('port', (port) => events.onPort(port));
    wire.on('suggest', (piece) => events.onSuggest(piece));
    wire.on('allowed-fast', (piece) => events.onAllowedFast(piece));
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
