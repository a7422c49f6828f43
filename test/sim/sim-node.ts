// A node of the simulation: the real Swarm behind a fake carrier. Blocks are tokens, the disk is a delay, and the hash looks
// whether any block of the piece was tainted.
import { Bitfield } from '../../core/base/bitfield.ts';
import { seededRng } from '../../core/base/clock.ts';
import { BLOCK_BYTES } from '../../core/metainfo/layout.ts';
import type { PickPolicy } from '../../core/pieces/policy.ts';
import type { ChokePolicy } from '../../core/swarm/choke-policy.ts';
import { Swarm } from '../../core/swarm/swarm.ts';
import type { SwarmPeer } from '../../core/swarm/swarm-peer.ts';
import type { Link, Message } from './link.ts';
import type { SimWorld } from './world.ts';

const DIGEST_BYTES = 20;
const SEGMENT_BYTES = 1 << 20;
/** BEP 10 `reqq`, as the session tells it. */
const REQUEST_LIMIT = 2000;
const DEFAULT_SLOT_BYTES = 64 << 20;

export interface SimNodeOptions {
  readonly upBytesPerSec: number;
  readonly downBytesPerSec: number;
  /** One way, of its own access line; a path has the sum of two. */
  readonly delayMs: number;
  readonly isSeed?: boolean;
  readonly have?: Bitfield;
  readonly lossProbability?: number;
  /** Hash and write. */
  readonly storageDelayMs?: number;
  readonly slotBytes?: number;
  readonly chokePolicy?: ChokePolicy;
  readonly pickPolicy?: PickPolicy;
  /** 0: a free rider. */
  readonly uploadSlots?: number;
  /** Share of blocks it spoils. */
  readonly taintProbability?: number;
  /** After so many blocks it goes on talking and sends no more. */
  readonly stallAfterBlocks?: number;
  readonly hasFast?: boolean;
  readonly allowedFastPieces?: (host: string) => readonly number[];
}

export class SimNode {
  readonly index: number;
  readonly options: SimNodeOptions;
  readonly swarm: Swarm;
  readonly host: string;
  /** undefined until it has everything. */
  completedAtMs: number | undefined = undefined;
  readonly banned: string[] = [];
  readonly disconnects = new Map<string, number>();
  sentBlocks = 0;
  /** Hosts that sent it a spoilt block which it took. */
  readonly tainters = new Set<string>();
  readonly #world: SimWorld;
  readonly #links = new Map<SwarmPeer, Link>();
  readonly #freeSlots: number[] = [];
  #lackedSlot = false;
  /** By open piece: what is wrong with each block, and bytes still to come from the disk. */
  readonly #taints = new Map<number, Int32Array>();
  readonly #unwritten = new Map<number, number>();
  readonly #uplink: Link[] = [];
  #isUplinkBusy = false;
  #downlinkFreeAtMs = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #nextTaint = 1;

  constructor(world: SimWorld, index: number, options: SimNodeOptions) {
    this.#world = world;
    this.index = index;
    this.options = options;
    this.host = `node-${index}`;
    const { layout } = world;
    const have = options.isSeed
      ? Bitfield.full(layout.pieceCount)
      : (options.have ?? new Bitfield(layout.pieceCount));
    const segmentBytes = Math.min(layout.pieceLength, SEGMENT_BYTES);
    const slotCount = Math.max(2, Math.floor((options.slotBytes ?? DEFAULT_SLOT_BYTES) / segmentBytes));
    for (let slot = slotCount - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
    this.swarm = new Swarm({
      layout,
      have,
      segmentBytes,
      slots: { acquire: () => this.#acquire(), release: (slot) => this.#release(slot) },
      rng: seededRng(world.seed * 65_537 + index),
      events: {
        onSegmentFilled: (piece, _segment, slot, length, wantDigests) =>
          this.#store(piece, slot, length, wantDigests),
        onBan: (host) => this.banned.push(host),
        onCompleted: () => {
          this.completedAtMs = world.queue.nowMs;
        },
      },
      ...(options.chokePolicy === undefined ? {} : { chokePolicy: options.chokePolicy }),
      ...(options.pickPolicy === undefined ? {} : { pickPolicy: options.pickPolicy }),
      ...(options.allowedFastPieces === undefined ? {} : { allowedFastPieces: options.allowedFastPieces }),
    });
    if (options.uploadSlots !== undefined) this.swarm.setUploadSlots(options.uploadSlots, 0);
  }

  get connectionCount(): number {
    return this.#links.size;
  }

  isConnectedTo(other: SimNode): boolean {
    for (const link of this.#links.values()) if (link.to === other) return true;
    return false;
  }

  // --- peers

  addPeer(link: Link, isIncoming: boolean): SwarmPeer {
    const hasFast = (this.options.hasFast ?? true) && (link.to.options.hasFast ?? true);
    const peer = this.swarm.addPeer(link, { host: link.to.host, isIncoming, hasFast }, this.#nowMs);
    this.swarm.setPeerRequestLimit(peer, REQUEST_LIMIT);
    this.#links.set(peer, link);
    this.#settle();
    return peer;
  }

  removePeer(peer: SwarmPeer): void {
    this.#links.delete(peer);
    this.swarm.removePeer(peer, this.#nowMs);
    this.#settle();
  }

  /** It goes away without a word. */
  leave(): void {
    for (const link of [...this.#links.values()]) link.close();
  }

  noteDisconnect(reason: string): void {
    this.disconnects.set(reason, (this.disconnects.get(reason) ?? 0) + 1);
  }

  receive(peer: SwarmPeer, message: Message): void {
    const { swarm } = this;
    const nowMs = this.#nowMs;
    switch (message.kind) {
      case 'pieces':
        if (!peer.facts.hasFast) swarm.handleBitfield(peer, message.bytes, nowMs);
        else if (message.count === this.#world.layout.pieceCount) swarm.handleHaveAll(peer, nowMs);
        else if (message.count === 0) swarm.handleHaveNone(peer, nowMs);
        else swarm.handleBitfield(peer, message.bytes, nowMs);
        break;
      case 'choke':
        swarm.handleChoke(peer, nowMs);
        break;
      case 'unchoke':
        swarm.handleUnchoke(peer, nowMs);
        break;
      case 'interested':
        swarm.handleInterested(peer, nowMs);
        break;
      case 'not-interested':
        swarm.handleNotInterested(peer, nowMs);
        break;
      case 'have':
        swarm.handleHave(peer, message.piece, nowMs);
        break;
      case 'allowed-fast':
        swarm.handleAllowedFast(peer, message.piece, nowMs);
        break;
      case 'suggest':
        swarm.handleSuggest(peer, message.piece, nowMs);
        break;
      case 'request':
        swarm.handleRequest(peer, message.piece, message.begin, message.length, nowMs);
        break;
      case 'cancel':
        swarm.handleCancel(peer, message.piece, message.begin, message.length, nowMs);
        break;
      case 'reject':
        swarm.handleReject(peer, message.piece, message.begin, message.length, nowMs);
        break;
    }
    this.#settle();
  }

  receiveBlock(peer: SwarmPeer, piece: number, begin: number, length: number, taint: number): void {
    const nowMs = this.#nowMs;
    this.#world.note('block', this.index, piece, begin);
    if (this.swarm.claimBlock(peer, piece, begin, length, nowMs)) {
      this.#taintsOf(piece)[begin / BLOCK_BYTES] = taint;
      if (taint !== 0) this.tainters.add(peer.facts.host);
      this.swarm.handleBlock(peer, piece, begin, length, nowMs);
    } else {
      this.swarm.handleUnrequested(peer, length, nowMs);
    }
    this.#settle();
  }

  // --- lines

  /** Has (or may have) something to send. */
  enqueueUpload(link: Link): void {
    if (!link.isQueued) {
      link.isQueued = true;
      this.#uplink.push(link);
    }
    this.#pump();
  }

  /** @returns when the last byte is through */
  bookDownlink(bytes: number): number {
    const startMs = Math.max(this.#nowMs, this.#downlinkFreeAtMs);
    this.#downlinkFreeAtMs = startMs + (bytes * 1000) / this.options.downBytesPerSec;
    return this.#downlinkFreeAtMs;
  }

  #pump(): void {
    while (!this.#isUplinkBusy) {
      const link = this.#uplink.shift();
      if (link === undefined) return;
      link.isQueued = false;
      if (link.isClosed || link.localPeer === undefined || !link.hasRoom || this.#isStalled) continue;
      const request = this.swarm.nextUpload(link.localPeer);
      if (request === undefined) continue;
      this.#transmit(link, request.piece, request.begin, request.length);
    }
  }

  get #isStalled(): boolean {
    return this.sentBlocks >= (this.options.stallAfterBlocks ?? Number.POSITIVE_INFINITY);
  }

  #transmit(link: Link, piece: number, begin: number, length: number): void {
    const spoilProbability = this.options.taintProbability ?? 0;
    const isTainted = spoilProbability > 0 && this.#world.rng.next() < spoilProbability;
    this.sentBlocks++;
    this.#isUplinkBusy = true;
    link.load(piece, begin, length, isTainted ? this.index * 1_000_003 + this.#nextTaint++ : 0);
    this.#world.queue.after((length * 1000) / this.options.upBytesPerSec, () => {
      this.#isUplinkBusy = false;
      link.launch(length);
      if (link.localPeer !== undefined && !link.isClosed) {
        this.swarm.handleUploaded(link.localPeer, length, this.#nowMs);
        if (!link.isQueued) {
          link.isQueued = true;
          this.#uplink.push(link);
        }
      }
      this.#pump();
    });
  }

  // --- disk

  #acquire(): number {
    const slot = this.#freeSlots.pop();
    if (slot === undefined) this.#lackedSlot = true;
    return slot ?? -1;
  }

  #release(slot: number): void {
    this.#freeSlots.push(slot);
    if (!this.#lackedSlot) return;
    this.#lackedSlot = false;
    this.#world.queue.after(0, () => {
      this.swarm.handleSlotsAvailable(this.#nowMs);
      this.#settle();
    });
  }

  #taintsOf(piece: number): Int32Array {
    let taints = this.#taints.get(piece);
    if (taints === undefined) {
      taints = new Int32Array(this.#world.layout.blockCount(piece));
      this.#taints.set(piece, taints);
    }
    return taints;
  }

  #store(piece: number, slot: number, length: number, wantDigests: boolean): void {
    this.#world.queue.after(this.options.storageDelayMs ?? 5, () => {
      this.#release(slot);
      const left = (this.#unwritten.get(piece) ?? this.#world.layout.pieceSize(piece)) - length;
      this.#unwritten.set(piece, left);
      if (left > 0) return;
      this.#unwritten.delete(piece);
      const taints = this.#taintsOf(piece);
      this.#taints.delete(piece);
      this.#judge(piece, taints, wantDigests);
      this.#settle();
    });
  }

  #judge(piece: number, taints: Int32Array, wantDigests: boolean): void {
    const digests = new Uint8Array(taints.length * DIGEST_BYTES);
    const view = new DataView(digests.buffer);
    for (const [block, taint] of taints.entries()) view.setInt32(block * DIGEST_BYTES, taint);
    if (taints.every((taint) => taint === 0)) {
      this.#world.note('verified', this.index, piece);
      (this.#world.copies as Int32Array)[piece]!++;
      this.swarm.handlePieceVerified(piece, wantDigests ? digests : undefined, this.#nowMs);
    } else {
      this.#world.note('failed', this.index, piece);
      this.swarm.handlePieceFailed(piece, digests, this.#nowMs);
    }
  }

  // --- time

  get #nowMs(): number {
    return this.#world.queue.nowMs;
  }

  #settle(): void {
    this.swarm.flush(this.#nowMs);
    const dueMs = this.swarm.nextTimeoutMs();
    if (dueMs >= this.#timerAtMs) return;
    this.#timerAtMs = dueMs;
    this.#world.queue.at(dueMs, () => {
      if (this.#timerAtMs !== dueMs) return;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      if (this.swarm.nextTimeoutMs() <= this.#nowMs) this.swarm.handleTimeout(this.#nowMs);
      this.#settle();
    });
  }
}
