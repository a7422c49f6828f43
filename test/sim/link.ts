// One direction of a connection between two simulated nodes. Blocks go one at a time through the sender's uplink (shared
// round robin, which is fair), take the delay, queue in the receiver's downlink and arrive in order; small messages take only
// the delay but never overtake a block. Loss is delay: a retransmission holds up what follows.
import type { PeerPort } from '../../core/swarm/peer-port.ts';
import type { SwarmPeer } from '../../core/swarm/swarm-peer.ts';
import type { SimNode } from './sim-node.ts';
import type { SimWorld } from './world.ts';

/** Like a send buffer: the uplink may be this far ahead of the receiver, beyond what the line itself holds. */
const WINDOW_BLOCKS = 4;
const BLOCK_BYTES = 16_384;
/** A lost packet is noticed and sent again. */
const RETRANSMISSION_MS = 200;

export type Message =
  | { readonly kind: 'pieces'; readonly bytes: Uint8Array; readonly count: number }
  | { readonly kind: 'choke' | 'unchoke' | 'interested' | 'not-interested' }
  | { readonly kind: 'have' | 'allowed-fast' | 'suggest'; readonly piece: number }
  | {
      readonly kind: 'request' | 'cancel' | 'reject';
      readonly piece: number;
      readonly begin: number;
      readonly length: number;
    };

interface Flight {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
  /** 0 = as it should be; otherwise what was made of it. */
  readonly taint: number;
  /** Messages sent after it, with the earliest time of their arrival. */
  readonly followers: { readonly message: Message; readonly readyAtMs: number }[];
}

export class Link implements PeerPort {
  readonly #world: SimWorld;
  readonly from: SimNode;
  readonly to: SimNode;
  readonly #delayMs: number;
  readonly #lossProbability: number;
  readonly #windowBlocks: number;
  readonly #flights: Flight[] = [];
  #lastArrivalMs = 0;
  isClosed = false;
  /** In the uplink's round. */
  isQueued = false;
  /** The receiver as the sender's swarm knows it, and the sender as the receiver's does. */
  localPeer: SwarmPeer | undefined = undefined;
  remotePeer: SwarmPeer | undefined = undefined;
  /** The other direction. */
  reverse: Link | undefined = undefined;

  constructor(world: SimWorld, from: SimNode, to: SimNode) {
    this.#world = world;
    this.from = from;
    this.to = to;
    this.#delayMs = from.options.delayMs + to.options.delayMs;
    this.#lossProbability = from.options.lossProbability ?? 0;
    const bytesInFlight = (from.options.upBytesPerSec / 1000) * 2 * this.#delayMs;
    this.#windowBlocks = WINDOW_BLOCKS + Math.ceil(bytesInFlight / BLOCK_BYTES);
  }

  get hasRoom(): boolean {
    return this.#flights.length < this.#windowBlocks;
  }

  // --- PeerPort

  sendPieces(have: { bytes: Uint8Array; count: number }): void {
    this.#send({ kind: 'pieces', bytes: have.bytes.slice(), count: have.count });
  }
  sendChoke(): void {
    this.#send({ kind: 'choke' });
  }
  sendUnchoke(): void {
    this.#send({ kind: 'unchoke' });
  }
  sendInterested(): void {
    this.#send({ kind: 'interested' });
  }
  sendNotInterested(): void {
    this.#send({ kind: 'not-interested' });
  }
  sendHave(piece: number): void {
    this.#send({ kind: 'have', piece });
  }
  sendRequest(piece: number, begin: number, length: number): void {
    this.#send({ kind: 'request', piece, begin, length });
  }
  sendCancel(piece: number, begin: number, length: number): void {
    this.#send({ kind: 'cancel', piece, begin, length });
  }
  sendReject(piece: number, begin: number, length: number): void {
    this.#send({ kind: 'reject', piece, begin, length });
  }
  sendAllowedFast(piece: number): void {
    this.#send({ kind: 'allowed-fast', piece });
  }
  sendSuggest(piece: number): void {
    this.#send({ kind: 'suggest', piece });
  }
  uploadsReady(): void {
    this.from.enqueueUpload(this);
  }
  disconnect(reason: string): void {
    this.#world.note('disconnect', this.from.index, this.to.index);
    this.from.noteDisconnect(reason);
    this.#world.queue.after(0, () => this.close());
  }

  /** Both directions, now here and a delay later there. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.localPeer !== undefined) this.from.removePeer(this.localPeer);
    const { reverse } = this;
    if (reverse !== undefined) this.#world.queue.after(this.#delayMs, () => reverse.close());
  }

  // --- payload

  /** It enters the uplink now; call `launch` when its last byte has left. */
  load(piece: number, begin: number, length: number, taint: number): void {
    this.#flights.push({ piece, begin, length, taint, followers: [] });
  }

  launch(length: number): void {
    const { queue, rng } = this.#world;
    const lossMs = this.#lossProbability > 0 && rng.next() < this.#lossProbability ? RETRANSMISSION_MS : 0;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, queue.nowMs + this.#delayMs + lossMs);
    queue.at(this.#lastArrivalMs, () => {
      queue.at(this.to.bookDownlink(length), () => this.#deliver());
    });
  }

  #deliver(): void {
    const flight = this.#flights.shift();
    if (flight === undefined) return;
    if (!this.isClosed && this.reverse?.isClosed === false && this.remotePeer !== undefined) {
      this.to.receiveBlock(this.remotePeer, flight.piece, flight.begin, flight.length, flight.taint);
    }
    for (const { message, readyAtMs } of flight.followers) {
      if (readyAtMs <= this.#world.queue.nowMs) this.#receive(message);
      else this.#world.queue.at(readyAtMs, () => this.#receive(message));
    }
    if (!this.isClosed) this.from.enqueueUpload(this);
  }

  #send(message: Message): void {
    if (this.isClosed) return;
    const readyAtMs = this.#world.queue.nowMs + this.#delayMs;
    const last = this.#flights.at(-1);
    if (last !== undefined) last.followers.push({ message, readyAtMs });
    else this.#world.queue.at(readyAtMs, () => this.#receive(message));
  }

  #receive(message: Message): void {
    if (this.reverse?.isClosed !== false || this.remotePeer === undefined) return;
    this.to.receive(this.remotePeer, message);
  }
}
