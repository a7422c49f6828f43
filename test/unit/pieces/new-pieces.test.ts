// The work behind a choice is bounded: how often the whole torrent is searched for a peer whose pieces are not in front.
import { expect, test } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { PieceLayout } from '../../../core/metainfo/layout.ts';
import { AvailabilityOrder } from '../../../core/pieces/availability-order.ts';
import { NewPieces } from '../../../core/pieces/new-pieces.ts';
import { PeerBook } from '../../../core/pieces/peer-book.ts';
import type { PickerPeer } from '../../../core/pieces/picker-types.ts';
import { rarestAtOnce } from '../../support/picker-world.ts';

const PIECES = 20_000;

class CountingOrder extends AvailabilityOrder {
  searches = 0;

  override collect(pieces: Bitfield, max: number): Int32Array {
    this.searches++;
    return super.collect(pieces, max);
  }
}

/** The first half is rare and not at this peer; of the second half it has one piece in `every`. */
function setup(every: number) {
  const order = new CountingOrder({
    pieceCount: PIECES,
    priority: 4,
    policy: rarestAtOnce,
    rng: seededRng(3),
  });
  order.reset({ priorityOf: () => 4, isWaiting: () => true });
  const rare = new Bitfield(PIECES);
  const common = new Bitfield(PIECES);
  const pieces = new Bitfield(PIECES);
  for (let piece = 0; piece < PIECES; piece++) {
    if (piece < PIECES / 2) rare.set(piece);
    else common.set(piece);
    if (piece >= PIECES / 2 && piece % every === 0) pieces.set(piece);
  }
  order.addPieces(rare);
  for (let i = 0; i < 3; i++) order.addPieces(common);
  order.refresh(0);
  const layout = new PieceLayout(PIECES * 16_384, 16_384);
  const chooser = new NewPieces({ order, policy: rarestAtOnce, layout, verifiedCount: () => 0 });
  const peer: PickerPeer = {
    id: 1,
    pieces,
    isChoked: false,
    speed: 'medium',
    isSnubbed: false,
    isOnParole: false,
  };
  return { order, chooser, peer, book: new PeerBook(1) };
}

test.each([2, 5, 100])('one search serves for many pieces (one in %i)', (every) => {
  const { order, chooser, peer, book } = setup(every);
  const found = new Set<number>();
  for (;;) {
    const piece = chooser.choose(peer, book, 0);
    if (piece < 0) break;
    found.add(piece);
    order.setWaiting(piece, false);
  }
  expect(found.size).toBe(peer.pieces.count);
  // Those left over at the end may come to the front of the order, where no search is needed.
  expect(order.searches).toBeLessThanOrEqual(Math.ceil(found.size / 256) + 1);
});

test('a search that found nothing is not repeated until something may have changed', () => {
  const { order, chooser, peer, book } = setup(2000);
  const mine = Array.from({ length: PIECES }, (_, piece) => piece).filter((piece) => peer.pieces.has(piece));
  for (const piece of mine) order.setWaiting(piece, false);
  for (let i = 0; i < 10; i++) expect(chooser.choose(peer, book, i)).toBe(-1);
  expect(order.searches).toBe(1);
  order.setWaiting(mine[0] as number, true);
  expect(chooser.choose(peer, book, 20)).toBe(mine[0]);
  expect(order.searches).toBe(2);
  order.setWaiting(mine[0] as number, false);
  for (let i = 0; i < 10; i++) expect(chooser.choose(peer, book, 30)).toBe(-1);
  expect(order.searches).toBe(3);
  peer.pieces.set(PIECES - 1);
  expect(chooser.choose(peer, book, 40)).toBe(PIECES - 1);
});

test('finds are rarest first, and searched for again when they are old', () => {
  const { order, chooser, peer, book } = setup(5);
  expect(chooser.choose(peer, book, 0)).toBeGreaterThanOrEqual(0);
  const rarer = PIECES - 5;
  order.remove(rarer);
  for (let copy = 0; copy < 2; copy++) for (const piece of [PIECES - 10, PIECES - 15]) order.add(piece);
  chooser.choose(peer, book, 10_000);
  expect(order.searches).toBe(1);
  expect(chooser.choose(peer, book, 10_001)).toBe(rarer);
  expect(order.searches).toBe(2);
});

test('in a huge torrent many joins share one sort', () => {
  const big = 70_000;
  const order = new AvailabilityOrder({
    pieceCount: big,
    priority: 4,
    policy: rarestAtOnce,
    rng: seededRng(1),
  });
  order.reset({ priorityOf: () => 4, isWaiting: () => true });
  const all = Bitfield.full(big);
  const half = new Bitfield(big);
  for (let piece = 0; piece < big / 2; piece++) half.set(piece);
  order.addPieces(half);
  order.addPieces(half);
  order.addPieces(all);
  order.refresh(0);
  expect(order.first(all, 1)).toBeGreaterThanOrEqual(big / 2);
  for (const left of [all, half, half]) order.removePieces(left);
  const rest = new Bitfield(big);
  for (let piece = big / 2; piece < big; piece++) rest.set(piece);
  for (let i = 0; i < 3; i++) order.addPieces(rest);
  order.addPieces(half);
  order.refresh(499);
  expect(order.first(all, 1)).toBeGreaterThanOrEqual(big / 2);
  order.refresh(500);
  expect(order.first(all, 1)).toBeLessThan(big / 2);
  order.checkInvariants();
});
