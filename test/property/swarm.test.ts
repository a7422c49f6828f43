// Any order of anything a carrier may say to a swarm: nothing throws, the books agree, nothing is said to who was told to go,
// and afterwards an honest seed still completes the download.

import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../core/metainfo/layout.ts';
import fc from '../support/property.ts';
import { type RigPeer, SwarmRig } from '../support/swarm-rig.ts';

const PIECES = 6;
const BLOCKS = 3;
const MAX_PEERS = 6;

const command = fc.record({
  kind: fc.constantFrom(
    'join',
    'join-plain',
    'leave',
    'choke',
    'unchoke',
    'interested',
    'not-interested',
    'have',
    'dont-have',
    'bitfield',
    'have-all',
    'have-none',
    'allowed-fast',
    'suggest',
    'answer',
    'answer',
    'answer',
    'claim',
    'finish',
    'reject',
    'stray-block',
    'request',
    'cancel',
    'upload',
    'verify',
    'verify',
    'fail',
    'disk-fail',
    'lose',
    'priority',
    'allow',
    'slots',
    'wait',
    'flush',
  ),
  who: fc.nat(MAX_PEERS - 1),
  piece: fc.integer({ min: -1, max: PIECES }),
  block: fc.nat(BLOCKS),
  value: fc.nat(255),
});
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

class Monkey {
  readonly rig: SwarmRig;
  readonly peers: RigPeer[] = [];
  readonly #claims = new Map<RigPeer, { piece: number; begin: number; length: number }>();

  constructor() {
    this.rig = new SwarmRig({
      pieceCount: PIECES,
      blocksPerPiece: BLOCKS,
      slotCount: 3,
      segmentBytes: 2 * BLOCK_BYTES,
      allowedFastPieces: () => [0, 1],
    });
  }

  obey({ kind, who, piece, block, value }: Command): void {
    const { rig } = this;
    const { swarm, nowMs } = rig;
    const begin = block * BLOCK_BYTES;
    const known = Math.max(0, Math.min(PIECES - 1, piece));
    if (kind === 'join' || kind === 'join-plain') {
      if (this.peers.length < MAX_PEERS) {
        this.peers.push(rig.join({ hasFast: kind === 'join', host: `host-${value % 8}` }));
      }
      return;
    }
    const at = this.peers[who];
    switch (kind) {
      case 'verify':
      case 'fail':
      case 'disk-fail':
        this.#judge(kind, value);
        return;
      case 'lose':
        if (swarm.have.has(known)) swarm.handlePieceLost(known, nowMs);
        return;
      case 'priority':
        if (value % 2 === 0) swarm.setPiecePriority(known, (value % 8) as 0, nowMs);
        else
          swarm.setPiecePriorities(
            Array.from({ length: PIECES }, (_, index) => (value >> index) & 7),
            nowMs,
          );
        return;
      case 'allow':
        swarm.setDownloadingAllowed(value % 3 > 0, nowMs);
        return;
      case 'slots':
        swarm.setUploadSlots(value % 4 === 0 ? undefined : value % 4, nowMs);
        return;
      case 'wait':
        rig.advance(value * 100);
        return;
      case 'flush':
        swarm.flush(nowMs);
        return;
      default:
        if (at !== undefined) this.#say(kind, at, { piece, known, begin, value });
    }
  }

  #say(
    kind: Command['kind'],
    at: RigPeer,
    { piece, known, begin, value }: { piece: number; known: number; begin: number; value: number },
  ): void {
    const { rig } = this;
    const { swarm, nowMs } = rig;
    const { peer, port } = at;
    const claim = this.#claims.get(at);
    switch (kind) {
      case 'leave':
        if (claim !== undefined) swarm.handleBlockAborted(peer, claim.piece, claim.begin);
        this.#claims.delete(at);
        swarm.removePeer(peer, nowMs);
        this.peers.splice(this.peers.indexOf(at), 1);
        break;
      case 'choke':
        swarm.handleChoke(peer, nowMs);
        if (!peer.facts.hasFast) port.requests.length = 0;
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
        swarm.handleHave(peer, piece, nowMs);
        break;
      case 'dont-have':
        swarm.handleDontHave(peer, known, nowMs);
        break;
      case 'bitfield':
        swarm.handleBitfield(peer, Uint8Array.of(value & (value % 5 === 0 ? 0xff : 0xfc)), nowMs);
        break;
      case 'have-all':
        swarm.handleHaveAll(peer, nowMs);
        break;
      case 'have-none':
        swarm.handleHaveNone(peer, nowMs);
        break;
      case 'allowed-fast':
        swarm.handleAllowedFast(peer, known, nowMs);
        break;
      case 'suggest':
        swarm.handleSuggest(peer, known, nowMs);
        break;
      case 'answer':
        if (claim === undefined) rig.answer(at, 1 + (value % 4));
        break;
      case 'claim': {
        const request = port.requests[0];
        if (request === undefined || claim !== undefined) break;
        if (!swarm.claimBlock(peer, request.piece, request.begin, request.length, nowMs)) break;
        port.requests.shift();
        this.#claims.set(at, request);
        break;
      }
      case 'finish':
        if (claim === undefined) break;
        this.#claims.delete(at);
        swarm.handleBlock(peer, claim.piece, claim.begin, claim.length, nowMs);
        break;
      case 'reject': {
        const request = port.requests.shift();
        if (request !== undefined)
          swarm.handleReject(peer, request.piece, request.begin, request.length, nowMs);
        break;
      }
      case 'stray-block':
        if (claim === undefined)
          rig.send(at, { piece, begin, length: value % 2 === 0 ? BLOCK_BYTES : value });
        break;
      case 'request':
        swarm.handleRequest(peer, piece, begin, BLOCK_BYTES, nowMs);
        break;
      case 'cancel':
        swarm.handleCancel(peer, piece, begin, BLOCK_BYTES, nowMs);
        break;
      case 'upload':
        if (swarm.nextUpload(peer) !== undefined) swarm.handleUploaded(peer, BLOCK_BYTES, nowMs);
        break;
      default:
    }
  }

  /** The disk has written what it has; a piece is judged when its last segment is. */
  #judge(kind: 'verify' | 'fail' | 'disk-fail', value: number): void {
    const { rig } = this;
    const filled = rig.filled.splice(0);
    rig.slotsInUse -= filled.length;
    for (const { piece } of filled) {
      const isWhole = rig.swarm.picker.contributors(piece).every((id) => id >= 0);
      if (!isWhole || rig.swarm.have.has(piece) || !rig.swarm.picker.openPieces().includes(piece)) continue;
      const digests = new Uint8Array(BLOCKS * 20).fill(kind === 'fail' ? value : 0);
      if (kind === 'verify') rig.swarm.handlePieceVerified(piece, digests, rig.nowMs);
      else rig.swarm.handlePieceFailed(piece, kind === 'fail' ? digests : undefined, rig.nowMs);
    }
    rig.swarm.handleSlotsAvailable(rig.nowMs);
  }

  check(): void {
    const { swarm } = this.rig;
    swarm.picker.checkInvariants();
    expect(swarm.peers.size).toBe(this.peers.length);
    let unchoked = 0;
    for (const at of this.peers) {
      const { peer, port } = at;
      // A block in the middle of arriving stays its peer's, late or not, until somebody else begins to bring it.
      const arriving = swarm.picker.outstandingOf(peer.id) - peer.requests.activeCount;
      expect(arriving === 0 || (arriving === 1 && peer.claimSlot >= 0)).toBe(true);
      expect(peer.neededCount).toBe(swarm.picker.countNeeded(peer.pieces));
      if (!peer.isEnding) expect(peer.amInterested).toBe(peer.neededCount > 0);
      expect(peer.amChoking).toBe(peer.unchokeReason === undefined);
      if (!peer.amChoking) unchoked++;
      const end = port.said.findIndex((word) => word.startsWith('disconnect'));
      if (end >= 0) expect(port.said.slice(end + 1)).toEqual([]);
    }
    expect(unchoked).toBeLessThanOrEqual(swarm.uploadSlots);
  }

  /** Everybody goes, one honest seed comes. */
  finish(): void {
    const { rig } = this;
    this.#judge('verify', 0);
    for (const { peer } of this.peers.splice(0)) rig.swarm.removePeer(peer, rig.nowMs);
    this.check();
    rig.swarm.setDownloadingAllowed(true, rig.nowMs);
    rig.swarm.setPiecePriorities(Array(PIECES).fill(4), rig.nowMs);
    const seed = rig.joinSeed({ host: 'honest' });
    for (let turn = 0; turn < 200 && !rig.swarm.isComplete; turn++) {
      rig.answer(seed);
      this.#judge('verify', 0);
      rig.advance(1000);
    }
    expect(rig.swarm.isComplete).toBe(true);
    expect(rig.slotsInUse).toBe(0);
  }
}

describe('swarm under any orders', () => {
  it('keeps its books and its word, and can still finish', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 250, size: 'max' }), (commands) => {
        const monkey = new Monkey();
        for (const each of commands) {
          monkey.obey(each);
          monkey.check();
        }
        monkey.finish();
      }),
      { numRuns: Number(process.env['SOAK'] ?? 300) },
    );
  });
});
