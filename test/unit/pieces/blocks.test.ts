// Requests, claims and arrivals: who is asked, where payload goes, what becomes of late, doubled, broken-off and hostile blocks.
import { describe, expect, test } from 'vitest';
import { BLOCK_BYTES } from '../../../core/metainfo/layout.ts';
import { PickerWorld } from '../../support/picker-world.ts';

const MS = 1000;

describe('requests', () => {
  test('at most as many as wanted, and as fit the array', () => {
    const world = new PickerWorld({ have: '...', availability: '111' });
    expect(world.pickBlocks(world.peer(), 5).length).toBe(5);
    expect(world.picker.pick(world.peer(), 5, new Int32Array(4), world.nowMs)).toBe(2);
    expect(world.picker.pick(world.peer(), 0, new Int32Array(4), world.nowMs)).toBe(0);
    expect(world.picker.pick(world.peer(), 5, new Int32Array(1), world.nowMs)).toBe(0);
    expect(world.picker.outstandingOf(1)).toBe(7);
  });

  test('no block is asked for twice while there are free ones', () => {
    const world = new PickerWorld({ have: '....', availability: '1111' });
    const all = [1, 2, 3].flatMap((id) => world.picks(world.peer({ id }), 5));
    expect(new Set(all).size).toBe(15);
    expect(world.picker.inEndgame).toBe(false);
    expect(world.picks(world.peer({ id: 4 }), 5).length).toBe(1);
    expect(world.picker.inEndgame).toBe(true);
  });

  test('a request given up is free for others', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '#???' } });
    expect(world.picker.abandonBlock(900, 0, 2)).toBe(true);
    expect(world.picker.abandonBlock(900, 0, 2)).toBe(false);
    expect(world.picker.abandonBlock(900, 0, 0)).toBe(false);
    expect(world.picker.abandonBlock(5, 0, 1)).toBe(false);
    expect(world.picker.abandonBlock(900, 9, 1)).toBe(false);
    world.check();
    expect(world.picks(world.peer(), 9)).toEqual(['0:2']);
  });

  test('a choking peer gives back everything but the block that is arriving', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '#???', 1: '????' } });
    world.claim(900, 1, 1);
    expect(world.picker.abandonPeer(900)).toBe(6);
    world.check();
    expect(world.open).toBe('0[#...] 1[.?..]');
    expect(world.receive(900, 1, 1)).toMatchObject({ isNew: true });
    expect(world.open).toBe('0[#...] 1[.#..]');
  });

  test('a peer that is gone gives back that one too', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '#???', 1: '????' } });
    world.claim(900, 1, 1);
    world.picker.removePeer(900);
    world.check();
    expect(world.open).toBe('0[#...]');
    expect(world.receive(900, 1, 1).isNew).toBe(false);
    expect(world.pick(world.peer(), 99)).toBe('34');
  });

  test('who is asked for what, so that it can be cancelled', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '#?.?' } });
    world.picks(world.peer(), 1);
    const asked: string[] = [];
    world.picker.visitRequests(0, (peer, block) => asked.push(`${peer}:${block}`));
    world.picker.visitRequests(7, () => asked.push('none'));
    expect(asked).toEqual(['900:1', '1:2', '900:3']);
  });
});

describe('arrival', () => {
  test('a block has its place in the slot of its segment', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 8, segment: 4 });
    world.picks(world.peer(), 8);
    const low = world.claim(1, 0, 1);
    expect(low).toMatchObject({ outcome: 'wanted', offset: BLOCK_BYTES, block: 1, revokedPeer: -1 });
    world.receive(1, 0, 1);
    const high = world.claim(1, 0, 7);
    expect(high).toMatchObject({ outcome: 'wanted', offset: 3 * BLOCK_BYTES, block: 7 });
    expect(high.slot).not.toBe(low.slot);
    expect([...world.pool.held].sort()).toEqual([low.slot, high.slot].sort());
  });

  test('a full segment goes to the storage, a full piece waits for its hash', () => {
    const world = new PickerWorld({ have: '..', availability: '11', blocks: 5, segment: 2 });
    world.picks(world.peer({ has: '.#' }), 5);
    expect(world.send(1, 1, 0)).toMatchObject({ isNew: true, filledSlot: -1, isPieceFilled: false });
    expect(world.send(1, 1, 1)).toMatchObject({ segmentBegin: 0, segmentLength: 2 * BLOCK_BYTES });
    expect(world.send(1, 1, 4)).toMatchObject({
      segmentBegin: 4 * BLOCK_BYTES,
      segmentLength: BLOCK_BYTES,
      isPieceFilled: false,
    });
    world.send(1, 1, 3);
    const last = world.send(1, 1, 2);
    expect(last).toMatchObject({ segmentBegin: 2 * BLOCK_BYTES, isPieceFilled: true });
    expect(last.filledSlot).toBeGreaterThanOrEqual(0);
    expect(world.picker.heldSlots).toBe(0);
    expect(world.atStorage.length).toBe(3);
    expect(world.picker.isNeeded(1)).toBe(true);
    world.write();
    expect(world.picker.markPieceVerified(1)).toBe(true);
    world.check();
    expect(world.open).toBe('');
  });

  test('nobody asked', () => {
    const world = new PickerWorld({ have: '#.', availability: '11', partial: { 1: '?#??' } });
    const { picker } = world;
    const outcome = (peer: number, piece: number, begin: number, length = BLOCK_BYTES): string =>
      picker.claim(peer, piece, begin, length, 0).outcome;
    expect(outcome(1, 1, 0)).toBe('unrequested');
    expect(outcome(900, 1, BLOCK_BYTES)).toBe('unrequested');
    expect(outcome(900, 0, 0)).toBe('unrequested');
    expect(outcome(900, 1, 0, BLOCK_BYTES - 1)).toBe('unrequested');
    expect(outcome(900, 1, 1)).toBe('unrequested');
    for (const odd of [-1, 2, 1e9, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(outcome(900, odd, 0)).toBe('unrequested');
      expect(outcome(900, 1, odd)).toBe('unrequested');
      expect(outcome(900, 1, 0, odd)).toBe('unrequested');
    }
    expect(picker.counters.unrequestedClaims).toBe(5 + 18);
    expect(outcome(900, 1, 0)).toBe('wanted');
  });

  test('the last block is short', () => {
    const world = new PickerWorld({ have: '.', availability: '1' });
    world.picks(world.peer(), 4);
    expect(world.picker.claim(1, 0, 3 * BLOCK_BYTES, BLOCK_BYTES, 0).outcome).toBe('wanted');
  });

  test('a receipt without a claim changes nothing', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '??..' } });
    expect(world.receive(900, 0, 0).isNew).toBe(false);
    world.claim(900, 0, 0);
    expect(world.receive(900, 0, 1).isNew).toBe(false);
    expect(world.receive(900, 0, 0).isNew).toBe(true);
    expect(world.receive(900, 0, 0).isNew).toBe(false);
    expect(world.open).toBe('0[#?..]');
  });

  test('a second header before the first payload is complete gives the first block back', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '??..' } });
    world.claim(900, 0, 0);
    world.claim(900, 0, 1);
    expect(world.open).toBe('0[.?..]');
    expect(world.receive(900, 0, 0).isNew).toBe(false);
    expect(world.receive(900, 0, 1).isNew).toBe(true);
  });

  test('a slot stays while a block is arriving in it', () => {
    const world = new PickerWorld({ have: '..', availability: '11', slots: 1, partial: { 0: '??..' } });
    world.claim(900, 0, 0);
    world.picker.abandonPeer(900);
    world.check();
    expect(world.open).toBe('0[?...]');
    expect(world.pick(world.peer({ has: '.#' }), 1)).toBe('..');
    expect(world.picker.lackedSlots).toBe(true);
    expect(world.receive(900, 0, 0).isNew).toBe(true);
  });
});

describe('late blocks', () => {
  test('given up, but missing still: welcome', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '#??.' } });
    world.picker.abandonPeer(900);
    expect(world.send(900, 0, 1)).toMatchObject({ isNew: true });
    expect(world.open).toBe('0[##..]');
  });

  test('even when the piece was closed meanwhile', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '????' } });
    world.picker.abandonPeer(900);
    expect(world.open).toBe('');
    expect(world.send(900, 0, 3)).toMatchObject({ isNew: true });
    expect(world.open).toBe('0[...#]');
  });

  test('asked of another by now: both are welcome, the second is a duplicate', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '#??.' } });
    world.picker.abandonPeer(900);
    expect(world.picks(world.peer(), 1)).toEqual(['0:1']);
    expect(world.send(900, 0, 1).cancelPeers).toEqual([1]);
    expect(world.claim(1, 0, 1).outcome).toBe('duplicate');
    expect(world.claim(1, 0, 1).outcome).toBe('unrequested');
    expect(world.picker.counters).toMatchObject({ duplicateClaims: 1, unrequestedClaims: 1 });
  });

  test('no slot, no welcome', () => {
    const world = new PickerWorld({ have: '..', availability: '11', slots: 1, partial: { 0: '????' } });
    world.picker.abandonPeer(900);
    expect(world.pick(world.peer({ has: '.#' }), 1)).toBe('.1');
    expect(world.claim(900, 0, 0).outcome).toBe('duplicate');
    expect(world.open).toBe('1[?...]');
  });

  test('of a piece that verified or is no longer wanted: a duplicate', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '????', 1: '????' } });
    world.picker.abandonPeer(900);
    world.picker.markPieceVerified(0);
    world.picker.setPriority(1, 0);
    expect(world.claim(900, 0, 0).outcome).toBe('duplicate');
    expect(world.claim(900, 1, 0).outcome).toBe('duplicate');
    expect(world.open).toBe('');
  });

  test('of a piece that a suspect fetches alone: a duplicate', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '????' } });
    world.picker.abandonPeer(900);
    expect(world.picks(world.peer({ id: 5, parole: true }), 1)).toEqual(['0:0']);
    expect(world.claim(900, 0, 2).outcome).toBe('duplicate');
    expect(world.open).toBe('0[?...]');
  });

  test('only so many are remembered', () => {
    const world = new PickerWorld({ have: '...', availability: '111', blocks: 256 });
    world.pickBlocks(world.peer(), 768);
    const first = world.picker.openPieces()[0] as number;
    world.picker.abandonPeer(1);
    expect(world.claim(1, first, 0).outcome).toBe('unrequested');
    const last = [0, 1, 2].find((piece) => world.claim(1, piece, 255).outcome === 'wanted');
    expect(last).not.toBeUndefined();
  });
});

describe('pieces', () => {
  test('a failed piece is missing again, whole; its contributors were known', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '##..' }, helper: 'gone' });
    expect([...world.picker.contributors(0)]).toEqual([900, 900, -1, -1]);
    world.picks(world.peer(), 2);
    expect([...world.picker.contributors(0)]).toEqual([900, 900, -1, -1]);
    world.send(1, 0, 3);
    expect(world.send(1, 0, 2).isPieceFilled).toBe(true);
    expect([...world.picker.contributors(0)]).toEqual([900, 900, 1, 1]);
    world.picker.markPieceFailed(0);
    world.check();
    expect(world.open).toBe('');
    expect([...world.picker.contributors(0)]).toEqual([]);
    expect(world.pick(world.peer(), 99)).toBe('4');
  });

  test('found verified while it is open: requests end, the slot goes back', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '#?..' } });
    world.claim(900, 0, 1);
    expect(world.picker.markPieceVerified(0)).toBe(true);
    world.check();
    expect(world.picker.outstandingOf(900)).toBe(0);
    expect(world.receive(900, 0, 1).isNew).toBe(false);
    expect(world.pool.held.size).toBe(0);
  });

  test('pausing gives all slots back; what the storage wrote of a piece counts still', () => {
    const world = new PickerWorld({
      have: '..',
      availability: '11',
      blocks: 4,
      segment: 2,
      partial: { 0: '###?', 1: '#?..' },
    });
    world.picker.removePeer(900);
    world.picker.releaseSlots();
    world.check();
    expect(world.picker.heldSlots).toBe(0);
    expect(world.open).toBe('0[##..]');
    expect(world.picker.counters.evictedBlocks).toBe(2);
    world.nowMs += MS;
    expect(world.pick(world.peer(), 99)).toBe('24');
  });
});
