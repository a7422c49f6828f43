// Serving: the queue of a peer's requests, its bounds, chokes, BEP 6 rejects, allowed-fast and suggestions.
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { BLOCK_BYTES } from '../../../core/metainfo/layout.ts';
import { type RigOptions, type RigPeer, SwarmRig } from '../../support/swarm-rig.ts';

function seedRig(options: RigOptions = {}): SwarmRig {
  return new SwarmRig({ ...options, have: Bitfield.full(options.pieceCount ?? 8) });
}

function ask(rig: SwarmRig, { peer }: RigPeer, piece: number, block = 0): void {
  rig.swarm.handleRequest(peer, piece, block * BLOCK_BYTES, BLOCK_BYTES, rig.nowMs);
}

describe('uploads', () => {
  it('serves in order, and says once that something waits', () => {
    const rig = seedRig();
    const joined = rig.joinInterested();
    joined.port.take();
    ask(rig, joined, 3, 1);
    ask(rig, joined, 0, 0);
    expect(joined.port.take().filter((word) => word === 'uploads-ready')).toEqual(['uploads-ready']);
    expect(joined.peer.requestsIn).toBe(2);
    expect(rig.swarm.nextUpload(joined.peer)).toEqual({ piece: 3, begin: BLOCK_BYTES, length: BLOCK_BYTES });
    expect(rig.swarm.nextUpload(joined.peer)?.piece).toBe(0);
    expect(rig.swarm.nextUpload(joined.peer)).toBeUndefined();
    rig.swarm.handleUploaded(joined.peer, BLOCK_BYTES, rig.nowMs);
    expect([rig.swarm.uploadedBytes, joined.peer.uploadedBytes]).toEqual([BLOCK_BYTES, BLOCK_BYTES]);
    ask(rig, joined, 1);
    expect(joined.port.take()).toContain('uploads-ready');
  });

  it('refuses what we lack and whom we choke: aloud with BEP 6, silently without', () => {
    const have = new Bitfield(8);
    have.set(1);
    const rig = new SwarmRig({ have });
    const fast = rig.joinInterested();
    const plain = rig.joinInterested({ hasFast: false });
    fast.port.take();
    plain.port.take();
    ask(rig, fast, 2);
    ask(rig, plain, 2);
    expect(fast.port.take()).toEqual([`reject 2:0+${BLOCK_BYTES}`]);
    expect(plain.port.take()).toEqual([]);
    const choked = rig.join();
    choked.port.take();
    ask(rig, choked, 1);
    expect(choked.port.take()).toEqual([`reject 1:0+${BLOCK_BYTES}`]);
  });

  it('a cancel takes the request out, and BEP 6 hears a reject for it', () => {
    const rig = seedRig();
    const joined = rig.joinInterested();
    ask(rig, joined, 4);
    joined.port.take();
    rig.swarm.handleCancel(joined.peer, 4, 0, BLOCK_BYTES, rig.nowMs);
    expect(joined.port.take()).toEqual([`reject 4:0+${BLOCK_BYTES}`]);
    expect(rig.swarm.nextUpload(joined.peer)).toBeUndefined();
    rig.swarm.handleCancel(joined.peer, 4, 0, BLOCK_BYTES, rig.nowMs);
    expect(joined.port.take()).toEqual([]);
  });

  it('a choke drops what waits', () => {
    const rig = seedRig();
    const fast = rig.joinInterested();
    const plain = rig.joinInterested({ hasFast: false });
    ask(rig, fast, 4);
    ask(rig, plain, 4);
    fast.port.take();
    plain.port.take();
    rig.swarm.setUploadSlots(0, rig.nowMs);
    expect(fast.port.take()).toEqual(['choke', `reject 4:0+${BLOCK_BYTES}`]);
    expect(plain.port.take()).toEqual(['choke']);
    expect([fast.peer.requestsIn, plain.peer.requestsIn]).toEqual([0, 0]);
  });

  it('bounds the queue: BEP 6 peers hear rejects, others lose the connection', () => {
    const rig = seedRig({ limits: { requestsIn: 250 } });
    const fast = rig.joinInterested();
    for (let i = 0; i < 300; i++) ask(rig, fast, i % 8);
    expect(fast.peer.requestsIn).toBe(250);
    expect(fast.port.said.filter((word) => word.startsWith('reject'))).toHaveLength(50);
    expect(fast.port.ended).toBeUndefined();
    const plain = rig.joinInterested({ hasFast: false });
    for (let i = 0; i < 300; i++) ask(rig, plain, i % 8);
    expect(plain.port.ended).toBe('flood');
  });

  it('ends a peer that goes on asking although it is refused', () => {
    const rig = seedRig();
    const joined = rig.join();
    let asked = 0;
    while (joined.port.ended === undefined && asked < 50_000) {
      ask(rig, joined, 0);
      asked++;
    }
    expect(joined.port.ended).toBe('flood');
    expect(asked).toBeGreaterThan(2000);
  });

  it('drops waiting requests of a piece that cannot be read any more', () => {
    const rig = seedRig();
    const joined = rig.joinInterested();
    ask(rig, joined, 4);
    ask(rig, joined, 5);
    joined.port.take();
    rig.swarm.handlePieceLost(4, rig.nowMs);
    expect(joined.port.take()).toContain(`reject 4:0+${BLOCK_BYTES}`);
    expect(rig.swarm.nextUpload(joined.peer)?.piece).toBe(5);
  });
});

describe('allowed fast', () => {
  const grant = { allowedFastPieces: () => [1, 2, 3], pieceCount: 30 };

  it('serves a newcomer its set although it is choked, and nothing else', () => {
    const rig = seedRig(grant);
    const joined = rig.join();
    ask(rig, joined, 2);
    ask(rig, joined, 4);
    expect(rig.swarm.nextUpload(joined.peer)?.piece).toBe(2);
    expect(rig.swarm.nextUpload(joined.peer)).toBeUndefined();
  });

  it('views see what a choked peer gets', () => {
    const rig = seedRig(grant);
    const joined = rig.join();
    ask(rig, joined, 2);
    expect(joined.peer.servedFor).toBe('allowed-fast');
  });

  it('ends when the peer has ten pieces, or has had its set', () => {
    const rig = seedRig(grant);
    const joined = rig.join();
    for (let piece = 0; piece < 10; piece++) rig.swarm.handleHave(joined.peer, piece, rig.nowMs);
    ask(rig, joined, 2);
    expect(joined.peer.requestsIn).toBe(0);
    const greedy = rig.join();
    // Three pieces are granted: so many blocks it may ask for, sent or not, and no more.
    const blocks = 3 * rig.layout.blockCount(0);
    for (let i = 0; i < blocks + 5; i++) ask(rig, greedy, 2);
    expect(greedy.peer.requestsIn).toBe(blocks);
    while (rig.swarm.nextUpload(greedy.peer) !== undefined);
    ask(rig, greedy, 2);
    expect(greedy.peer.requestsIn).toBe(0);
  });

  it('serves two choked peers at a time, so that choking still means something', () => {
    const rig = seedRig(grant);
    const peers = [rig.join(), rig.join(), rig.join()];
    for (const joined of peers) ask(rig, joined, 2);
    expect(peers.map(({ peer }) => peer.requestsIn)).toEqual([1, 1, 0]);
  });
});

describe('suggestions of a seed', () => {
  function suggested({ port }: RigPeer): number[] {
    return port.said.filter((word) => word.startsWith('suggest')).map((word) => Number(word.split(' ')[1]));
  }

  it('come before the unchoke, and never the same piece to two', () => {
    const rig = seedRig({ pieceCount: 40, blocksPerPiece: 16 });
    const peers = [rig.joinInterested(), rig.joinInterested(), rig.joinInterested()];
    const all = peers.flatMap(suggested);
    expect(all.length).toBe(9);
    expect(new Set(all).size).toBe(9);
    const words = peers[0]?.port.said ?? [];
    expect(words.indexOf('unchoke')).toBeGreaterThan(
      words.findLastIndex((word) => word.startsWith('suggest')),
    );
  });

  it('go on as the peer follows them', () => {
    const rig = seedRig({ pieceCount: 40, blocksPerPiece: 16 });
    const joined = rig.joinInterested();
    const [first] = suggested(joined) as [number];
    ask(rig, joined, first, 0);
    ask(rig, joined, first, 1);
    expect(suggested(joined)).toHaveLength(4);
  });

  it('stop when everything has a copy elsewhere; not for peers without BEP 6; not while leeching', () => {
    const rig = seedRig({ pieceCount: 40, blocksPerPiece: 16 });
    const full = rig.join();
    const field = Bitfield.full(40);
    field.clear(39);
    rig.swarm.handleBitfield(full.peer, field.bytes, rig.nowMs);
    expect(suggested(rig.joinInterested())).toEqual([39]);
    expect(suggested(rig.joinInterested())).toEqual([]);
    const other = seedRig({ pieceCount: 40 });
    expect(suggested(other.joinInterested({ hasFast: false }))).toEqual([]);
    const half = new Bitfield(40);
    half.set(3);
    expect(suggested(new SwarmRig({ pieceCount: 40, have: half }).joinInterested())).toEqual([]);
  });

  it('are given to another when the peer goes', () => {
    const rig = seedRig({ pieceCount: 3, blocksPerPiece: 16 });
    const first = rig.joinInterested();
    expect(suggested(first)).toHaveLength(3);
    const second = rig.joinInterested();
    expect(suggested(second)).toEqual([]);
    rig.swarm.removePeer(first.peer, rig.nowMs);
    const third = rig.joinInterested();
    expect(suggested(third).sort()).toEqual([0, 1, 2]);
  });
});
