// The ledger's invariants, checked from outside. For tests.
import { invariant } from '../base/result.ts';
import type { Ledger } from './ledger.ts';
import { FREE, NONE, type OpenPiece } from './open-piece.ts';

/** Throws InvariantError when the ledger's books do not balance. */
export function checkLedger(ledger: Ledger): void {
  const asked = new Map<number, number>();
  let slow = 0;
  let held = 0;
  let blocks = 0;
  for (const open of ledger.openPieces()) {
    open.checkInvariants();
    blocks += open.blockCount;
    for (const flag of open.isSlowSegment) slow += flag ? 1 : 0;
    for (const slot of open.slots) held += slot === NONE ? 0 : 1;
    const isListed = open.freeListIndex !== NONE;
    invariant(isListed === (open.free > 0 && !open.isUnwanted), `piece ${open.piece}: listed wrongly`);
    checkRequesters(ledger, open, asked);
  }
  let busy = 0;
  for (const book of ledger.books()) {
    if (book.outstanding > 0) busy++;
    invariant(book.outstanding === (asked.get(book.id) ?? 0), `peer ${book.id}: requests miscounted`);
    asked.delete(book.id);
    if (book.arrival === undefined) continue;
    const { open, block } = book.arrival;
    invariant(ledger.find(open.piece) === open, 'a payload arrives at a closed piece');
    invariant(open.isRequester(block, book.id), 'a payload arrives that was not asked for');
  }
  invariant(asked.size === 0, 'requests of unknown peers');
  invariant(busy === ledger.busyPeers, 'busy peers miscounted');
  invariant(slow === ledger.slots.slow && held === ledger.slots.held, 'slots miscounted');
  invariant(blocks === ledger.openBlocks, 'open blocks miscounted');
  for (const [index, open] of ledger.withFree.entries()) {
    invariant(open.freeListIndex === index && ledger.find(open.piece) === open, 'free list out of order');
  }
}

/** @param asked adds to the count of requests by peer */
function checkRequesters(ledger: Ledger, open: OpenPiece, asked: Map<number, number>): void {
  for (let block = 0; block < open.blockCount; block++) {
    let arriving = 0;
    open.visitRequesters(block, (peerId) => {
      asked.set(peerId, (asked.get(peerId) ?? 0) + 1);
      const arrival = ledger.findBook(peerId)?.arrival;
      if (arrival?.open === open && arrival.block === block) arriving++;
    });
    invariant(arriving <= 1, `piece ${open.piece} block ${block} is written by ${arriving} peers`);
    invariant(open.state[block] !== FREE || arriving === 0, 'a free block is arriving');
  }
}
