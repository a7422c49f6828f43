// Blocks in: what we ask of whom, where it lands, what is late. Invariant: the active requests in a peer's ring are those
// the picker holds as outstanding at it; that holds one more when a request lapsed while its block is arriving. Nothing here
// allocates per block.
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import { PICK_STRIDE } from '../pieces/picker-types.ts';
import type { DisconnectReason } from './peer-port.ts';
import { MAX_DEPTH, USUAL_MAX_DEPTH } from './pipeline.ts';
import type { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons } from './swarm-types.ts';

/** Timeouts are looked for at most this often. */
const MIN_SWEEP_MS = 250;
/** An idle peer asks again after this: requests of others grow old, and may then be doubled. */
const IDLE_RETRY_MS = 1000;
/** Without a block this long: snubbed (shown, picks from the common end). */
const SNUB_MS = 20_000;
/** The only peer there is, silent, is asked for one block this often: what it was asked before may be lost. */
const PROBE_MS = 20_000;
/** A whole piece within this: fast. */
const FAST_PIECE_MS = 20_000;
/** A whole piece takes longer than this: slow. */
const SLOW_PIECE_MS = 120_000;
/** A peer that unchoked us and refuses this often in a row is asked one block at a time ... */
const REJECTS_BEFORE_CARE = 64;
/** ... and then let go: it costs a slot of ours and gives nothing. */
const REJECTS_BEFORE_END = 600;
/** Cancels and chokes cross with up to a full pipeline of blocks; more than twice that is an attack. */
const MAX_UNREQUESTED_BYTES = 2 * USUAL_MAX_DEPTH * BLOCK_BYTES;

export class Downloads {
  readonly #commons: SwarmCommons;
  readonly #end: (peer: SwarmPeer, reason: DisconnectReason) => void;
  readonly #isWatching: (piece: number) => boolean;
  readonly #picked = new Int32Array(MAX_DEPTH * PICK_STRIDE);
  /** Peers with lapsed requests: a block that comes from elsewhere must be cancelled at these too. */
  readonly #lapsedPeers = new Set<SwarmPeer>();
  #isAllowed = true;
  /** Blocks went back: peers that had nothing to ask for may have now. */
  #isRefillDue = false;
  /** The last pick found no slot: until one comes back, only who has nothing at all under way asks. */
  #isShortOfSlots = false;
  /** Who is served first when slots come back: everybody in turn. */
  #turn = 0;
  #nextSweepMs = Number.POSITIVE_INFINITY;
  duplicateBytes = 0;
  unrequestedBytes = 0;

  constructor(
    commons: SwarmCommons,
    isWatching: (piece: number) => boolean,
    end: (peer: SwarmPeer, reason: DisconnectReason) => void,
  ) {
    this.#commons = commons;
    this.#isWatching = isWatching;
    this.#end = end;
  }

  get isAllowed(): boolean {
    return this.#isAllowed;
  }

  get isRefillDue(): boolean {
    return this.#isRefillDue;
  }

  get nextSweepMs(): number {
    return this.#nextSweepMs;
  }

  setAllowed(allowed: boolean): void {
    this.#isAllowed = allowed;
    if (!allowed) return;
    for (const peer of this.#commons.peers) peer.isHungry = true;
    this.#isRefillDue = true;
  }

  /** Something that others may take came free, or became wanted. */
  noteBlocksFree(): void {
    this.#isRefillDue = true;
  }

  // --- asking

  /** Keeps this peer's pipeline full. @param isProbe one block, whatever it owes, and asked for anew */
  fill(peer: SwarmPeer, nowMs: number, isProbe = false): void {
    if (!this.#mayAsk(peer)) return;
    const depth = peer.pipeline.depth;
    const waiting = peer.requests.size;
    if (
      !isProbe &&
      waiting > 0 &&
      (this.#isShortOfSlots || waiting > depth * peer.pipeline.pace.refillBelow)
    ) {
      peer.isHungry = this.#isShortOfSlots;
      return;
    }
    const wanted = isProbe ? 1 : Math.min(depth - waiting, MAX_DEPTH);
    if (wanted <= 0) return;
    const { picker, layout } = this.#commons;
    const picked = this.#picked;
    const count = picker.pick(peer, wanted, picked, nowMs);
    peer.isHungry = count < wanted;
    // Slow peers have a share of their own that may be used up while the pool is not.
    if (!picker.lackedSlots) this.#isShortOfSlots = false;
    else if (peer.speed !== 'slow' && !peer.isSnubbed) this.#isShortOfSlots = true;
    for (let i = 0; i < count * PICK_STRIDE; i += PICK_STRIDE) {
      const piece = picked[i] as number;
      const block = picked[i + 1] as number;
      // It was asked for this once and may still be about to send it.
      const lapsed = peer.requests.lapsedCount === 0 ? -1 : peer.requests.find(piece, block);
      peer.pipeline.noteRequest(peer.requests.activeCount, nowMs);
      if (lapsed >= 0 && !isProbe) {
        peer.requests.renew(lapsed);
        continue;
      }
      if (lapsed >= 0) peer.requests.removeAt(lapsed);
      peer.requests.push(piece, block, nowMs);
      peer.port.sendRequest(piece, block * BLOCK_BYTES, layout.blockSize(piece, block));
    }
    const dueMs = count > 0 ? peer.pipeline.deadlineMs : nowMs + IDLE_RETRY_MS;
    this.#nextSweepMs = Math.min(this.#nextSweepMs, dueMs);
  }

  /** When the only peer that lets us ask, silent for long, is asked all the same. With others it would only take their buffers. */
  #probeAtMs(peer: SwarmPeer, askableCount: number): number {
    const { requests, isSnubbed, pipeline, claimSlot } = peer;
    const isSilent = isSnubbed && claimSlot < 0 && requests.activeCount === 0;
    if (!isSilent || askableCount > 1 || !this.#mayAsk(peer)) return Number.POSITIVE_INFINITY;
    return pipeline.lastRequestMs + PROBE_MS;
  }

  #mayAsk(peer: SwarmPeer): boolean {
    if (!this.#isAllowed || !peer.amInterested || peer.isEnding) return false;
    return !peer.peerChoking || peer.allowedFast.size > 0;
  }

  /** For all who had too little to ask for. */
  refillHungry(nowMs: number): void {
    this.#isRefillDue = false;
    const hungry = [...this.#commons.peers].filter(({ isHungry }) => isHungry);
    for (let i = 0; i < hungry.length; i++) {
      this.fill(hungry[(this.#turn + i) % hungry.length] as SwarmPeer, nowMs);
      if (!this.#isShortOfSlots) continue;
      this.#turn += i;
      return;
    }
  }

  handleSlotsAvailable(): void {
    this.#isShortOfSlots = false;
    this.#isRefillDue = true;
  }

  // --- payload

  claim(peer: SwarmPeer, piece: number, begin: number, length: number, nowMs: number): boolean {
    const claim = this.#commons.picker.claim(peer.id, piece, begin, length, nowMs);
    if (claim.outcome !== 'wanted') {
      peer.claimSlot = -1;
      peer.isClaimDuplicate = claim.outcome === 'duplicate';
      return false;
    }
    peer.claimSlot = claim.slot;
    peer.claimOffset = claim.offset;
    if (claim.revokedPeer >= 0) {
      const loser = this.#commons.peersById.get(claim.revokedPeer);
      if (loser !== undefined) this.#loseClaim(loser, piece, begin / BLOCK_BYTES);
    }
    return true;
  }

  /** Its request ends here, not with the last byte: until then the same block may be asked of it anew. */
  #loseClaim(peer: SwarmPeer, piece: number, block: number): void {
    peer.claimSlot = -1;
    const index = peer.requests.find(piece, block);
    if (index >= 0) peer.requests.removeAt(index);
    peer.isHungry = true;
    this.#isRefillDue = true;
  }

  handleBlock(peer: SwarmPeer, piece: number, begin: number, length: number, nowMs: number): void {
    const block = begin / BLOCK_BYTES;
    this.#noteArrival(peer, peer.claimSlot < 0 ? -1 : peer.requests.find(piece, block), length, nowMs);
    peer.claimSlot = -1;
    const receipt = this.#commons.picker.receiveBlock(peer.id, piece, block, nowMs);
    if (receipt.isNew) {
      for (const id of receipt.cancelPeers) this.#cancelAt(id, piece, block);
      if (this.#lapsedPeers.size > 0) this.#cancelLapsed(piece, block);
      if (receipt.filledSlot >= 0) this.#announceSegment(piece, receipt);
    } else {
      this.duplicateBytes += length;
    }
    this.fill(peer, nowMs);
  }

  /** Payload that was refused at its header, or taken away since. */
  handleUnrequested(peer: SwarmPeer, bytes: number, nowMs: number): void {
    if (peer.isClaimDuplicate) {
      this.duplicateBytes += bytes;
      peer.pipeline.noteSignOfLife(nowMs);
      return;
    }
    this.unrequestedBytes += bytes;
    peer.unrequestedBytes += bytes;
    if (peer.unrequestedBytes > MAX_UNREQUESTED_BYTES) this.#end(peer, 'flood');
  }

  // --- answers that are not payload

  handleChoke(peer: SwarmPeer): void {
    // BEP 6: a fast peer answers every request, with a block or a reject; others drop them all.
    if (peer.facts.hasFast) return;
    if (this.#commons.picker.abandonPeer(peer.id) > 0) this.#isRefillDue = true;
    peer.requests.clear();
    this.#lapsedPeers.delete(peer);
  }

  handleUnchoke(peer: SwarmPeer, nowMs: number): void {
    peer.pipeline.noteUnchoke();
    peer.isSnubbed = false;
    this.fill(peer, nowMs);
  }

  handleReject(peer: SwarmPeer, piece: number, begin: number, nowMs: number): void {
    const block = begin / BLOCK_BYTES;
    const index = peer.requests.find(piece, block);
    if (index < 0) return;
    peer.requests.removeAt(index);
    // Also when it had lapsed: then it was all that kept this peer from being asked again.
    this.#commons.picker.abandonBlock(peer.id, piece, block);
    this.#isRefillDue = true;
    if (peer.peerChoking) {
      peer.allowedFast.delete(piece);
      return;
    }
    peer.rejectCount++;
    if (peer.rejectCount === REJECTS_BEFORE_CARE) peer.pipeline.noteStall(nowMs);
    if (peer.rejectCount >= REJECTS_BEFORE_END) this.#end(peer, 'not-useful');
    peer.isHungry = true;
  }

  removePeer(peer: SwarmPeer): void {
    if (peer.requests.size > 0) this.#isRefillDue = true;
    this.#commons.picker.removePeer(peer.id);
    peer.requests.clear();
    this.#lapsedPeers.delete(peer);
  }

  /** Nothing of this piece is wanted any more: takes back what is asked. */
  cancelPiece(piece: number): void {
    const found: [number, number][] = [];
    this.#commons.picker.visitRequests(piece, (peerId, block) => found.push([peerId, block]));
    for (const [peerId, block] of found) {
      this.#cancelAt(peerId, piece, block);
      this.#commons.picker.abandonBlock(peerId, piece, block);
    }
  }

  // --- lateness

  handleTimeout(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    let next = Number.POSITIVE_INFINITY;
    let askableCount = 0;
    for (const peer of this.#commons.peers) if (this.#mayAsk(peer)) askableCount++;
    for (const peer of this.#commons.peers) {
      if (peer.requests.size === 0) {
        if (!this.#mayAsk(peer)) continue;
        this.fill(peer, nowMs);
        next = Math.min(next, nowMs + IDLE_RETRY_MS);
        continue;
      }
      if (peer.requests.activeCount > 0 && nowMs >= peer.pipeline.deadlineMs) this.#lapse(peer, nowMs);
      const snubAtMs = peer.pipeline.lastProgressMs + SNUB_MS;
      if (!peer.isSnubbed && nowMs >= snubAtMs && peer.pipeline.isStalled) peer.isSnubbed = true;
      const probeAtMs = this.#probeAtMs(peer, askableCount);
      if (nowMs >= probeAtMs) this.fill(peer, nowMs, true);
      if (peer.requests.activeCount > 0) next = Math.min(next, peer.pipeline.deadlineMs);
      next = Math.min(next, Math.max(nowMs + IDLE_RETRY_MS, probeAtMs));
      if (peer.pipeline.isStalled && !peer.isSnubbed) next = Math.min(next, snubAtMs);
    }
    this.#nextSweepMs = next === Number.POSITIVE_INFINITY ? next : Math.max(next, nowMs + MIN_SWEEP_MS);
  }

  /** Its blocks are free for others; one that comes late still counts. */
  #lapse(peer: SwarmPeer, nowMs: number): void {
    for (let i = 0; i < peer.requests.size; i++) peer.requests.lapse(i);
    peer.requests.forgetPassedOver();
    if (peer.requests.lapsedCount > 0) this.#lapsedPeers.add(peer);
    this.#commons.picker.abandonPeer(peer.id);
    peer.pipeline.noteStall(nowMs);
    peer.isHungry = true;
    this.#isRefillDue = true;
  }

  /** @param index of the request in the peer's ring; -1 when there is none any more */
  #noteArrival(peer: SwarmPeer, index: number, length: number, nowMs: number): void {
    let sentAtMs: number | undefined;
    if (index >= 0) {
      sentAtMs = peer.requests.sentAtMsAt(index);
      peer.requests.answerAt(index);
      if (peer.requests.lapsedCount > 0) peer.requests.forgetPassedOver();
      if (peer.requests.lapsedCount === 0) this.#lapsedPeers.delete(peer);
    }
    peer.pipeline.noteBlock(length, sentAtMs, nowMs);
    peer.lastBlockAtMs = nowMs;
    peer.isSnubbed = false;
    peer.rejectCount = 0;
    peer.speed = this.#speedOf(peer);
    peer.down.add(length, nowMs);
    this.#commons.down.add(length, nowMs);
  }

  #speedOf(peer: SwarmPeer): 'fast' | 'medium' | 'slow' {
    const rate = peer.pipeline.rateBytesPerSec;
    if (rate === 0) return 'medium';
    const pieceMs = (this.#commons.layout.pieceLength * 1000) / rate;
    if (pieceMs <= FAST_PIECE_MS) return 'fast';
    return pieceMs > SLOW_PIECE_MS ? 'slow' : 'medium';
  }

  #cancelAt(peerId: number, piece: number, block: number): void {
    const peer = this.#commons.peersById.get(peerId);
    if (peer === undefined) return;
    const index = peer.requests.find(piece, block);
    if (index < 0) return;
    peer.requests.removeAt(index);
    if (!peer.isEnding) {
      peer.port.sendCancel(piece, block * BLOCK_BYTES, this.#commons.layout.blockSize(piece, block));
    }
    peer.isHungry = true;
    this.#isRefillDue = true;
  }

  #cancelLapsed(piece: number, block: number): void {
    for (const peer of this.#lapsedPeers) {
      this.#cancelAt(peer.id, piece, block);
      if (peer.requests.lapsedCount === 0) this.#lapsedPeers.delete(peer);
    }
  }

  #announceSegment(
    piece: number,
    receipt: { filledSlot: number; segmentBegin: number; segmentLength: number },
  ): void {
    const { filledSlot, segmentBegin, segmentLength } = receipt;
    const segment = Math.floor(segmentBegin / this.#commons.segmentBytes);
    this.#commons.events.onSegmentFilled(piece, segment, filledSlot, segmentLength, this.#isWatching(piece));
  }
}
