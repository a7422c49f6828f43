// How fast a complete 1 GiB is checked (1 and 2 hash threads), and how fast segments are hashed and written.
// Prints JSON. The content is in the page cache: from a real disk the disk is the limit.
// usage: node test/bench/verify.ts [--mib 1024] [--piece-kib 1024] [--rounds 5] [--dir FOLDER]
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { infoHashOf } from '../../core/base/ids.ts';
import { PieceLayout } from '../../core/metainfo/layout.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import { NO_EXTRAS } from '../../core/metainfo/parse-info.ts';
import { DiskWorkers } from '../../core/storage/disk-workers.ts';
import { ReadMemory } from '../../core/storage/read-cache.ts';
import { SlotBuffers, SlotMemory, segmentBytesOf } from '../../core/storage/slots.ts';
import { TorrentStorage } from '../../core/storage/torrent-storage.ts';
import { verifyTorrent } from '../../core/storage/verify.ts';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    'piece-kib': { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const totalLength = Number(values.mib) << 20;
const pieceLength = Number(values['piece-kib']) << 10;
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(values.dir, 'tt-bench-'));

interface Sample {
  readonly mbPerSec: number;
  readonly cpuSec: number;
}

const layout = new PieceLayout(totalLength, pieceLength);
const pieces: Uint8Array[] = [];
const pieceHashes = new Uint8Array(layout.pieceCount * 20);
// Eight different pieces: the hash does not care, and memory stays small.
const DISTINCT = 8;
for (let i = 0; i < DISTINCT; i++) {
  const bytes = new Uint8Array(pieceLength);
  for (let at = 0; at < pieceLength; at++) bytes[at] = (at * 31 + i * 7 + (at >>> 9)) & 0xff;
  pieces.push(bytes);
}
const pieceAt = (piece: number): Uint8Array =>
  (pieces[piece % DISTINCT] as Uint8Array).subarray(0, layout.pieceSize(piece));
for (let piece = 0; piece < layout.pieceCount; piece++) {
  pieceHashes.set(createHash('sha1').update(pieceAt(piece)).digest(), piece * 20);
}
const metainfo: Metainfo = {
  version: 'v1',
  infoHash: infoHashOf(createHash('sha1').update(pieceHashes).digest()),
  infoHashV2: undefined,
  infoBytes: new Uint8Array(0),
  name: 'payload',
  layout,
  pieceHashes,
  files: [
    {
      index: 0,
      path: ['payload'],
      length: totalLength,
      offset: 0,
      isPadding: false,
      isExecutable: false,
      isHidden: false,
      symlinkTarget: undefined,
    },
  ],
  isMultiFile: false,
  isPrivate: false,
  source: undefined,
  ...NO_EXTRAS,
};

async function measure(run: () => Promise<void>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await run();
  const seconds = (performance.now() - startMs) / 1000;
  const used = process.cpuUsage(cpu);
  return { mbPerSec: totalLength / 1e6 / seconds, cpuSec: (used.user + used.system) / 1e6 };
}

async function check(threads: number): Promise<void> {
  const report = await verifyTorrent(metainfo, join(folder, 'content'), { threads });
  if (!report.good.isFull) throw new Error('the content is not good');
}

/** Copies each piece into its slots and commits it, as a session would. */
async function write(round: number): Promise<void> {
  const workers = new DiskWorkers();
  let wake = (): void => {};
  const slots = new SlotBuffers(new SlotMemory(), segmentBytesOf(layout), () => wake());
  let done = 0;
  const storage = await TorrentStorage.open({
    metainfo,
    directory: join(folder, `written-${round}`),
    stateDir: join(folder, `state-${round}`),
    slots,
    workers,
    reads: new ReadMemory(),
    onPieceResult: (_, ok) => {
      if (!ok) throw new Error('a piece failed');
      done++;
      if (done === layout.pieceCount) wake();
    },
    onError: (error) => {
      throw error;
    },
  });
  for (let piece = 0; piece < layout.pieceCount; piece++) {
    const bytes = pieceAt(piece);
    for (let segment = 0; segment * storage.segmentBytes < bytes.length; segment++) {
      let slot = slots.acquire();
      while (slot < 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        slot = slots.acquire();
      }
      const from = segment * storage.segmentBytes;
      const part = bytes.subarray(from, from + storage.segmentBytes);
      slots.view(slot).set(part);
      storage.commitSegment(piece, segment, slot, part.length);
    }
  }
  while (done < layout.pieceCount) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  void storage.close({ sync: false }).then(() => workers.close());
}

function median(samples: readonly Sample[]): Sample {
  const sorted = [...samples].sort((a, b) => a.mbPerSec - b.mbPerSec);
  const middle = sorted[sorted.length >> 1] as Sample;
  return { mbPerSec: Math.round(middle.mbPerSec), cpuSec: Math.round(middle.cpuSec * 100) / 100 };
}

try {
  mkdirSync(join(folder, 'content'));
  const path = join(folder, 'content', 'payload');
  writeFileSync(path, new Uint8Array(0));
  for (let piece = 0; piece < layout.pieceCount; piece++) writeFileSync(path, pieceAt(piece), { flag: 'a' });
  const check1: Sample[] = [];
  const check2: Sample[] = [];
  const written: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    check1.push(await measure(() => check(1)));
    check2.push(await measure(() => check(2)));
    written.push(await measure(() => write(round)));
    rmSync(join(folder, `written-${round}`), { recursive: true, force: true });
  }
  const result = {
    mib: Number(values.mib),
    pieceKib: Number(values['piece-kib']),
    rounds,
    check1: median(check1),
    check2: median(check2),
    write: median(written),
  };
  console.log(JSON.stringify(result, undefined, 2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
