// Random commands against the picker: its books balance after every step, no block is asked for needlessly, and from
// any state a download ends once peers behave.

import { describe, expect, test } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { type Rng, randomInt, seededRng } from '../../../core/base/clock.ts';
import type { PeerSpeed, PickerPeer } from '../../../core/pieces/picker-types.ts';
import { inOrder, type PickPolicy, randomOrder, rarestFirst } from '../../../core/pieces/policy.ts';
import { PickerWorld } from '../../support/picker-world.ts';
import fc from '../../support/property.ts';

const SPEEDS: PeerSpeed[] = ['fast', 'medium', 'slow'];
const POLICIES: PickPolicy[] = [rarestFirst, randomOrder, inOrder];
const ROUNDS_TO_END = 20_000;

interface Peer {
  id: number;
  pieces: Bitfield;
  joinedAsSeed: boolean;
  isChoked: boolean;
  allowedFast: Set<number>;
  speed: PeerSpeed;
  isSnubbed: boolean;
  isOnParole: boolean;
  /** Asked of it, as a swarm would know. */
  asked: [piece: number, block: number][];
  claimed: [piece: number, block: number] | undefined;
}

/** A swarm that does anything at any time. */
class Chaos {
  readonly world: PickerWorld;
  readonly peers: Peer[] = [];
  readonly rng: Rng;
  #nextId = 1;

  constructor(seed: number) {
    this.rng = seededRng(seed);
    const pieces = 1 + this.below(30);
    const blocks = 1 + this.below(9);
    this.world = new PickerWorld({
      have: Array.from({ length: pieces }, () => (this.below(4) === 0 ? '#' : '.')).join(''),
      blocks,
      segment: 1 + this.below(blocks),
      slots: 1 + this.below(12),
      seed,
      policy: POLICIES[this.below(3)] as PickPolicy,
      limits: { slowSegments: 1 + this.below(6), openBlocks: 1 + this.below(100) },
    });
  }

  below(bound: number): number {
    return randomInt(this.rng, bound);
  }

  step(): void {
    const { world, peers } = this;
    world.nowMs += this.below(700);
    const peer = peers[this.below(peers.length)];
    const piece = this.below(world.pieceCount);
    const action = this.below(24);
    if (peer === undefined || action === 0) this.join(this.below(4));
    else if (action === 1) this.leave(peer);
    else if (action === 2) this.have(peer, piece);
    else if (action === 3) this.choke(peer);
    else if (action === 4) peer.isChoked = false;
    else if (action === 5) this.change(peer);
    else if (action === 6) this.abandonOne(peer);
    else if (action === 7) world.picker.setPriority(piece, this.below(8));
    else if (action === 8) this.seek(piece);
    else if (action === 9) world.write();
    else if (action === 10) world.picker.markPieceLost(piece);
    else if (action === 11 && this.below(4) === 0) world.picker.markPieceVerified(piece);
    else if (action === 12 && this.below(4) === 0) world.picker.markPieceFailed(piece);
    else if (action === 13 && this.below(8) === 0) world.picker.releaseSlots();
    else if (action === 14 && this.below(4) === 0) world.picker.setPriorities((at) => (at * 7 + piece) % 8);
    else if (action === 15) world.claim(peer.id, piece, this.below(4) % world.layout.blockCount(piece));
    else if (action < 19) this.deliver(peer);
    else this.pick(peer, 1 + this.below(8));
    world.check();
  }

  join(kind: number): void {
    const pieces = new Bitfield(this.world.pieceCount);
    for (let piece = 0; piece < pieces.size; piece++) {
      if (kind === 0 || this.below(kind + 1) === 0) pieces.set(piece);
    }
    this.peers.push({
      id: this.#nextId++,
      pieces,
      joinedAsSeed: pieces.isFull,
      isChoked: this.below(2) === 0,
      allowedFast: new Set([this.below(pieces.size)]),
      speed: SPEEDS[this.below(3)] as PeerSpeed,
      isSnubbed: false,
      isOnParole: false,
      asked: [],
      claimed: undefined,
    });
    this.world.picker.addPeerPieces(pieces);
  }

  leave(peer: Peer): void {
    this.peers.splice(this.peers.indexOf(peer), 1);
    this.world.picker.removePeer(peer.id);
    this.world.picker.removePeerPieces(peer.pieces, peer.joinedAsSeed);
  }

  have(peer: Peer, piece: number): void {
    if (peer.pieces.set(piece)) this.world.picker.addAvailability(piece);
  }

  choke(peer: Peer): void {
    peer.isChoked = true;
    this.world.picker.abandonPeer(peer.id);
  }

  change(peer: Peer): void {
    peer.speed = SPEEDS[this.below(3)] as PeerSpeed;
    peer.isSnubbed = this.below(4) === 0;
    peer.isOnParole = this.below(4) === 0;
  }

  abandonOne(peer: Peer): void {
    const at = peer.asked[this.below(peer.asked.length)];
    if (at !== undefined) this.world.picker.abandonBlock(peer.id, ...at);
  }

  seek(piece: number): void {
    const windowPieces = 1 + this.below(6);
    this.world.picker.setSequential(this.below(2) === 0 ? undefined : { fromPiece: piece, windowPieces });
  }

  pick(peer: Peer, wanted: number): number {
    const { picker } = this.world;
    const before = picker.outstandingOf(peer.id);
    const isAsked = this.outstanding();
    const doubled = picker.counters.duplicateRequests;
    const picked = this.world.pickBlocks(peer as PickerPeer, wanted);
    let repeated = 0;
    for (const [piece, block] of picked) {
      expect(peer.pieces.has(piece) && (!peer.isChoked || peer.allowedFast.has(piece))).toBe(true);
      expect(picker.isNeeded(piece)).toBe(true);
      expect(block).toBeLessThan(this.world.layout.blockCount(piece));
      if (isAsked.has(`${piece}:${block}`)) repeated++;
      peer.asked.push([piece, block]);
    }
    expect(new Set(picked.map(String)).size).toBe(picked.length);
    expect(picked.length).toBeLessThanOrEqual(wanted);
    expect(picker.outstandingOf(peer.id)).toBe(before + picked.length);
    expect(picker.counters.duplicateRequests - doubled).toBe(repeated);
    return picked.length;
  }

  /** Of all peers. */
  outstanding(): Set<string> {
    const all = new Set<string>();
    for (const piece of this.world.picker.openPieces()) {
      this.world.picker.visitRequests(piece, (_peer, block) => all.add(`${piece}:${block}`));
    }
    return all;
  }

  /** A header, or the payload of the header before. */
  deliver(peer: Peer): void {
    const { world } = this;
    if (peer.claimed !== undefined) {
      const [piece, block] = peer.claimed;
      peer.claimed = undefined;
      if (world.receive(peer.id, piece, block).isPieceFilled) this.verify(piece);
      return;
    }
    const index = this.below(peer.asked.length);
    const at = peer.asked[index];
    if (at === undefined) return;
    peer.asked.splice(index, 1);
    const { outcome, slot, revokedPeer } = world.claim(peer.id, ...at);
    if (outcome !== 'wanted') return;
    expect(world.pool.held.has(slot)).toBe(true);
    peer.claimed = at;
    for (const other of this.peers) if (other.id === revokedPeer) other.claimed = undefined;
  }

  verify(piece: number): void {
    if (this.below(5) === 0) this.world.picker.markPieceFailed(piece);
    else this.world.picker.markPieceVerified(piece);
  }

  /** What a swarm does when priorities fall. */
  cancelUnwanted(): void {
    const { picker } = this.world;
    for (const piece of picker.openPieces()) {
      if (picker.isNeeded(piece)) continue;
      const requests: [peer: number, block: number][] = [];
      picker.visitRequests(piece, (peer, block) => requests.push([peer, block]));
      for (const [peer, block] of requests) picker.abandonBlock(peer, piece, block);
    }
  }

  /** Everybody unchokes, a seed comes, nobody lies, half payloads are completed; one peer stalls for ever. */
  finish(): void {
    const { world } = this;
    this.join(0);
    for (const peer of [...this.peers]) {
      if (peer.claimed !== undefined) this.deliver(peer);
      peer.isChoked = false;
      peer.isSnubbed = false;
    }
    this.cancelUnwanted();
    const stalled = this.peers[0] as Peer;
    for (let round = 0; round < ROUNDS_TO_END && !world.picker.isComplete; round++) {
      world.nowMs += 100;
      world.write();
      const peer = this.peers[this.below(this.peers.length)] as Peer;
      this.pick(peer, 4);
      if (peer === stalled && this.peers.length > 1) continue;
      for (const at of peer.asked.splice(0)) {
        if (world.claim(peer.id, ...at).outcome !== 'wanted') continue;
        if (world.receive(peer.id, ...at).isPieceFilled) world.picker.markPieceVerified(at[0]);
      }
    }
    // A full piece may wait for its hash, left so by the chaos before.
    for (const piece of world.picker.openPieces()) {
      if (/^#+$/.test(world.picker.drawPiece(piece))) world.picker.markPieceVerified(piece);
    }
    world.check();
  }
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe('the picker under random commands', () => {
  test('keeps its books', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 300 }), (seed, steps) => {
        const chaos = new Chaos(seed);
        for (let i = 0; i < steps; i++) chaos.step();
        for (const peer of [...chaos.peers]) chaos.leave(peer);
        chaos.world.check();
        chaos.world.picker.releaseSlots();
        chaos.world.write();
        expect(chaos.world.pool.held.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test('brings every download to its end, whatever came before', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 150 }), (seed, steps) => {
        const chaos = new Chaos(seed);
        for (let i = 0; i < steps; i++) chaos.step();
        chaos.finish();
        expect(chaos.world.picker.isComplete).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('does the same again from the same seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const trace = (): string => {
          const chaos = new Chaos(seed);
          for (let i = 0; i < 80; i++) chaos.step();
          return JSON.stringify([chaos.world.open, chaos.peers.map((peer) => peer.asked)]);
        };
        expect(trace()).toBe(trace());
      }),
      { numRuns: 20 },
    );
  });
});
