// Blocks per second through the pure swarm: claim, book, refill, segment, verdict; no sockets, no disk.
// `node test/bench/swarm-machine.ts [--peers N] [--mib N] [--json]`
import { parseArgs } from 'node:util';
import { Bitfield } from '../../core/base/bitfield.ts';
import { seededRng } from '../../core/base/clock.ts';
import { BLOCK_BYTES, PieceLayout } from '../../core/metainfo/layout.ts';
import type { PeerPort } from '../../core/swarm/peer-port.ts';
import { Swarm } from '../../core/swarm/swarm.ts';
import type { SwarmPeer } from '../../core/swarm/swarm-peer.ts';

const RUNS = 5;
const BLOCKS_A_READ = 4;

/** Remembers the requests in a ring, answers nothing by itself. */
class BenchPort implements PeerPort {
  readonly pieces = new Int32Array(1024);
  readonly begins = new Int32Array(1024);
  readonly lengths = new Int32Array(1024);
  head = 0;
  tail = 0;
  sendRequest(piece: number, begin: number, length: number): void {
    const at = this.tail++ & 1023;
    this.pieces[at] = piece;
    this.begins[at] = begin;
    this.lengths[at] = length;
  }
  sendPieces(): void {}
  sendChoke(): void {}
  sendUnchoke(): void {}
  sendInterested(): void {}
  sendNotInterested(): void {}
  sendHave(): void {}
  sendCancel(): void {}
  sendReject(): void {}
  sendAllowedFast(): void {}
  sendSuggest(): void {}
  uploadsReady(): void {}
  disconnect(): void {}
}

function run(
  peerCount: number,
  totalBytes: number,
): { blocks: number; cpuSeconds: number; heapBytes: number } {
  const layout = new PieceLayout(totalBytes, 1 << 20);
  const free = Array.from({ length: 64 }, (_, slot) => slot);
  const filled: number[] = [];
  let nowMs = 0;
  const swarm = new Swarm({
    layout,
    have: new Bitfield(layout.pieceCount),
    segmentBytes: 1 << 20,
    slots: { acquire: () => free.pop() ?? -1, release: (slot) => free.push(slot) },
    rng: seededRng(1),
    events: {
      onSegmentFilled: (piece, _segment, slot) => {
        free.push(slot);
        filled.push(piece);
      },
      onBan: () => {},
      onCompleted: () => {},
    },
  });
  const peers: { port: BenchPort; peer: SwarmPeer }[] = [];
  for (let i = 0; i < peerCount; i++) {
    const port = new BenchPort();
    const peer = swarm.addPeer(port, { host: `10.0.0.${i}`, isIncoming: false, hasFast: true }, nowMs);
    swarm.handleHaveAll(peer, nowMs);
    swarm.handleUnchoke(peer, nowMs);
    peers.push({ port, peer });
  }
  const heapBefore = process.memoryUsage().heapUsed;
  const cpuBefore = process.cpuUsage();
  let blocks = 0;
  let isMoving = true;
  while (!swarm.isComplete && isMoving) {
    isMoving = false;
    for (const { port, peer } of peers) {
      for (let i = 0; i < BLOCKS_A_READ && port.head !== port.tail; i++) {
        const at = port.head++ & 1023;
        const piece = port.pieces[at] as number;
        const begin = port.begins[at] as number;
        const length = port.lengths[at] as number;
        isMoving = true;
        if (!swarm.claimBlock(peer, piece, begin, length, nowMs)) continue;
        swarm.handleBlock(peer, piece, begin, length, nowMs);
        blocks++;
      }
      swarm.flush(nowMs);
      while (filled.length > 0) {
        swarm.handlePieceVerified(filled.pop() as number, undefined, nowMs);
        swarm.handleSlotsAvailable(nowMs);
      }
    }
    // About 1 GB/s.
    nowMs += (BLOCKS_A_READ * peerCount * BLOCK_BYTES) / 1e6;
  }
  const cpu = process.cpuUsage(cpuBefore);
  if (!swarm.isComplete) throw new Error('the download got stuck');
  return {
    blocks,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    heapBytes: process.memoryUsage().heapUsed - heapBefore,
  };
}

const { values } = parseArgs({
  options: { peers: { type: 'string' }, mib: { type: 'string' }, json: { type: 'boolean' } },
});
const mib = Number(values.mib ?? 1024);
const peerCounts = values.peers === undefined ? [1, 4, 50] : [Number(values.peers)];
const rows = peerCounts.map((peers) => {
  const runs = Array.from({ length: RUNS }, () => run(peers, mib << 20));
  const best = runs.reduce((left, right) => (left.cpuSeconds < right.cpuSeconds ? left : right));
  return {
    peers,
    blocks: best.blocks,
    blocksPerCpuSecond: Math.round(best.blocks / best.cpuSeconds),
    cpuSecondsPerGib: (best.cpuSeconds * 1024) / mib,
  };
});
if (values.json) console.log(JSON.stringify(rows));
else console.table(rows);
