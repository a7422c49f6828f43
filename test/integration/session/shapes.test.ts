// Torrents of odd shapes, and many of them at once.
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { payloadBytes } from '../../support/payload.ts';
import { waitFor, within } from '../../support/wait.ts';
import { addressOf, sameContent, untilEvent, World } from './support.ts';

const MEBIBYTE = 1 << 20;

describe('a torrent', () => {
  it.each([
    ['of one byte', { a: 1 }, 16_384],
    ['of one byte more than a piece', { a: 16_385 }, 16_384],
    ['of one block more than a segment', { a: MEBIBYTE + 16_384 }, 2 * MEBIBYTE],
    ['of small pieces', { a: 5_000_000 }, 16_384],
    ['of pieces of 4 MiB, the last short', { a: 9 * MEBIBYTE + 5 }, 4 * MEBIBYTE],
    ['of pieces larger than all buffers together', { a: 129 * MEBIBYTE + 77 }, 64 * MEBIBYTE],
    ['of many empty files around a small one', { a: 0, b: 0, c: 3, d: 0, e: 0 }, 16_384],
  ] as const)('%s', { timeout: 60_000 }, async (_, files, pieceLength) => {
    await using world = new World();
    const made = await world.make(files, { pieceLength });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    await leech.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
    await within(completed, 50_000, 'the download');
    expect(sameContent(made, directory, Object.keys(files))).toBe(true);
    expect(leech.snapshot().torrents[0]?.wastedBytes).toEqual({
      duplicate: 0,
      failedHash: 0,
      unrequested: 0,
    });
  });

  // No tool makes such torrents now, but they are about, and every client fetches them.
  it.each([
    ['a short block', 12_345],
    ['a block and a byte', 16_385],
    ['five quarters of a block', 20_480],
    ['a segment and a byte', MEBIBYTE + 1],
    ['two segments and a bit', 2 * MEBIBYTE + 20_001],
  ])('with pieces of %s', { timeout: 60_000 }, async (_, pieceLength) => {
    await using world = new World();
    const directory = world.path('content');
    const bytes = payloadBytes(pieceLength * 5 + 77, 'odd pieces');
    writeFileSync(join(directory, 'it'), bytes);
    const hashes: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += pieceLength)
      hashes.push(hash('sha1', bytes.subarray(at, at + pieceLength), 'buffer'));
    const parsed = parseTorrent(
      encodeBencode({
        info: {
          length: bytes.length,
          name: 'it',
          'piece length': pieceLength,
          pieces: Buffer.concat(hashes),
        },
      }),
    );
    if (!parsed.ok) throw new Error(parsed.reason.what);
    const metainfo = parsed.value;
    const seed = await world.seed({ metainfo, directory });
    const leech = await world.session('leech');
    const completed = untilEvent(leech, 'completed');
    const out = world.path('out');
    await leech.add({ source: { metainfo }, directory: out, peers: [addressOf(seed)] });
    await within(completed, 50_000, 'the download');
    expect(readFileSync(join(out, 'it')).equals(bytes)).toBe(true);
  });

  it('of empty files alone is refused in one line: there is nothing to verify', () => {
    const files = [{ length: 0, path: ['one'] }];
    const info = { files, name: 'it', 'piece length': 16_384, pieces: '' };
    expect(parseTorrent(encodeBencode({ info }))).toMatchObject({
      ok: false,
      reason: { what: 'no bytes in any file' },
    });
  });

  it('of 10,000 files', { timeout: 120_000 }, async () => {
    await using world = new World();
    const root = join(world.path('content'), 'it');
    const bytes = Buffer.alloc(700, 'tt');
    for (let folder = 0; folder < 100; folder++) {
      mkdirSync(join(root, `d${folder}`), { recursive: true });
      for (let file = 0; file < 100; file++) {
        writeFileSync(join(root, `d${folder}`, `f${file}`), bytes.subarray(0, (folder * 100 + file) % 700));
      }
    }
    const { metainfo } = await createTorrent({ path: root, pieceLength: 65_536 });
    const made = { metainfo, directory: world.path('content') };
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    await leech.add({ source: { metainfo }, directory, peers: [addressOf(seed)] });
    await within(completed, 100_000, 'the download');
    const names = metainfo.files.map(({ path }) => path.slice(1).join('/'));
    expect(names).toHaveLength(10_000);
    expect(sameContent(made, directory, names)).toBe(true);
    expect(leech.snapshot().torrents[0]?.files).toHaveLength(10_000);
  });
});

it('200 torrents added at once all complete, and close at once', { timeout: 120_000 }, async () => {
  await using world = new World();
  const root = world.path('content');
  const all: Metainfo[] = [];
  for (let i = 0; i < 200; i++) {
    writeFileSync(join(root, `f${i}`), Buffer.alloc(20_000, `${i} `));
    all.push((await createTorrent({ path: join(root, `f${i}`), pieceLength: 16_384 })).metainfo);
  }
  const seed = await world.session('seed');
  await Promise.all(
    all.map((metainfo) => seed.add({ source: { metainfo }, directory: root, seedOnly: true })),
  );
  expect(seed.snapshot().torrents.every(({ state }) => state === 'seeding')).toBe(true);
  const leech = await world.session('leech');
  let completed = 0;
  leech.subscribe((event) => event.kind === 'completed' && completed++);
  const directory = world.path('out');
  await Promise.all(
    all.map((metainfo) => leech.add({ source: { metainfo }, directory, peers: [addressOf(seed)] })),
  );
  await waitFor(() => completed === 200, { what: () => `all (${completed})`, timeoutMs: 90_000 });
  expect(leech.snapshot().torrents.every(({ verifiedBytes }) => verifiedBytes === 20_000)).toBe(true);
  await within(Promise.all([leech.close(), seed.close()]), 15_000, 'both to close');
});
