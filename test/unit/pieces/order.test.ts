// Which piece is opened next: rarity, priority, policies, random start, suggestions, allowed-fast.
import { describe, expect, test } from 'vitest';
import { inOrder, randomOrder, rankOfScore, rarestFirst } from '../../../core/pieces/policy.ts';
import { type Drawing, PickerWorld } from '../../support/picker-world.ts';

/** The order in which a peer that has everything opens all pieces, for many seeds. */
function orders(drawing: Drawing, count = 50): string[] {
  return Array.from({ length: count }, (_, seed) => {
    const world = new PickerWorld({ ...drawing, seed });
    return world.orderFor(world.peer());
  });
}

/** Every order must run through these groups of pieces, each group in any order. */
function expectGroups(found: string[], groups: string[]): void {
  for (const order of found) {
    let at = 0;
    for (const group of groups) {
      expect([...order.slice(at, at + group.length)].sort().join('')).toBe(group);
      at += group.length;
    }
    expect(order.length).toBe(at);
  }
}

describe('rarest first', () => {
  test('the rarest piece goes first', () => {
    expectGroups(orders({ have: '.......', availability: '3214567' }), ['2', '1', '0', '3', '4', '5', '6']);
  });

  test('pieces as rare as each other go in an order that the seed decides', () => {
    const found = orders({ have: '......', availability: '211211' });
    expectGroups(found, ['1245', '03']);
    expect(new Set(found).size).toBeGreaterThan(20);
    for (const first of '1245') expect(found.some((order) => order[0] === first)).toBe(true);
  });

  test('the same seed gives the same order', () => {
    const drawing = { have: '..........', availability: '1111111111' };
    expect(orders(drawing, 5)).toEqual(orders(drawing, 5));
  });

  test('verified pieces are never picked', () => {
    expectGroups(orders({ have: '#.##.#', availability: '111211' }), ['14']);
  });

  test('pieces that only seeds have are rarer than those that a peer has too', () => {
    expectGroups(orders({ have: '....', availability: '1020', seeds: 2 }), ['13', '0', '2']);
  });

  test('a seed more changes nothing in the order', () => {
    expect(orders({ have: '......', availability: '312312', seeds: 1 })).toEqual(
      orders({ have: '......', availability: '312312', seeds: 3 }),
    );
  });

  test('a have makes a piece less rare, a leaving peer rarer', () => {
    const world = new PickerWorld({ have: '...', availability: '122' });
    world.picker.addAvailability(0);
    world.picker.addAvailability(0);
    world.picker.removeAvailability(2);
    world.check();
    expect(world.orderFor(world.peer())).toBe('210');
  });

  test('a joining peer counts with all its pieces, and takes them back when it goes', () => {
    const world = new PickerWorld({ have: '....', availability: '1234' });
    const peer = world.peer({ has: '####', id: 7 });
    const part = world.peer({ has: '##..', id: 8 });
    for (let i = 0; i < 5; i++) world.picker.addPeerPieces(part.pieces);
    world.picker.addPeerPieces(peer.pieces);
    world.check();
    expect([0, 1, 2, 3].map((piece) => world.picker.availabilityOf(piece))).toEqual([7, 8, 4, 5]);
    expect(world.picker.pieceFacts()).toEqual({
      pieceAvailability: Uint8Array.of(7, 8, 4, 5),
      isSequential: false,
    });
    world.picker.removePeerPieces(part.pieces, false);
    world.picker.removePeerPieces(peer.pieces, true);
    world.check();
    expect([0, 1, 2, 3].map((piece) => world.picker.availabilityOf(piece))).toEqual([5, 6, 3, 4]);
    expect(world.orderFor(world.peer())).toBe('2301');
  });

  test('only what the peer has is asked of it', () => {
    const world = new PickerWorld({ have: '......', availability: '123123' });
    expect(world.orderFor(world.peer({ has: '..##.#' }))).toMatch(/^3(25|52)$/);
  });

  test('a snubbed peer takes from the common end', () => {
    const world = new PickerWorld({ have: '.....', availability: '12543' });
    expect(world.orderFor(world.peer({ snubbed: true }))).toBe('23410');
  });

  test('a failed piece comes back', () => {
    const world = new PickerWorld({ have: '##', availability: '11' });
    expect(world.picker.markPieceLost(1)).toBe(true);
    world.check();
    expect(world.pick(world.peer(), 9)).toBe('.4');
    world.picker.markPieceFailed(1);
    world.check();
    expect(world.pick(world.peer({ id: 2 }), 9)).toBe('.4');
  });
});

describe('priority', () => {
  test('weighs rarity: (peers + 1) x (8 - priority)', () => {
    // 7 weighs 1, 4 weighs 4, 1 weighs 7: scores 8, 8, 7, 12, 4.
    expectGroups(orders({ have: '.....', availability: '71023', priority: '74147', seeds: 1 }), [
      '4',
      '2',
      '01',
      '3',
    ]);
  });

  test('0 is never picked, and wanted again when raised', () => {
    const world = new PickerWorld({ have: '....', availability: '1111', priority: '0404' });
    expect(world.pick(world.peer(), 99)).toBe('.4.4');
    expect(world.picker.setPriority(0, 1)).toBe(true);
    expect(world.picker.setPriority(0, 2)).toBe(false);
    expect(world.pick(world.peer(), 99)).toBe('4...');
  });

  test('open pieces of higher priority are finished first', () => {
    const world = new PickerWorld({
      have: '....',
      availability: '1111',
      priority: '4744',
      partial: { 0: '##..', 1: '#...', 2: '##..' },
      helper: 'gone',
    });
    expect(world.pick(world.peer(), 3)).toBe('.3..');
  });

  test('an open piece that falls to 0 is asked for no more and goes when its last request ends', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '#?..' } });
    expect(world.picker.setPriority(0, 0)).toBe(true);
    world.check();
    expect(world.pick(world.peer(), 9)).toBe('.4');
    expect(world.open).toBe('0[#?..] 1[????]');
    world.picker.abandonBlock(900, 0, 1);
    world.check();
    expect(world.open).toBe('1[????]');
    expect(world.picker.counters.evictedBlocks).toBe(1);
  });

  test('a piece at 0 whose last request arrives is dropped, and one that is full is kept to be verified', () => {
    const world = new PickerWorld({ have: '..', availability: '11', partial: { 0: '#?..', 1: '###?' } });
    for (const piece of [0, 1]) world.picker.setPriority(piece, 0);
    expect(world.send(900, 0, 1)).toMatchObject({ isNew: true, filledSlot: -1, isPieceFilled: false });
    expect(world.send(900, 1, 3)).toMatchObject({ isNew: true, isPieceFilled: true });
    expect(world.open).toBe('1[####]');
    expect(world.picker.heldSlots).toBe(0);
    expect(world.picker.markPieceVerified(1)).toBe(true);
    world.check();
    expect([world.picker.wantedCount, world.picker.neededCount]).toEqual([0, 0]);
  });

  test('all at once', () => {
    const world = new PickerWorld({ have: '#.....', availability: '111111', partial: { 2: '??..' } });
    world.picker.setPriorities((piece) => (piece < 3 ? 0 : piece === 4 ? 7 : 4));
    world.check();
    expect([world.picker.wantedCount, world.picker.neededCount]).toEqual([3, 3]);
    expect(world.pick(world.peer(), 99)).toBe('...444');
    // Endgame: an idle peer doubles a request, but none of the unwanted piece.
    expect(world.pick(world.peer({ id: 2 }), 1)).toMatch(/^\.\.\.(1\.\.|\.1\.|\.\.1)$/);
  });
});

describe('the start', () => {
  test('is random until four pieces are verified', () => {
    const drawing = { have: '......', availability: '123456', policy: rarestFirst };
    const first = new Set(orders(drawing).map((order) => order[0]));
    expect([...first].sort().join('')).toBe('012345');
    const later = { have: '####......', availability: '1111123456', policy: rarestFirst };
    expectGroups(orders(later), ['4', '5', '6', '7', '8', '9']);
  });

  test('shares open pieces, so that the first is complete soon', () => {
    const world = new PickerWorld({ have: '........', availability: '11111111', policy: rarestFirst });
    const [[piece]] = world.pickBlocks(world.peer({ id: 1, speed: 'fast' }), 1) as [[number, number]];
    const [[same]] = world.pickBlocks(world.peer({ id: 2, speed: 'fast' }), 1) as [[number, number]];
    expect(same).toBe(piece);
  });

  test('a peer with one piece in many gives that one', () => {
    const have = '.'.repeat(300);
    const has = `${'.'.repeat(217)}#${'.'.repeat(82)}`;
    const world = new PickerWorld({ have, seeds: 1, policy: rarestFirst });
    expect(world.picks(world.peer({ has }), 1)).toEqual(['217:0']);
  });
});

describe('policies', () => {
  test('in order', () => {
    const world = new PickerWorld({ have: '.#..#....', availability: '987654321', policy: inOrder });
    expect(world.orderFor(world.peer())).toBe('0235678');
  });

  test('in order skips what the peer lacks', () => {
    const world = new PickerWorld({ have: '.........', availability: '111111111', policy: inOrder });
    expect(world.orderFor(world.peer({ has: '..#..#..#' }))).toBe('258');
  });

  test('random cares for priority, not for rarity', () => {
    const found = orders({
      have: '......',
      availability: '123456',
      priority: '444446',
      policy: randomOrder,
    });
    expectGroups(found, ['5', '01234']);
    expect(new Set(found.map((order) => order[1])).size).toBe(5);
  });

  test('one of the user: most common first', () => {
    const policy = {
      name: 'common',
      order: 'by-rank',
      startsRandom: false,
      rank: (n: number) => 100.5 - n,
    } as const;
    const world = new PickerWorld({ have: '.....', availability: '31524', policy });
    expect(world.orderFor(world.peer())).toBe('24031');
  });

  test('one that gives no rank is refused', () => {
    const policy = { ...randomOrder, rank: () => Number.NaN };
    expect(() => new PickerWorld({ have: '.', policy })).toThrow('policy random gave no rank');
  });

  test('ranks of scores are monotonic, exact at first, and within range', () => {
    let before = -1;
    for (let score = 0; score < 600_000; score++) {
      const rank = rankOfScore(score);
      if (score < 128) expect(rank).toBe(score);
      if (rank < before || rank > before + 1 || rank > 255) throw new Error(`score ${score}: rank ${rank}`);
      before = rank;
    }
    expect(before).toBeGreaterThan(200);
  });
});

describe('BEP 6', () => {
  test('a choking peer is asked only for what it allows and has', () => {
    const world = new PickerWorld({ have: '......', availability: '111111' });
    expect(world.pick(world.peer({ choked: true }), 99)).toBe('......');
    expect(world.pick(world.peer({ choked: true, allowed: [] }), 99)).toBe('......');
    expect(world.pick(world.peer({ choked: true, allowed: [1, 4], has: '.##...' }), 99)).toBe('.4....');
  });

  test('a choking peer may go on with an open piece it allows', () => {
    const world = new PickerWorld({
      have: '...',
      availability: '111',
      partial: { 1: '##..' },
      helper: 'gone',
    });
    expect(world.pick(world.peer({ choked: true, allowed: [1] }), 99)).toBe('.2.');
  });

  test('suggested pieces go before rarer ones', () => {
    const world = new PickerWorld({ have: '......', availability: '111119' });
    expect(world.pick(world.peer({ suggested: [5] }), 4)).toBe('.....4');
  });

  test('suggested pieces go before open ones too, unless much is open already', () => {
    const drawing = { have: '....', availability: '1111', partial: { 0: '##..' }, helper: 'gone' } as const;
    const world = new PickerWorld(drawing);
    expect(world.pick(world.peer({ suggested: [3] }), 5)).toBe('1..4');
    const full = new PickerWorld({ ...drawing, limits: { openBlocks: 3 } });
    expect(full.pick(full.peer({ suggested: [3] }), 5)).toBe('2..3');
  });

  test('suggestions of pieces we have, or it has not, or that do not exist count for nothing', () => {
    const world = new PickerWorld({ have: '#.....', availability: '111112' });
    const peer = world.peer({ suggested: [0, 1, 99, -1], has: '#.###.' });
    expect(world.pick(peer, 4)).toMatch(/^\.\.(4\.\.|\.4\.|\.\.4)\.$/);
  });
});

describe('figures', () => {
  test('distributed copies', () => {
    expect(new PickerWorld({ have: '....', availability: '1111' }).picker.distributedCopies).toBe(1);
    expect(new PickerWorld({ have: '....', availability: '1211' }).picker.distributedCopies).toBe(1.25);
    expect(new PickerWorld({ have: '....', availability: '0999' }).picker.distributedCopies).toBe(0.75);
    expect(new PickerWorld({ have: '....', availability: '0120', seeds: 2 }).picker.distributedCopies).toBe(
      2.5,
    );
  });

  test('needed and wanted, in pieces and bytes; the last piece is short', () => {
    const world = new PickerWorld({ have: '#...', priority: '4041' });
    const { picker } = world;
    expect([picker.wantedCount, picker.neededCount]).toEqual([3, 2]);
    expect([picker.wantedBytes, picker.neededBytes]).toEqual([3 * 65536, 2 * 65536]);
    expect(picker.isComplete).toBe(false);
    picker.markPieceVerified(2);
    picker.markPieceVerified(3);
    expect(picker.isComplete).toBe(true);
    expect(picker.markPieceVerified(3)).toBe(false);
  });

  test('interest: what a peer has of what is needed', () => {
    const world = new PickerWorld({ have: '#....', priority: '44044', partial: { 3: '#...' } });
    const { picker } = world;
    expect(picker.countNeeded(world.peer({ has: '#####' }).pieces)).toBe(3);
    expect(picker.countNeeded(world.peer({ has: '#.##.' }).pieces)).toBe(1);
    expect(picker.countNeeded(world.peer({ has: '#.#..' }).pieces)).toBe(0);
    expect([0, 1, 2, 3, 4].map((piece) => picker.isNeeded(piece))).toEqual([false, true, false, true, true]);
    picker.markPieceVerified(3);
    expect(picker.countNeeded(world.peer({ has: '#.##.' }).pieces)).toBe(0);
    expect(picker.markPieceLost(0)).toBe(true);
    expect(picker.countNeeded(world.peer({ has: '#....' }).pieces)).toBe(1);
  });
});
