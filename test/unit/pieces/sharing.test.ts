// Who works with whom: whole pieces for the fast, shared ones for the slow, suspects alone, bounds on what is open.
import { describe, expect, test } from 'vitest';
import { rarestFirst } from '../../../core/pieces/policy.ts';
import { PickerWorld } from '../../support/picker-world.ts';

describe('fast peers', () => {
  test('do not interleave in a piece while there are others', () => {
    const world = new PickerWorld({ have: '......', availability: '111111' });
    const pieces = [1, 2, 3].map((id) => world.pickBlocks(world.peer({ id, speed: 'fast' }), 1)[0]?.[0]);
    expect(new Set(pieces).size).toBe(3);
    const again = [1, 2, 3].map((id) => world.pickBlocks(world.peer({ id, speed: 'fast' }), 1)[0]?.[0]);
    expect(again).toEqual(pieces);
  });

  test('finish their own piece before they open another', () => {
    const world = new PickerWorld({ have: '......', availability: '111111' });
    const peer = world.peer({ speed: 'fast' });
    const order = Array.from({ length: 12 }, () => world.pickBlocks(peer, 1)[0]?.[0]);
    expect(new Set(order.slice(0, 4)).size).toBe(1);
    expect(new Set(order.slice(4, 8)).size).toBe(1);
    expect(new Set(order).size).toBe(3);
  });

  test('interleave where they must', () => {
    const world = new PickerWorld({ have: '##.#', seeds: 1 });
    expect(world.picks(world.peer({ id: 1, speed: 'fast' }), 2)).toEqual(['2:0', '2:1']);
    expect(world.picks(world.peer({ id: 2, speed: 'fast' }), 9)).toEqual(['2:2', '2:3']);
  });

  test('take neighbours in runs where all are equally rare, up to a 64th of the torrent', () => {
    const world = new PickerWorld({ have: '.'.repeat(256), seeds: 1 });
    const peer = world.peer({ speed: 'fast' });
    const opened: number[] = [];
    for (let i = 0; i < 40; i++) {
      for (const [piece, block] of world.pickBlocks(peer, 4)) if (block === 0) opened.push(piece);
    }
    const runs: number[] = [];
    for (const [index, piece] of opened.entries()) {
      if (index > 0 && piece === (opened[index - 1] as number) + 1) runs[runs.length - 1]! += 1;
      else runs.push(1);
    }
    expect(opened.length).toBe(40);
    expect(Math.max(...runs)).toBeLessThanOrEqual(5);
    expect(runs.filter((run) => run === 4).length).toBeGreaterThan(6);
  });

  test('leave a run for a rarer piece', () => {
    const world = new PickerWorld({ have: '.'.repeat(256), availability: '2'.repeat(256) });
    const peer = world.peer({ speed: 'fast' });
    const [[first]] = world.pickBlocks(peer, 4) as [[number, number]];
    const rare = (first + 100) % 256;
    world.picker.removeAvailability(rare);
    expect(world.pickBlocks(peer, 1)[0]?.[0]).toBe(rare);
  });
});

describe('slow peers', () => {
  test('share a piece of a slow peer', () => {
    const world = new PickerWorld({ have: '....', availability: '1111' });
    const [[piece]] = world.pickBlocks(world.peer({ id: 1, speed: 'slow' }), 1) as [[number, number]];
    for (const id of [2, 3, 4]) {
      expect(world.pickBlocks(world.peer({ id, speed: 'slow' }), 1)).toEqual([[piece, id - 1]]);
    }
  });

  test('stay out of the piece of a fast one while there are others', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '??..' }, helper: 'fast' });
    expect(world.pick(world.peer({ speed: 'slow' }), 3)).toBe('.3');
    expect(world.pick(world.peer({ speed: 'slow' }), 9)).toBe('21');
  });

  test('a snubbed peer counts as slow', () => {
    const world = new PickerWorld({
      have: '...',
      availability: '111',
      partial: { 0: '#?..', 1: '#?..' },
      helper: 'slow',
    });
    expect(world.pick(world.peer({ speed: 'fast', snubbed: true }), 4)).toBe('22.');
  });

  test('hold only so many buffers together while faster ones are about', () => {
    const world = new PickerWorld({ have: '.....', availability: '11111', limits: { slowSegments: 2 } });
    world.pick(world.peer({ id: 2, speed: 'fast' }), 4);
    expect(world.pick(world.peer({ speed: 'slow' }), 99).replaceAll('.', '')).toBe('44');
    expect(world.picker.lackedSlots).toBe(true);
    expect(world.pick(world.peer({ id: 2, speed: 'fast' }), 4).replaceAll('.', '')).toBe('4');
    world.nowMs += 9999;
    expect(world.pick(world.peer({ speed: 'slow' }), 99)).toBe('.....');
    world.nowMs += 1;
    expect(world.pick(world.peer({ speed: 'slow' }), 99).replaceAll('.', '')).toBe('4');
  });

  test('give up their share when their segment is full, or given up', () => {
    const world = new PickerWorld({
      have: '....',
      availability: '1111',
      blocks: 1,
      limits: { slowSegments: 1 },
    });
    const fast = world.peer({ id: 2, speed: 'fast', has: '####' });
    const slow = world.peer({ id: 3, speed: 'slow' });
    world.pick(fast, 1);
    const [[piece]] = world.pickBlocks(slow, 1) as [[number, number]];
    expect(world.pick(slow, 1)).toBe('....');
    world.send(3, piece, 0);
    expect(world.pick(slow, 1)).not.toBe('....');
    world.picker.abandonPeer(3);
    expect(world.pick(slow, 1)).not.toBe('....');
  });

  test('are helped by faster ones once nothing else is left', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '?...' }, helper: 'slow' });
    expect(world.pick(world.peer({ speed: 'fast' }), 6)).toBe('24');
  });
});

describe('open pieces', () => {
  test('that nobody leads are finished first, by anybody', () => {
    for (const speed of ['fast', 'medium', 'slow'] as const) {
      const world = new PickerWorld({
        have: '....',
        availability: '9111',
        partial: { 0: '##..' },
        helper: 'gone',
      });
      expect(world.pick(world.peer({ speed }), 2)).toBe('2...');
    }
  });

  test('the one nearest to its end first', () => {
    const world = new PickerWorld({
      have: '....',
      availability: '1111',
      partial: { 0: '#...', 1: '###.', 2: '##..' },
      helper: 'gone',
    });
    expect(world.picks(world.peer(), 4)).toEqual(['1:3', '2:2', '2:3', '0:1']);
  });

  test('a peer of the same kind joins, one of another opens its own', () => {
    const drawing = { have: '..', availability: '11', partial: { 0: '??..' }, helper: 'medium' } as const;
    expect(new PickerWorld(drawing).picker.openPieces()).toEqual([0]);
    const same = new PickerWorld(drawing);
    expect(same.pick(same.peer({ speed: 'medium' }), 2)).toBe('2.');
    const faster = new PickerWorld(drawing);
    expect(faster.pick(faster.peer({ speed: 'fast' }), 2)).toBe('.2');
  });

  test('above the bound on pieces they are shared before another is opened, by the fast too', () => {
    const partial = { 0: '#?..', 1: '#?..' };
    const limits = { openPiecesPerPeer: 1.5 };
    const world = new PickerWorld({ have: '....', availability: '1111', partial, helper: 'fast', limits });
    expect(world.pick(world.peer({ speed: 'fast' }), 5)).toMatch(/^22(1\.|\.1)$/);
  });

  test('above the bound on blocks as well', () => {
    const drawing = { have: '...', availability: '111', partial: { 0: '#?..' }, helper: 'fast' } as const;
    const below = new PickerWorld(drawing);
    expect(below.pick(below.peer({ speed: 'fast' }), 1)).toMatch(/^\.(1\.|\.1)$/);
    const above = new PickerWorld({ ...drawing, limits: { openBlocks: 3 } });
    expect(above.pick(above.peer({ speed: 'fast' }), 1)).toBe('1..');
  });
});

describe('suspects', () => {
  test('take whole pieces that nobody else touches', () => {
    const world = new PickerWorld({
      have: '...',
      availability: '111',
      partial: { 0: '##..' },
      helper: 'gone',
    });
    const suspect = world.peer({ id: 5, parole: true });
    expect(world.pick(suspect, 2)).toMatch(/^\.(2\.|\.2)$/);
    expect(world.pick(world.peer({ id: 6 }), 99)).toMatch(/^2(\.4|4\.)$/);
    expect(world.pick(suspect, 9)).toMatch(/^\.(2\.|\.2)$/);
  });

  test('who give up a piece leave it to all', () => {
    const world = new PickerWorld({ have: '.', availability: '1' });
    world.picks(world.peer({ id: 5, parole: true }), 4);
    world.send(5, 0, 0);
    expect(world.picks(world.peer({ id: 6 }), 9)).toEqual([]);
    world.picker.abandonBlock(5, 0, 1);
    expect(world.picks(world.peer({ id: 6 }), 9)).toEqual(['0:1']);
    const second = new PickerWorld({ have: '.', availability: '1' });
    second.picks(second.peer({ id: 5, parole: true }), 2);
    second.send(5, 0, 0);
    second.picker.removePeer(5);
    expect(second.picks(second.peer({ id: 6 }), 9)).toEqual(['0:1', '0:2', '0:3']);
  });

  test('cannot hold up the end: an old request is doubled, and theirs no longer alone', () => {
    const world = new PickerWorld({ have: '.', availability: '1' });
    world.picks(world.peer({ id: 5, parole: true }), 4);
    expect(world.picks(world.peer({ id: 6 }), 1)).toEqual([]);
    world.nowMs += 5000;
    expect(world.picks(world.peer({ id: 6 }), 1)).toEqual(['0:0']);
  });

  test('finish what others left when nothing else is there', () => {
    const world = new PickerWorld({ have: '.', availability: '1', partial: { 0: '#?..' } });
    const suspect = world.peer({ id: 5, parole: true });
    expect(world.picks(suspect, 9)).toEqual([]);
    world.picker.abandonPeer(900);
    expect(world.picks(suspect, 9)).toEqual(['0:1', '0:2', '0:3']);
  });

  test('set free, share as all do', () => {
    const world = new PickerWorld({ have: '.', availability: '1' });
    world.picks(world.peer({ id: 5, parole: true }), 1);
    world.picks(world.peer({ id: 5 }), 1);
    expect(world.picks(world.peer({ id: 6 }), 9)).toEqual(['0:2', '0:3']);
  });
});

describe('the reader', () => {
  const drawing = { have: '..........', availability: '9999911111' };

  test('gets its window in order, and the rarest behind it', () => {
    const world = new PickerWorld({ ...drawing, blocks: 1 });
    world.picker.setSequential({ fromPiece: 1, windowPieces: 3 });
    expect(world.picks(world.peer({ speed: 'fast' }), 3)).toEqual(['1:0', '2:0', '3:0']);
    expect(world.pick(world.peer({ speed: 'fast' }), 5)).toBe('.....11111');
  });

  test('has a window that slides', () => {
    const world = new PickerWorld({ ...drawing, have: '###.##....', blocks: 1 });
    world.picker.setSequential({ fromPiece: 0, windowPieces: 2 });
    expect(world.picks(world.peer(), 1)).toEqual(['3:0']);
    world.picker.markPieceVerified(3);
    expect(world.picks(world.peer(), 2)).toEqual(['6:0', '7:0']);
  });

  test('may seek, and stop', () => {
    const world = new PickerWorld({ ...drawing, blocks: 1 });
    world.picker.setSequential({ fromPiece: 0, windowPieces: 2 });
    expect(world.picks(world.peer(), 1)).toEqual(['0:0']);
    world.picker.setSequential({ fromPiece: 4, windowPieces: 2 });
    expect(world.picks(world.peer(), 2)).toEqual(['4:0', '5:0']);
    world.picker.setSequential(undefined);
    expect(world.pick(world.peer(), 4)).toBe('......1111');
  });

  test('gets a lost piece again', () => {
    const world = new PickerWorld({ ...drawing, have: '####......', blocks: 1 });
    world.picker.setSequential({ fromPiece: 0, windowPieces: 1 });
    world.picker.markPieceLost(2);
    world.picker.markPieceVerified(0);
    expect(world.picks(world.peer(), 1)).toEqual(['2:0']);
    world.picker.markPieceVerified(2);
    expect(world.picks(world.peer(), 1)).toEqual(['4:0']);
    world.picker.markPieceLost(1);
    expect(world.picks(world.peer(), 1)).toEqual(['1:0']);
  });

  test('is not served by a snubbed peer; a slow one works on the far half', () => {
    const world = new PickerWorld({ ...drawing, blocks: 1 });
    world.picker.setSequential({ fromPiece: 5, windowPieces: 4 });
    expect(world.pick(world.peer({ id: 1, snubbed: true }), 5)).toBe('11111.....');
    expect(world.picks(world.peer({ id: 2, speed: 'slow' }), 2)).toEqual(['7:0', '8:0']);
  });

  test('waits for nobody slow: its piece is doubled by a fast peer', () => {
    const world = new PickerWorld({ ...drawing, partial: { 0: '#???' }, helper: 'slow' });
    world.picker.setSequential({ fromPiece: 0, windowPieces: 2 });
    expect(world.picks(world.peer({ speed: 'fast', has: '#.........' }), 9)).toEqual(['0:1', '0:2', '0:3']);
    expect(world.picker.counters.duplicateRequests).toBe(3);
    expect(world.send(1, 0, 1).cancelPeers).toEqual([900]);
  });

  test('leaves a fast peer the time it needs', () => {
    const world = new PickerWorld({ ...drawing, partial: { 0: '#???' }, helper: 'fast' });
    world.picker.setSequential({ fromPiece: 0, windowPieces: 2 });
    const peer = world.peer({ speed: 'fast', has: '##........' });
    expect(world.pick(peer, 5)).toBe('.4........');
    world.nowMs += 1500;
    expect(world.pick(peer, 2)).toBe('2.........');
  });

  test('comes before the random start', () => {
    const world = new PickerWorld({ ...drawing, blocks: 1, policy: rarestFirst });
    world.picker.setSequential({ fromPiece: 2, windowPieces: 2 });
    expect(world.picks(world.peer(), 2)).toEqual(['2:0', '3:0']);
  });
});
