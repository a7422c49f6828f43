// The swarm as its carrier sees it: messages in, words to peers and events out. Interest, requests, verdicts, commands.
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { BLOCK_BYTES } from '../../../core/metainfo/layout.ts';
import { type RigPeer, type SentRequest, SwarmRig } from '../../support/swarm-rig.ts';

const DIGEST_BYTES = 20;

function digestsOf(blockCount: number, values: readonly number[] = []): Uint8Array {
  const digests = new Uint8Array(blockCount * DIGEST_BYTES);
  for (const [block, value] of values.entries()) digests[block * DIGEST_BYTES] = value;
  return digests;
}

function bitsOf(size: number, pieces: readonly number[]): Uint8Array {
  const field = new Bitfield(size);
  for (const piece of pieces) field.set(piece);
  return field.bytes;
}

describe('joining and interest', () => {
  it('says our pieces first of all', () => {
    const have = new Bitfield(8);
    have.set(3);
    const rig = new SwarmRig({ have, allowedFastPieces: () => [3, 4] });
    expect(rig.join().port.take()).toEqual(['pieces 1/8', 'allowed-fast 3']);
    expect(rig.join({ hasFast: false }).port.take()).toEqual(['pieces 1/8']);
  });

  it('is interested exactly while the peer has something we want', () => {
    const rig = new SwarmRig();
    const { peer, port } = rig.join();
    port.take();
    rig.swarm.handleHave(peer, 2, rig.nowMs);
    expect(port.take()).toEqual(['interested']);
    rig.swarm.handleHave(peer, 2, rig.nowMs);
    rig.swarm.handleHave(peer, 5, rig.nowMs);
    expect(port.take()).toEqual([]);
    rig.swarm.handlePieceVerified(2, undefined, rig.nowMs);
    expect(port.take()).toEqual(['have 2']);
    rig.swarm.handlePieceVerified(5, undefined, rig.nowMs);
    expect(port.take()).toEqual(['have 5', 'not-interested']);
    rig.swarm.handlePieceLost(5, rig.nowMs);
    expect(port.take()).toEqual(['interested']);
    rig.swarm.handleDontHave(peer, 5, rig.nowMs);
    expect(port.take()).toEqual(['not-interested']);
    expect(peer.neededCount).toBe(0);
  });

  it('takes back single pieces of whoever joined as a seed, and of others, as often as they say so', () => {
    const rig = new SwarmRig({ pieceCount: 4, blocksPerPiece: 4 });
    const { peer } = rig.joinSeed();
    for (let round = 0; round < 3; round++) {
      rig.swarm.handleDontHave(peer, 2, rig.nowMs);
      rig.swarm.handleDontHave(peer, 2, rig.nowMs);
      expect([rig.swarm.availability(), peer.neededCount]).toEqual([0.75, 3]);
      rig.swarm.handleHave(peer, 2, rig.nowMs);
      expect([rig.swarm.availability(), peer.neededCount]).toEqual([1, 4]);
    }
    rig.swarm.removePeer(peer, rig.nowMs);
    expect(rig.swarm.availability()).toBe(0);
  });

  it('follows priorities: unwanted pieces interest nobody, and their requests are taken back', () => {
    const rig = new SwarmRig({ pieceCount: 4, blocksPerPiece: 4 });
    const seed = rig.joinSeed();
    expect(seed.port.requests.length).toBeGreaterThan(4);
    seed.port.take();
    rig.swarm.setPiecePriorities([0, 0, 4, 0], rig.nowMs);
    expect(seed.port.cancels.some(({ piece }) => piece === 2)).toBe(false);
    expect(seed.port.cancels.length).toBeGreaterThan(0);
    const kept = seed.port.requests.filter(({ piece }) => piece === 2);
    for (const request of kept) rig.send(seed, request);
    rig.verifyFilled();
    expect(rig.completions).toBe(1);
    expect(rig.swarm.isComplete).toBe(true);
    expect(rig.swarm.isSeed).toBe(false);
    expect(rig.swarm.verifiedWantedBytes).toBe(rig.swarm.wantedBytes);
  });

  it('parts from a seed when complete, and from one that joins later', () => {
    const rig = new SwarmRig({ have: Bitfield.full(8) });
    const { peer, port } = rig.join();
    rig.swarm.handleHaveAll(peer, rig.nowMs);
    expect(port.ended).toBe('both-seeds');
    const other = rig.join();
    rig.swarm.handleBitfield(other.peer, bitsOf(8, [0, 1, 2, 3, 4, 5, 6]), rig.nowMs);
    expect(other.port.ended).toBeUndefined();
    rig.swarm.handleHave(other.peer, 7, rig.nowMs);
    expect(other.port.ended).toBe('both-seeds');
  });

  it('keeps an upload-only peer while it still wants something', () => {
    const rig = new SwarmRig({ have: Bitfield.full(8) });
    const { peer, port } = rig.joinInterested();
    rig.swarm.handleUploadOnly(peer, true, rig.nowMs);
    expect(port.ended).toBeUndefined();
    rig.swarm.handleNotInterested(peer, rig.nowMs);
    rig.swarm.handleUploadOnly(peer, true, rig.nowMs);
    expect(port.ended).toBe('both-seeds');
  });
});

describe('hostile words', () => {
  const cases: [string, (rig: SwarmRig, at: RigPeer) => void][] = [
    ['a bitfield too short', (rig, { peer }) => rig.swarm.handleBitfield(peer, new Uint8Array(0), 0)],
    ['a bitfield with spare bits', (rig, { peer }) => rig.swarm.handleBitfield(peer, Uint8Array.of(0, 1), 0)],
    ['a piece beyond the end', (rig, { peer }) => rig.swarm.handleHave(peer, 9, 0)],
    ['a negative piece', (rig, { peer }) => rig.swarm.handleDontHave(peer, -1, 0)],
    ['have-all without BEP 6', (rig, { peer }) => rig.swarm.handleHaveAll(peer, 0)],
    ['suggest without BEP 6', (rig, { peer }) => rig.swarm.handleSuggest(peer, 0, 0)],
    ['a reject without BEP 6', (rig, { peer }) => rig.swarm.handleReject(peer, 0, 0, 1, 0)],
    ['a request beyond a piece', (rig, { peer }) => rig.swarm.handleRequest(peer, 0, 65_536, 16_384, 0)],
    ['a request of nothing', (rig, { peer }) => rig.swarm.handleRequest(peer, 0, 0, 0, 0)],
    ['a negative request', (rig, { peer }) => rig.swarm.handleRequest(peer, 0, -16_384, 16_384, 0)],
  ];
  it.each(cases)('%s ends the connection', (_name, say) => {
    const rig = new SwarmRig({ pieceCount: 9 });
    const joined = rig.join({ hasFast: false });
    say(rig, joined);
    expect(joined.port.ended).toBe('protocol-violation');
  });

  it('a request of more than 128 KiB ends the connection', () => {
    const rig = new SwarmRig({ blocksPerPiece: 16, have: Bitfield.full(8) });
    const joined = rig.joinInterested();
    rig.swarm.handleRequest(joined.peer, 0, 0, 131_072, 0);
    expect(joined.port.ended).toBeUndefined();
    rig.swarm.handleRequest(joined.peer, 0, 0, 131_073, 0);
    expect(joined.port.ended).toBe('protocol-violation');
  });

  it('payload that nobody asked for is counted, and in quantity ends the connection', () => {
    const rig = new SwarmRig();
    const joined = rig.join();
    let sent = 0;
    while (joined.port.ended === undefined && sent < 5000) {
      expect(rig.send(joined, { piece: 0, begin: 0, length: BLOCK_BYTES })).toBe(false);
      sent++;
    }
    expect(joined.port.ended).toBe('flood');
    expect(sent).toBeGreaterThan(500);
    expect(rig.swarm.wasted.unrequested).toBe(sent * BLOCK_BYTES);
    expect(rig.swarm.downloadedBytes).toBe(0);
  });

  it('nothing is said to a peer that was told to go', () => {
    const rig = new SwarmRig({ pieceCount: 9 });
    const joined = rig.joinSeed({ hasFast: false });
    rig.swarm.handleHave(joined.peer, 99, 0);
    joined.port.take();
    rig.swarm.handlePieceVerified(0, undefined, rig.nowMs);
    rig.advance(120_000);
    expect(joined.port.take()).toEqual([]);
    expect(rig.send(joined, joined.port.requests[0] as never)).toBe(false);
  });
});

describe('downloading', () => {
  it('fetches everything from one seed, piece by piece, and completes once', () => {
    const rig = new SwarmRig({ pieceCount: 40, blocksPerPiece: 4 });
    const seed = rig.joinSeed();
    for (let turn = 0; turn < 1000 && !rig.swarm.isComplete; turn++) {
      rig.nowMs += 10;
      rig.answer(seed, 3);
      rig.verifyFilled();
    }
    expect(rig.completions).toBe(1);
    expect(rig.swarm.downloadedBytes).toBe(rig.layout.totalLength);
    expect(rig.swarm.wasted).toEqual({ duplicate: 0, failedHash: 0, unrequested: 0 });
    expect(rig.slotsInUse).toBe(0);
    expect(seed.port.ended).toBe('both-seeds');
    rig.swarm.picker.checkInvariants();
  });

  it('asks nothing while choked, or while not allowed, and at once when that ends', () => {
    const rig = new SwarmRig();
    rig.swarm.setDownloadingAllowed(false, rig.nowMs);
    const { peer, port } = rig.join();
    rig.swarm.handleHaveAll(peer, rig.nowMs);
    expect(port.requests).toEqual([]);
    rig.swarm.handleUnchoke(peer, rig.nowMs);
    expect(port.requests).toEqual([]);
    rig.swarm.setDownloadingAllowed(true, rig.nowMs);
    expect(port.requests.length).toBeGreaterThan(0);
  });

  it('asks a choking peer for its allowed-fast pieces only', () => {
    const rig = new SwarmRig();
    const { peer, port } = rig.join();
    rig.swarm.handleHaveAll(peer, rig.nowMs);
    rig.swarm.handleAllowedFast(peer, 6, rig.nowMs);
    expect(port.requests.map(({ piece }) => piece)).toEqual([6, 6, 6, 6]);
  });

  it('takes what a seed suggests before anything else', () => {
    const rig = new SwarmRig({ pieceCount: 64, blocksPerPiece: 16 });
    const joined = rig.join();
    rig.swarm.handleHaveAll(joined.peer, rig.nowMs);
    rig.swarm.handleSuggest(joined.peer, 41, rig.nowMs);
    rig.swarm.handleSuggest(joined.peer, 17, rig.nowMs);
    rig.swarm.handleUnchoke(joined.peer, rig.nowMs);
    expect([...new Set(joined.port.requests.map(({ piece }) => piece))]).toEqual([41, 17]);
  });

  it('gives the blocks of a peer that chokes or leaves to another', () => {
    for (const end of ['choke', 'leave'] as const) {
      const rig = new SwarmRig({ pieceCount: 2, blocksPerPiece: 8 });
      const first = rig.joinSeed({ hasFast: false });
      const second = rig.joinSeed();
      const before = second.port.requests.length;
      if (end === 'choke') rig.swarm.handleChoke(first.peer, rig.nowMs);
      else rig.swarm.removePeer(first.peer, rig.nowMs);
      expect(second.port.requests.length).toBeGreaterThan(before);
      rig.answer(second);
      expect(rig.filled).toHaveLength(2);
      rig.swarm.picker.checkInvariants();
    }
  });

  it('counts a block that comes late, and cancels it where it is asked again', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 2 });
    const slow = rig.joinSeed();
    expect(slow.port.requests).toHaveLength(2);
    rig.advance(11_000);
    const quick = rig.joinSeed();
    expect(quick.port.requests).toHaveLength(2);
    rig.answer(slow, 1);
    expect(quick.port.cancels).toHaveLength(1);
    quick.port.requests.shift();
    rig.answer(quick);
    expect(slow.port.cancels).toHaveLength(1);
    expect(rig.verifyFilled()).toEqual([0]);
    expect(rig.swarm.wasted.duplicate).toBe(0);
  });

  it('calls a silent peer snubbed after 20 s and itself again with its next block', () => {
    const rig = new SwarmRig({ pieceCount: 64, blocksPerPiece: 16 });
    const seed = rig.joinSeed();
    rig.answer(seed, 4);
    rig.advance(19_000);
    expect(seed.peer.isSnubbed).toBe(false);
    expect(seed.peer.requestsOut).toBe(0);
    rig.advance(2000);
    expect(seed.peer.isSnubbed).toBe(true);
    rig.answer(seed, 1);
    expect(seed.peer.isSnubbed).toBe(false);
  });

  it('ends the download although one peer sits on its last block', () => {
    const rig = new SwarmRig({ pieceCount: 4, blocksPerPiece: 4 });
    const stalled = rig.joinSeed();
    const good = rig.joinSeed();
    for (let turn = 0; turn < 60 && !rig.swarm.isComplete; turn++) {
      rig.advance(1000);
      rig.answer(good);
      rig.verifyFilled();
    }
    expect(rig.swarm.isComplete).toBe(true);
    expect(stalled.peer.downloadedBytes).toBe(0);
  });

  it('asks the only peer again for a block that it passed over, as soon as that is late', () => {
    const rig = new SwarmRig({ pieceCount: 8, blocksPerPiece: 4 });
    const seed = rig.joinSeed();
    const lost = seed.port.requests.shift();
    rig.answer(seed);
    rig.advance(2500);
    expect(seed.port.requests).toEqual([lost]);
    rig.answer(seed);
    rig.verifyFilled();
    expect(rig.swarm.isComplete).toBe(true);
  });

  it('asks the only peer again at once when it refuses what was given up', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 2 });
    const seed = rig.joinSeed();
    rig.answer(seed, 1);
    const refused = seed.port.requests.shift() as SentRequest;
    rig.advance(5000);
    expect(seed.port.requests).toEqual([]);
    rig.swarm.handleReject(seed.peer, refused.piece, refused.begin, refused.length, rig.nowMs);
    rig.swarm.flush(rig.nowMs);
    expect(seed.port.requests).toEqual([refused]);
  });

  it('asks the only peer again though it lost all that it was asked, one block at first', () => {
    for (const hasFast of [true, false]) {
      const rig = new SwarmRig({ pieceCount: 8, blocksPerPiece: 4 });
      const seed = rig.joinSeed({ hasFast });
      seed.port.requests.length = 0;
      rig.advance(60_000);
      const probes = seed.port.requests.length;
      expect(probes).toBeGreaterThan(0);
      expect(probes).toBeLessThanOrEqual(3);
      for (let turn = 0; turn < 30 && !rig.swarm.isComplete; turn++) {
        rig.answer(seed);
        rig.verifyFilled();
        rig.advance(1000);
      }
      expect(rig.swarm.isComplete).toBe(true);
    }
  });

  it('waits for slots and goes on when one comes back', () => {
    const rig = new SwarmRig({ pieceCount: 10, blocksPerPiece: 4, slotCount: 2 });
    const seed = rig.joinSeed();
    expect(seed.port.requests).toHaveLength(8);
    rig.answer(seed);
    expect(rig.filled).toHaveLength(2);
    expect(seed.port.requests).toHaveLength(0);
    rig.verifyFilled();
    expect(seed.port.requests).toHaveLength(8);
  });

  it('asks the refusing one block at a time, and then no more', () => {
    const rig = new SwarmRig({ pieceCount: 64, blocksPerPiece: 16 });
    const seed = rig.joinSeed();
    let refusals = 0;
    while (seed.port.ended === undefined && refusals < 5000) {
      const request = seed.port.requests.shift();
      if (request === undefined) {
        rig.swarm.flush(rig.nowMs);
        if (seed.port.requests.length === 0) rig.advance(2000);
        continue;
      }
      rig.swarm.handleReject(seed.peer, request.piece, request.begin, request.length, rig.nowMs);
      refusals++;
    }
    expect(seed.port.ended).toBe('not-useful');
    expect(refusals).toBeLessThan(1000);
  });

  it('withdraws a half-received block when another peer brings it whole', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 1 });
    const slow = rig.joinSeed();
    const request = slow.port.requests[0] as { piece: number; begin: number; length: number };
    expect(rig.swarm.claimBlock(slow.peer, 0, 0, request.length, rig.nowMs)).toBe(true);
    expect(slow.peer.claimSlot).toBeGreaterThanOrEqual(0);
    const quick = rig.joinSeed();
    rig.advance(12_000);
    expect(quick.port.requests).toHaveLength(1);
    expect(rig.send(quick, request)).toBe(true);
    expect(slow.peer.claimSlot).toBe(-1);
    rig.swarm.handleBlock(slow.peer, 0, 0, request.length, rig.nowMs);
    expect(rig.swarm.wasted.duplicate).toBe(request.length);
    expect(rig.filled).toHaveLength(1);
  });

  it('still waits for a block that it asked for anew while the first, withdrawn, was arriving', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 1 });
    const slow = rig.joinSeed();
    const request = slow.port.requests[0] as SentRequest;
    expect(rig.swarm.claimBlock(slow.peer, 0, 0, request.length, rig.nowMs)).toBe(true);
    const quick = rig.joinSeed();
    rig.advance(12_000);
    expect(rig.send(quick, request)).toBe(true);
    rig.swarm.removePeer(quick.peer, rig.nowMs);
    // The disk lost it: asked again, of the only one who is left.
    rig.swarm.handlePieceFailed(0, undefined, rig.nowMs);
    expect(slow.peer.requests.activeCount).toBe(1);
    rig.swarm.handleBlock(slow.peer, 0, 0, request.length, rig.nowMs);
    expect(slow.peer.requests.activeCount).toBe(1);
    expect(rig.swarm.picker.outstandingOf(slow.peer.id)).toBe(1);
  });
});

describe('verdicts', () => {
  it('bans the sole supplier of a bad piece at once, and for good', () => {
    const rig = new SwarmRig({ pieceCount: 2, blocksPerPiece: 4 });
    const liar = rig.joinSeed({ host: '192.0.2.1' });
    const twin = rig.join({ host: '192.0.2.1' });
    rig.answer(liar);
    expect(rig.filled).toHaveLength(2);
    rig.swarm.handlePieceFailed(0, digestsOf(4), rig.nowMs);
    expect(rig.bans).toEqual(['192.0.2.1: sent a corrupt piece']);
    expect([liar.port.ended, twin.port.ended]).toEqual(['banned', 'banned']);
    expect(rig.join({ host: '192.0.2.1' }).port.ended).toBe('banned');
    expect(rig.swarm.wasted.failedHash).toBe(4 * BLOCK_BYTES);
  });

  it('finds the liar among several by the block that differs, and bans nobody else', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 40 });
    const left = rig.joinSeed({ host: 'left' });
    const right = rig.joinSeed({ host: 'right' });
    while (rig.filled.length === 0) {
      rig.answer(left, 1);
      rig.answer(right, 1);
    }
    expect(rig.filled[0]?.wantDigests).toBe(false);
    const contributors = [...rig.swarm.picker.contributors(0)];
    expect(new Set(contributors).size).toBe(2);
    const liarBlock = contributors.indexOf(right.peer.id);
    const bad = contributors.map((_, block) => (block === liarBlock ? 66 : 1));
    rig.filled.length = 0;
    rig.swarm.handlePieceFailed(0, digestsOf(40, bad), rig.nowMs);
    expect(rig.bans).toEqual([]);
    expect([left.peer.isOnParole, right.peer.isOnParole]).toEqual([true, true]);
    for (let turn = 0; turn < 100 && rig.filled.length === 0; turn++) {
      rig.answer(left);
      rig.advance(1000);
    }
    expect(rig.filled[0]?.wantDigests).toBe(true);
    rig.verifyFilled(() => digestsOf(40, Array(40).fill(1)));
    expect(rig.bans).toEqual(['right: sent corrupt blocks']);
    expect(left.peer.isOnParole).toBe(false);
  });

  it('blames nobody when the disk lost the piece', () => {
    const rig = new SwarmRig({ pieceCount: 1 });
    const seed = rig.joinSeed();
    rig.answer(seed);
    rig.swarm.handlePieceFailed(0, undefined, rig.nowMs);
    expect(rig.bans).toEqual([]);
    expect(seed.port.requests).toHaveLength(4);
  });
});
