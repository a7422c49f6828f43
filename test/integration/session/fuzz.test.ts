// Peers that say random things, most of them nearly right, cut anywhere, and answer requests well, badly, late or in part.
// Whatever they do, the session lives and an honest peer's transfer is whole. Seeds are fixed: TT_FUZZ_SEEDS runs more.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatBytes, readU32 } from '../../../core/base/bytes.ts';
import { type Rng, randomBytes, randomInt, seededRng } from '../../../core/base/clock.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { expectSmall, Scene } from './hostile-world.ts';
import { frame, type RawPeer } from './raw-peer.ts';

const SEEDS = Number(process.env['TT_FUZZ_SEEDS'] ?? 6);
const PEERS = 8;
const MESSAGES = 150;
const BLOCK = 16_384;

/** Chance with a measure of how far it goes. */
interface Mood extends Rng {
  /** Share of numbers and messages that nobody may say; peers with 0 last long enough to do harm in other ways. */
  readonly wildness: number;
}

type Make = (mood: Mood, pieceCount: number) => Uint8Array;

/** In range, or at its edge, or far out. */
function number(mood: Mood, bound: number): number {
  if (mood.next() >= mood.wildness) return randomInt(mood, bound);
  return mood.next() < 0.5 ? bound : randomInt(mood, 2 ** 32);
}

function begin(rng: Mood): number {
  return rng.next() < rng.wildness ? number(rng, 2 * BLOCK) : BLOCK * randomInt(rng, 2);
}

function bencoded(rng: Mood): Uint8Array {
  const samples = [
    'd1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei700e4:reqqi5ee',
    'd8:msg_typei0e5:piecei0ee',
    'd8:msg_typei1e5:piecei0e10:total_sizei700eexxxxxxxx',
    'd5:added12:aaaabbccccdd7:added.f2:..e',
    'd1:pi6881e1:v2:tte',
    'de',
  ];
  if (rng.next() < rng.wildness) return new TextEncoder().encode('l-3:');
  const bytes = new TextEncoder().encode(samples[randomInt(rng, samples.length)]);
  if (rng.next() < rng.wildness) bytes[randomInt(rng, bytes.length)] = randomInt(rng, 256);
  return bytes;
}

/** Twice the same: twice as often. */
const MESSAGES_TO_SAY: readonly Make[] = [
  () => frame(0),
  () => frame(1),
  () => frame(1),
  () => frame(2),
  () => frame(3),
  (rng, pieces) => frame(4, number(rng, pieces)),
  (rng, pieces) => frame(4, number(rng, pieces)),
  (rng, pieces) => {
    const bits = randomBytes(rng, Math.ceil(pieces / 8));
    if (rng.wildness === 0) bits[bits.length - 1] = 0;
    return frame(5, bits);
  },
  (rng, pieces) =>
    frame(6, number(rng, pieces), begin(rng), rng.next() < rng.wildness ? number(rng, 1 << 17) : BLOCK / 2),
  (rng, pieces) => frame(6, number(rng, pieces), begin(rng), BLOCK),
  (rng, pieces) => frame(7, number(rng, pieces), begin(rng), randomBytes(rng, rng.next() < 0.8 ? BLOCK : 77)),
  (rng, pieces) => frame(8, number(rng, pieces), begin(rng), BLOCK),
  (rng) => frame(9, randomBytes(rng, 2)),
  (rng, pieces) => frame(13, number(rng, pieces)),
  () => frame(14),
  () => frame(15),
  (rng, pieces) => frame(16, number(rng, pieces), begin(rng), BLOCK),
  (rng, pieces) => frame(17, number(rng, pieces)),
  (rng) => frame(20, Uint8Array.of(randomInt(rng, 6)), bencoded(rng)),
  (rng) => frame(21 + randomInt(rng, 200), randomBytes(rng, randomInt(rng, 50))),
  () => new Uint8Array(4),
];

/** Answers what is asked, in its way. */
async function answer(peer: RawPeer, rng: Rng, content: Uint8Array, pieceLength: number): Promise<void> {
  try {
    for (;;) {
      const body = await peer.frameWithId(6);
      const [piece, from, length] = [readU32(body, 0), readU32(body, 4), readU32(body, 8)];
      const at = piece * pieceLength + from;
      const block = content.slice(at, at + length);
      const luck = rng.next();
      if (luck < 0.1) continue;
      if (luck < 0.2) peer.send(frame(16, piece, from, length));
      else {
        if (luck < 0.3) block[randomInt(rng, block.length)] = 1;
        peer.send(frame(7, piece, from, block));
        if (luck > 0.9) peer.send(frame(7, piece, from, block));
      }
    }
  } catch {
    // It ended.
  }
}

async function babble(peer: RawPeer, rng: Mood, pieceCount: number): Promise<void> {
  const said: Uint8Array[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    const make = MESSAGES_TO_SAY[randomInt(rng, MESSAGES_TO_SAY.length)] as Make;
    said.push(make(rng, pieceCount));
  }
  const all = concatBytes(said);
  for (let at = 0; at < all.length && !peer.isClosed; ) {
    const size = rng.next() < 0.5 ? 1 + randomInt(rng, 40) : 1 + randomInt(rng, 40_000);
    peer.send(all.subarray(at, at + size));
    at += size;
    if (rng.next() < 0.3) await new Promise((resolve) => setImmediate(resolve));
  }
  if (rng.next() < 0.3) peer.socket.destroy();
}

describe.each(['leecher', 'seeder'] as const)('a session as %s among peers that say anything', (role) => {
  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))('seed %d', { timeout: 60_000 }, async (seed) => {
    const rng = seededRng(seed * 2 + (role === 'leecher' ? 0 : 1));
    await using scene = await Scene.open(role, { files: { 'a.bin': 1_500_000 } });
    const content = readFileSync(join(scene.made.directory, 'it', 'a.bin'));
    const start = liveBytes();
    const work: Promise<void>[] = [];
    for (let i = 0; i < PEERS; i++) {
      const peer = await scene.greet({ encrypted: rng.next() < 0.5 });
      const own = { ...seededRng(randomInt(rng, 2 ** 31)), wildness: i % 2 === 0 ? 0 : 0.05 };
      void answer(peer, own, content, scene.made.metainfo.layout.pieceLength);
      work.push(babble(peer, own, scene.pieceCount));
    }
    await Promise.all(work);
    if (scene.session.snapshot().torrents[0]?.state !== 'seeding' || role === 'seeder') {
      await scene.expectHonestTransfer();
    }
    expectSmall(start, 128 << 20);
    expect(scene.session.snapshot().torrents[0]?.error).toBeUndefined();
  });
});
