// What a peer says, handed to its torrent's swarm; remembered while there is none yet (metadata, check).
import type { Bitfield } from '../../base/bitfield.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { SwarmPeer } from '../../swarm/swarm-peer.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import type { PeerHandshake, WireHandler } from '../../wire/wire-handler.ts';
import type { PeerConnection } from './peer-connection.ts';

/** Honest peers choke every ten seconds and lose interest piece by piece; following each change may take us 0.2 ms. */
const CHANGES_PER_SEC = 20;
const MAX_CHANGES_AT_ONCE = 1000;

export class WireEvents implements WireHandler {
  readonly #connection: PeerConnection;
  #isInBlock = false;
  /** Said before the swarm was there; pieces are kept by the wire. */
  #earlyUnchoke = false;
  #earlyInterest = false;

  #changesLeft = MAX_CHANGES_AT_ONCE;
  #changesAtMs = 0;

  constructor(connection: PeerConnection) {
    this.#connection = connection;
  }

  /** The rest of the current payload has lost its place in the torrent's buffers. */
  get isInLostBlock(): boolean {
    const peer = this.#connection.swarmPeer;
    return this.#isInBlock && peer !== undefined && peer.claimSlot < 0;
  }

  /** The swarm is there now: what it missed, in its order. */
  replay(): void {
    if (this.#earlyInterest) this.onInterested();
    if (this.#earlyUnchoke) this.onUnchoke();
  }

  onHandshake(handshake: PeerHandshake): void {
    this.#connection.handleHandshake(handshake);
  }
  onChoke(): void {
    this.#earlyUnchoke = false;
    this.#change((swarm, peer, nowMs) => swarm.handleChoke(peer, nowMs));
  }
  onUnchoke(): void {
    this.#earlyUnchoke = true;
    this.#change((swarm, peer, nowMs) => swarm.handleUnchoke(peer, nowMs));
  }
  onInterested(): void {
    this.#earlyInterest = true;
    this.#change((swarm, peer, nowMs) => swarm.handleInterested(peer, nowMs));
  }
  onNotInterested(): void {
    this.#earlyInterest = false;
    this.#change((swarm, peer, nowMs) => swarm.handleNotInterested(peer, nowMs));
  }
  onBitfield(have: Bitfield): void {
    this.#with((swarm, peer, nowMs) => swarm.handleBitfield(peer, have.bytes, nowMs));
  }
  onHaveAll(): void {
    this.#with((swarm, peer, nowMs) => swarm.handleHaveAll(peer, nowMs));
  }
  onHaveNone(): void {
    this.#with((swarm, peer, nowMs) => swarm.handleHaveNone(peer, nowMs));
  }
  onDontHave(piece: number): void {
    this.#change((swarm, peer, nowMs) => swarm.handleDontHave(peer, piece, nowMs));
  }
  onReject(piece: number, begin: number, length: number): void {
    this.#with((swarm, peer, nowMs) => swarm.handleReject(peer, piece, begin, length, nowMs));
  }
  onAllowedFast(piece: number): void {
    this.#with((swarm, peer, nowMs) => swarm.handleAllowedFast(peer, piece, nowMs));
  }
  onSuggest(piece: number): void {
    this.#with((swarm, peer, nowMs) => swarm.handleSuggest(peer, piece, nowMs));
  }

  // The rest comes tens of thousands of times a second: no closures, and the time is that of the read that brought it.

  onHave(piece: number): void {
    const { owner, swarmPeer } = this.#connection;
    if (swarmPeer !== undefined)
      owner?.swarm?.handleHave(swarmPeer, piece, this.#connection.lastReceivedAtMs);
  }
  onRequest(piece: number, begin: number, length: number): void {
    const { owner, swarmPeer } = this.#connection;
    if (swarmPeer !== undefined) {
      owner?.swarm?.handleRequest(swarmPeer, piece, begin, length, this.#connection.lastReceivedAtMs);
    }
  }
  onCancel(piece: number, begin: number, length: number): void {
    const { owner, swarmPeer } = this.#connection;
    if (swarmPeer !== undefined) {
      owner?.swarm?.handleCancel(swarmPeer, piece, begin, length, this.#connection.lastReceivedAtMs);
    }
  }

  onBlockStart(piece: number, begin: number, length: number): boolean {
    const { owner, swarmPeer, wire } = this.#connection;
    const swarm = owner?.swarm;
    if (owner === undefined || swarm === undefined || swarmPeer === undefined) return false;
    const nowMs = this.#connection.lastReceivedAtMs;
    if (!swarm.claimBlock(swarmPeer, piece, begin, length, nowMs)) {
      swarm.handleUnrequested(swarmPeer, length, nowMs);
      return false;
    }
    this.#connection.firstPayloadAtMs ??= nowMs;
    wire.blockTarget = owner.slotView(swarmPeer.claimSlot);
    wire.blockOffset = swarmPeer.claimOffset;
    this.#isInBlock = true;
    return true;
  }
  onBlockEnd(piece: number, begin: number, length: number): void {
    this.#isInBlock = false;
    const { owner, swarmPeer } = this.#connection;
    if (swarmPeer !== undefined) {
      owner?.swarm?.handleBlock(swarmPeer, piece, begin, length, this.#connection.lastReceivedAtMs);
    }
  }
  onBlockAborted(piece: number, begin: number): void {
    this.#isInBlock = false;
    const { owner, swarmPeer } = this.#connection;
    if (swarmPeer !== undefined) owner?.swarm?.handleBlockAborted(swarmPeer, piece, begin);
  }

  onPort(port: number): void {
    this.#connection.owner?.onDhtPort(this.#connection, port);
  }
  onExtendedHandshake(handshake: ExtendedHandshake): void {
    this.#connection.extended = handshake;
    this.#with((swarm, peer, nowMs) => {
      if (handshake.requestQueue !== undefined) swarm.setPeerRequestLimit(peer, handshake.requestQueue);
      if (handshake.uploadOnly !== undefined) swarm.handleUploadOnly(peer, handshake.uploadOnly, nowMs);
    });
    this.#connection.owner?.onExtendedHandshake(this.#connection, handshake);
  }
  onExtended(name: string, payload: Uint8Array): void {
    this.#connection.owner?.onExtended(this.#connection, name, payload);
  }
  onKeepAlive(): void {}
  onViolation(reason: string): void {
    this.#connection.punish(`protocol violation: ${reason}`);
  }

  /** One of the messages that change much of what we plan. */
  #change(tell: (swarm: Swarm, peer: SwarmPeer, nowMs: number) => void): void {
    const nowMs = this.#connection.nowMs();
    const gained = ((nowMs - this.#changesAtMs) * CHANGES_PER_SEC) / 1000;
    this.#changesLeft = Math.min(MAX_CHANGES_AT_ONCE, this.#changesLeft + gained) - 1;
    this.#changesAtMs = nowMs;
    if (this.#changesLeft < 0) this.#connection.punish('flood of chokes, interest or pieces taken back');
    else this.#with(tell);
  }

  #with(tell: (swarm: Swarm, peer: SwarmPeer, nowMs: number) => void): void {
    const { owner, swarmPeer } = this.#connection;
    if (owner?.swarm !== undefined && swarmPeer !== undefined)
      tell(owner.swarm, swarmPeer, this.#connection.nowMs());
  }
}
