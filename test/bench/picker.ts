// What the piece picker costs in a huge torrent: a million pieces and five hundred peers unless told otherwise.
// Prints one JSON object; rates are per second of CPU time, so that a busy machine does not blur them. Usage: node test/bench/picker.ts [pieces] [peers]
import { Bitfield } from '../../core/base/bitfield.ts';
import { randomInt, seededRng } from '../../core/base/clock.ts';
import { BLOCK_BYTES, PieceLayout } from '../../core/metainfo/layout.ts';
import { PiecePicker } from '../../core/pieces/picker.ts';
import { type PeerSpeed, PICK_STRIDE, type PickerPeer } from '../../core/pieces/picker-types.ts';

const BLOCKS_PER_PIECE = 16;
const PIPELINE = 32;
const SPEEDS: PeerSpeed[] = ['fast', 'medium', 'slow'];

const pieceCount = Number(process.argv[2] ?? 1_000_000);
const peerCount = Number(process.argv[3] ?? 500);
const rng = seededRng(1);
const figures: Record<string, number> = { pieces: pieceCount, peers: peerCount };
let nowMs = 0;

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function perSecond(name: string, count: number, work: () => void): void {
  const start = process.cpuUsage();
  work();
  const spent = process.cpuUsage(start);
  figures[`${name}PerSec`] = Math.round((count / (spent.user + spent.system)) * 1e6);
}

interface BenchPeer extends PickerPeer {
  readonly out: Int32Array;
}

function makePeer(id: number): BenchPeer {
  // A fifth are complete; of the others the share of pieces they have is spread from nothing to nearly all.
  const share = id % 5 === 0 ? 1 : rng.next();
  const pieces = new Bitfield(pieceCount);
  if (share === 1) pieces.setAll();
  else for (let piece = 0; piece < pieceCount; piece++) if (rng.next() < share) pieces.set(piece);
  return {
    id,
    pieces,
    isChoked: false,
    speed: SPEEDS[id % 3] as PeerSpeed,
    isSnubbed: false,
    isOnParole: false,
    out: new Int32Array(PIPELINE * PICK_STRIDE),
  };
}

const freeSlots = Array.from({ length: 4096 }, (_, slot) => slot);
const layout = new PieceLayout(pieceCount * BLOCKS_PER_PIECE * BLOCK_BYTES, BLOCKS_PER_PIECE * BLOCK_BYTES);
const peers = Array.from({ length: peerCount }, (_, index) => makePeer(index));

const before = memory();
const picker = new PiecePicker({
  layout,
  have: new Bitfield(pieceCount),
  rng,
  slots: { acquire: () => freeSlots.pop() ?? -1, release: (slot) => freeSlots.push(slot) },
  segmentBytes: 1024 * 1024,
});
const bytesPerPiece = Math.round(((memory() - before) / pieceCount) * 10) / 10;

/** Asks, delivers and verifies: the whole life of `blocks` blocks. */
function download(blocks: number, from: (step: number) => BenchPeer): void {
  let done = 0;
  for (let step = 0; done < blocks; step++) {
    const peer = from(step);
    nowMs += 1;
    const count = picker.pick(peer, PIPELINE, peer.out, nowMs);
    for (let i = 0; i < count; i++) {
      const piece = peer.out[i * PICK_STRIDE] as number;
      const block = peer.out[i * PICK_STRIDE + 1] as number;
      if (picker.claim(peer.id, piece, block * BLOCK_BYTES, BLOCK_BYTES, nowMs).outcome !== 'wanted')
        continue;
      const receipt = picker.receiveBlock(peer.id, piece, block, nowMs);
      if (receipt.filledSlot >= 0) freeSlots.push(receipt.filledSlot);
      if (receipt.isPieceFilled) picker.markPieceVerified(piece);
    }
    done += count;
    if (count === 0 && step > blocks * 10) throw new Error('nothing left to pick');
  }
}

perSecond('joins', peerCount, () => {
  for (const peer of peers) picker.addPeerPieces(peer.pieces);
});
// With a pick after each join, as they come in life: the order is sorted again at intervals.
perSecond('joinsWithPicks', peerCount, () => {
  for (const peer of peers) {
    picker.removePeerPieces(peer.pieces, peer.pieces.isFull);
    picker.addPeerPieces(peer.pieces);
    nowMs += 20;
    picker.abandonPeer(picker.pick(peer, 1, peer.out, nowMs) > 0 ? peer.id : -1);
  }
});
const HAVES = 1_000_000;
perSecond('haves', HAVES, () => {
  for (let i = 0; i < HAVES; i++) picker.addAvailability(randomInt(rng, pieceCount));
});
download(Math.min(100_000, pieceCount), (step) => peers[step % peerCount] as BenchPeer); // warm
const BLOCKS = Math.min(1_000_000, pieceCount * 4);
perSecond('blocks', BLOCKS, () => download(BLOCKS, (step) => peers[step % peerCount] as BenchPeer));

// Picks alone, one block each as a full pipeline refills, and given back in turn.
const PICKS = 1_000_000;
perSecond('picks', PICKS, () => {
  for (let i = 0; i < PICKS; i++) {
    const peer = peers[i % peerCount] as BenchPeer;
    if (picker.pick(peer, 1, peer.out, nowMs) === 1) {
      picker.abandonBlock(peer.id, peer.out[0] as number, peer.out[1] as number);
    }
  }
});

// A peer that has only what is common, among rarer pieces that it lacks, and one that has a single piece.
let slowestUs = 0;
for (const kept of [1, Math.floor(pieceCount / 2)]) {
  const pieces = new Bitfield(pieceCount);
  const candidates = Array.from({ length: kept }, (_, index) => pieceCount - 1 - index);
  for (const piece of candidates) if (picker.isNeeded(piece)) pieces.set(piece);
  const peer = { ...(peers[0] as BenchPeer), id: 10_000 + kept, pieces };
  for (const piece of candidates) {
    for (let copy = 0; copy < 2; copy++) picker.addAvailability(piece);
  }
  for (let i = 0; i < 2000; i++) {
    const startMs = performance.now();
    picker.pick(peer, 1, peer.out, nowMs);
    slowestUs = Math.max(slowestUs, (performance.now() - startMs) * 1000);
  }
  picker.removePeer(peer.id);
}
const slowestPickMicroseconds = Math.round(slowestUs);
process.stdout.write(`${JSON.stringify({ ...figures, bytesPerPiece, slowestPickMicroseconds })}\n`);
