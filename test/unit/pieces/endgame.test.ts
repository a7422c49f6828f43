// The end of a download and full buffers: doubling, cancelling, stealing, evicting; nothing may hang on one peer.
import { describe, expect, test } from 'vitest';
import type { PeerSpeed } from '../../../core/pieces/picker-types.ts';
import { HELPER, PickerWorld } from '../../support/picker-world.ts';

describe('endgame', () => {
  test('begins when all that anybody could send is asked for', () => {
    const world = new PickerWorld({ have: '#..', availability: '110' });
    expect(world.picker.inEndgame).toBe(false);
    world.pick(world.peer({ has: '.#.' }), 3);
    expect(world.picker.inEndgame).toBe(false);
    world.pick(world.peer({ has: '.#.' }), 3);
    expect(world.picker.inEndgame).toBe(true);
    world.picker.addAvailability(2);
    expect(world.picker.inEndgame).toBe(false);
    world.picker.markPieceVerified(1);
    world.picker.markPieceVerified(2);
    expect(world.picker.inEndgame).toBe(false);
  });

  test('an idle peer doubles one block at a time, and no block twice', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '####' }, blocks: 4 });
    world.picker.markPieceFailed(0);
    expect(world.picks(world.peer({ id: 1 }), 4).length).toBe(4);
    expect(world.picks(world.peer({ id: 2 }), 4)).toEqual(['0:0']);
    expect(world.picks(world.peer({ id: 2 }), 4)).toEqual([]);
    expect(world.picks(world.peer({ id: 3 }), 4)).toEqual(['0:1']);
    expect(world.picks(world.peer({ id: 4 }), 4)).toEqual(['0:2']);
    expect(world.picks(world.peer({ id: 5 }), 4)).toEqual(['0:3']);
    expect(world.picks(world.peer({ id: 6 }), 4)).toEqual(['0:0']);
    expect(world.picks(world.peer({ id: 1 }), 4)).toEqual([]);
    expect(world.picker.counters.duplicateRequests).toBe(5);
  });

  test('at most four peers are asked for a block', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 1 });
    const asked = [1, 2, 3, 4, 5, 6].map((id) => world.picks(world.peer({ id }), 1).length);
    expect(asked).toEqual([1, 1, 1, 1, 0, 0]);
    world.picker.removePeer(1);
    world.picker.removePeer(3);
    expect(world.picks(world.peer({ id: 6 }), 1)).toEqual(['0:0']);
  });

  test('four keep no faster peer away, and of those four more are enough', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 1 });
    const asked = (speed: PeerSpeed, ids: number[]): number[] =>
      ids.filter((id) => world.picks(world.peer({ id, speed }), 1).length === 1);
    expect(asked('slow', [1, 2, 3, 4, 5])).toEqual([1, 2, 3, 4]);
    expect(asked('medium', [11, 12])).toEqual([11, 12]);
    expect(asked('fast', [21, 22, 23, 24, 25])).toEqual([21, 22, 23, 24]);
    expect(asked('medium', [13])).toEqual([]);
    expect([...world.send(21, 0, 0).cancelPeers].sort((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 11, 12, 22, 23, 24,
    ]);
  });

  test('the arrival cancels all others, who may then double the next', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 2 });
    world.picks(world.peer({ id: 1 }), 2);
    for (const id of [2, 3, 4]) world.picks(world.peer({ id }), 2);
    expect(world.send(2, 0, 0).cancelPeers).toEqual([1, 4]);
    expect([1, 2, 3, 4].map((id) => world.picker.outstandingOf(id))).toEqual([1, 0, 1, 0]);
    expect(world.picks(world.peer({ id: 4 }), 2)).toEqual(['0:1']);
    expect(world.claim(1, 0, 0).outcome).toBe('duplicate');
    expect(world.send(4, 0, 1)).toMatchObject({ cancelPeers: [1, 3], isPieceFilled: true });
    expect([...world.picker.contributors(0)]).toEqual([2, 4]);
  });

  test('one stalled peer does not hold the last blocks', () => {
    const world = new PickerWorld({ have: '.'.repeat(10), seeds: 1 });
    const stalled = world.peer({ id: 1 });
    const good = world.peer({ id: 2 });
    world.pickBlocks(stalled, 10);
    let steps = 0;
    while (!world.picker.isComplete && steps++ < 200) {
      world.nowMs += 10;
      for (const [piece, block] of world.pickBlocks(good, 4)) {
        if (world.send(2, piece, block).isPieceFilled) world.picker.markPieceVerified(piece);
      }
      world.write();
    }
    expect(world.picker.isComplete).toBe(true);
    expect(world.picker.counters.duplicateRequests).toBe(10);
    expect(world.picker.outstandingOf(1)).toBe(0);
  });

  test('the block that arrives at the doubling peer takes the place of one that crawls in', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 1 });
    world.picks(world.peer({ id: 1 }), 1);
    world.picks(world.peer({ id: 2 }), 1);
    const slot = world.claim(1, 0, 0).slot;
    expect(world.claim(2, 0, 0)).toMatchObject({ outcome: 'wanted', revokedPeer: 1, slot });
    expect(world.receive(1, 0, 0).isNew).toBe(false);
    expect(world.receive(2, 0, 0)).toMatchObject({ isNew: true, isPieceFilled: true, cancelPeers: [] });
    expect(world.picker.outstandingOf(1)).toBe(0);
  });

  test('a stored block is not written again by who comes second', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 2 });
    world.picks(world.peer({ id: 1 }), 2);
    world.picks(world.peer({ id: 2 }), 1);
    world.send(1, 0, 0);
    expect(world.claim(2, 0, 0).outcome).toBe('duplicate');
  });

  test('who loses one of its doubled requests leaves the block with the others', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 1 });
    for (const id of [1, 2, 3]) world.picks(world.peer({ id }), 1);
    expect(world.picker.abandonBlock(1, 0, 0)).toBe(true);
    expect(world.open).toBe('0[?]');
    expect(world.picker.abandonBlock(3, 0, 0)).toBe(true);
    expect(world.open).toBe('0[?]');
    world.picker.removePeer(2);
    expect(world.open).toBe('');
  });

  test('before the endgame an idle peer doubles only what is old', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '????' } });
    const peer = world.peer({ has: '#.' });
    expect(world.picker.inEndgame).toBe(false);
    expect(world.picks(peer, 1)).toEqual([]);
    world.nowMs += 5000;
    expect(world.picks(peer, 1)).toEqual(['0:0']);
  });

  test('... or what a slow peer owes, if it is fast itself', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '????' }, helper: 'slow' });
    expect(world.picks(world.peer({ id: 1, has: '#.', speed: 'medium' }), 9)).toEqual([]);
    expect(world.picks(world.peer({ id: 2, has: '#.', speed: 'fast' }), 9)).toEqual(['0:0']);
  });

  test('what a slow peer owes goes first, then what is oldest', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 5 });
    world.picks(world.peer({ id: 1, speed: 'fast' }), 2);
    world.nowMs += 10;
    world.picks(world.peer({ id: 2, speed: 'slow' }), 1);
    world.nowMs += 10;
    world.picks(world.peer({ id: 3, speed: 'slow' }), 1);
    world.nowMs += 10;
    world.picks(world.peer({ id: 1, speed: 'fast' }), 1);
    const doubled = [4, 5, 6, 7].map((id) => world.picks(world.peer({ id }), 1)[0]);
    expect(doubled).toEqual(['0:2', '0:3', '0:0', '0:1']);
  });
});

describe('full buffers', () => {
  test('nothing new is opened, segments that are open go on', () => {
    const world = new PickerWorld({ have: '...', availability: '111', slots: 1 });
    expect(world.pick(world.peer({ id: 1 }), 2).replaceAll('.', '')).toBe('2');
    expect(world.picker.lackedSlots).toBe(false);
    expect(world.pick(world.peer({ id: 2 }), 9).replaceAll('.', '')).toBe('2');
    expect(world.picker.lackedSlots).toBe(true);
  });

  test('a segment needs a slot of its own', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 6, segment: 2, slots: 2 });
    const peer = world.peer();
    expect(world.picks(peer, 9)).toEqual(['0:0', '0:1', '0:2', '0:3']);
    world.send(1, 0, 0);
    world.send(1, 0, 1);
    expect(world.picks(peer, 9)).toEqual([]);
    world.write();
    expect(world.picks(peer, 9)).toEqual(['0:4', '0:5']);
  });

  test('a free block behind one without a slot is still found', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 6, segment: 2, slots: 3 });
    world.picks(world.peer(), 6);
    for (const block of [0, 1, 4]) world.picker.abandonBlock(1, 0, block);
    world.pool.acquire(); // another torrent took what was given back
    expect(world.open).toBe('0[..??.?]');
    expect(world.picker.pick(world.peer({ id: 2 }), 9, new Int32Array(20), 0)).toBe(1);
    expect(world.open).toBe('0[..????]');
  });

  test('a fast peer takes over what slow ones owe', () => {
    const world = new PickerWorld({
      have: '...',
      availability: '111',
      slots: 2,
      partial: { 0: '#???', 1: '##??' },
      helper: 'slow',
    });
    expect(world.pick(world.peer({ speed: 'medium' }), 9)).toBe('...');
    expect(world.picks(world.peer({ id: 2, speed: 'fast' }), 9)).toEqual(['1:2', '1:3']);
    world.send(2, 1, 2);
    expect(world.send(2, 1, 3)).toMatchObject({ isPieceFilled: true, cancelPeers: [HELPER] });
    world.write();
    expect(world.pick(world.peer({ id: 2, speed: 'fast' }), 9)).toBe('..4');
  });

  test('... but not what fast ones owe, nor while it is busy itself', () => {
    const drawing = { have: '..', availability: '11', slots: 1, partial: { 0: '#???' } };
    const fast = new PickerWorld({ ...drawing, helper: 'fast' });
    expect(fast.picks(fast.peer({ speed: 'fast' }), 9)).toEqual([]);
    const busy = new PickerWorld({ ...drawing, partial: { 0: '#??.' }, helper: 'slow' });
    expect(busy.picks(busy.peer({ speed: 'fast' }), 9)).toEqual(['0:3']);
    expect(busy.picks(busy.peer({ speed: 'fast' }), 9)).toEqual([]);
  });

  test('a half-full segment that nobody can go on with makes room, after a while', () => {
    const world = new PickerWorld({
      have: '...',
      availability: '001',
      slots: 2,
      partial: { 0: '##..', 1: '#...' },
      helper: 'gone',
    });
    const peer = world.peer({ has: '..#' });
    expect(world.pick(peer, 9)).toBe('...');
    world.nowMs += 5000;
    expect(world.pick(peer, 9)).toBe('..4');
    expect(world.open).toBe('0[##..] 2[????]');
    expect(world.picker.counters.evictedBlocks).toBe(1);
  });

  test('... also for the next segment of an open piece', () => {
    const world = new PickerWorld({
      have: '..',
      availability: '11',
      blocks: 4,
      segment: 2,
      slots: 1,
      partial: { 1: '##..' },
      helper: 'gone',
    });
    world.write();
    world.picks(world.peer({ id: 3, has: '#.' }), 1);
    world.send(3, 0, 0);
    world.picker.abandonPeer(3);
    world.nowMs += 5000;
    expect(world.pick(world.peer({ id: 4, has: '.#' }), 9)).toBe('.2');
    expect(world.open).toBe('1[##??]');
  });

  test('... but not for a slow peer whose kind has had its share', () => {
    const world = new PickerWorld({
      have: '....',
      availability: '1111',
      blocks: 2,
      limits: { slowSegments: 1 },
      partial: { 0: '#.' },
      helper: 'gone',
    });
    world.nowMs += 60_000;
    world.pick(world.peer({ id: 1, speed: 'fast', has: '.#..' }), 2);
    world.pick(world.peer({ id: 2, speed: 'slow', has: '..#.' }), 2);
    expect(world.pick(world.peer({ id: 3, speed: 'slow', has: '...#' }), 9)).toBe('....');
    expect(world.picker.lackedSlots).toBe(true);
    expect(world.open).toBe('0[#.] 1[??] 2[??]');
  });

  test('... but not for a peer that would have nothing to open', () => {
    const world = new PickerWorld({
      have: '..',
      availability: '01',
      slots: 1,
      partial: { 0: '##..' },
      helper: 'gone',
    });
    world.nowMs += 60_000;
    expect(world.pick(world.peer({ has: '..' }), 9)).toBe('..');
    expect(world.open).toBe('0[##..]');
  });

  test('all requests given up: the slot goes back at once', () => {
    const world = new PickerWorld({ have: '.', availability: '1', blocks: 4, segment: 2 });
    world.picks(world.peer(), 4);
    world.send(1, 0, 2);
    expect(world.picker.heldSlots).toBe(2);
    world.picker.abandonPeer(1);
    expect(world.open).toBe('0[..#.]');
    expect(world.picker.heldSlots).toBe(1);
  });
});
