import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/ids.ts';
import type { Session } from '../../../core/session/session.ts';
import type { FilePriority } from '../../../core/session/snapshot.ts';
import { waitFor } from '../../support/wait.ts';
import { addressOf, sameContent, untilEvent, World } from './support.ts';

const FILES = { 'a.bin': 300_000, 'deep/b.bin': 70_000, 'empty.txt': 0, 'c.bin': 1_500_000 };
const NAMES = Object.keys(FILES);

describe('a session', () => {
  it.each(['prefer', 'require', 'off'] as const)(
    'downloads from another, encryption: %s',
    async (encryption) => {
      await using world = new World();
      const made = await world.make(FILES);
      const seed = await world.seed(made, { encryption });
      const leech = await world.session('leech', { encryption });
      const directory = world.path('out');
      const files: string[] = [];
      leech.subscribe((event) => event.kind === 'file-complete' && files.push(event.path));
      const completed = untilEvent(leech, 'completed');
      await leech.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
      await completed;
      expect(sameContent(made, directory, NAMES)).toBe(true);
      expect(files.sort()).toEqual(['it/a.bin', 'it/c.bin', 'it/deep/b.bin']);
      const [torrent] = leech.snapshot().torrents;
      expect(torrent).toMatchObject({
        state: 'seeding',
        verifiedBytes: 1_870_000,
        downloadedBytes: 1_870_000,
      });
      expect(torrent?.wastedBytes).toEqual({ duplicate: 0, failedHash: 0, unrequested: 0 });
    },
  );

  it('needs no more than a magnet, and serves metadata to the next', async () => {
    await using world = new World();
    const made = await world.make(FILES);
    const seed = await world.seed(made);
    const { infoHash } = made.metainfo;
    const magnet = {
      infoHash,
      hasV1: true,
      infoHashV2: undefined,
      displayName: undefined,
      trackerTiers: [],
      webSeeds: [],
      peers: [addressOf(seed)],
      selectOnly: undefined,
      exactLength: undefined,
    };
    const leech = await world.session('leech');
    const completed = untilEvent(leech, 'completed');
    await leech.add({ source: { magnet }, directory: world.path('out') });
    await completed;
    expect(sameContent(made, world.path('out'), NAMES)).toBe(true);
    const third = await world.session('third');
    const metadata = untilEvent(third, 'metadata');
    await third.add({
      source: { magnet: { ...magnet, peers: [addressOf(leech)] } },
      directory: world.path('none'),
      metadataOnly: true,
    });
    expect(toHex((await metadata).metainfo.infoBytes)).toBe(toHex(made.metainfo.infoBytes));
    expect(readdirSync(world.path('none'))).toEqual([]);
  });

  it('fetches only the files that are wanted, and more when they become so', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 16_384 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    const wanted = made.metainfo.files.map((file): FilePriority => (file.path.at(-1) === 'b.bin' ? 4 : 0));
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
      filePriorities: () => wanted,
    });
    await completed;
    expect(sameContent(made, directory, ['deep/b.bin'])).toBe(true);
    expect(existsSync(`${directory}/it/a.bin`)).toBe(false);
    const before = leech.snapshot().torrents[0]?.downloadedBytes ?? 0;
    expect(before).toBeLessThan(70_000 + 3 * 16_384);
    const again = untilEvent(leech, 'completed');
    const file = made.metainfo.files.findIndex(({ path }) => path.at(-1) === 'a.bin');
    await leech.command({ kind: 'set-file-priority', torrent: infoHash, file, priority: 7 });
    await again;
    expect(sameContent(made, directory, ['a.bin', 'deep/b.bin'])).toBe(true);
  });

  it.each([false, true])(
    'finds further peers through peer exchange unless private (%s)',
    async (isPrivate) => {
      await using world = new World();
      const made = await world.make({ 'a.bin': 100_000 }, { isPrivate });
      const add = async (name: string, peers: { host: string; port: number }[]): Promise<Session> => {
        const session = await world.session(name);
        await session.add({
          source: { metainfo: made.metainfo },
          directory: world.path(`${name}-out`),
          peers,
        });
        return session;
      };
      const far = await add('far', []);
      const middle = await add('middle', [addressOf(far)]);
      const newcomer = await world.session('newcomer');
      const ports = new Set<number>();
      const meets = (port: number): Promise<unknown> =>
        untilEvent(newcomer, 'peer-connected', ({ address }) => address.endsWith(`:${port}`));
      newcomer.subscribe(
        (event) => event.kind === 'peer-connected' && ports.add(Number(event.address.split(':')[1])),
      );
      const metMiddle = meets(addressOf(middle).port);
      await newcomer.add({
        source: { metainfo: made.metainfo },
        directory: world.path('newcomer-out'),
        peers: [addressOf(middle)],
      });
      await metMiddle;
      if (!isPrivate) {
        // By which of the two dialled is chance.
        await waitFor(() => newcomer.snapshot().torrents[0]?.peers.length === 2, {
          what: 'the far peer',
          timeoutMs: 10_000,
        });
        return;
      }
      // What a second connection proves: the exchange had its chance, and nothing came of it.
      const last = await world.session('last');
      const reached = untilEvent(last, 'peer-connected');
      await last.add({
        source: { metainfo: made.metainfo },
        directory: world.path('last-out'),
        peers: [addressOf(newcomer)],
      });
      await reached;
      expect(ports.has(addressOf(far).port)).toBe(false);
    },
  );

  it('pauses, resumes, and takes up where it was after a restart without fetching anything twice', async () => {
    await using world = new World();
    // Whole pieces only, so that bytes follow from their number.
    const bytes = 62 * 65_536;
    const made = await world.make({ 'a.bin': bytes }, { pieceLength: 65_536 });
    const seed = await world.seed(made, { upLimit: 1_500_000 });
    const directory = world.path('out');
    const leech = await world.session('leech');
    const pieces = { count: 0 };
    const some = untilEvent(leech, 'piece', () => ++pieces.count >= 8);
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
    });
    await some;
    await leech.command({ kind: 'pause', torrent: infoHash });
    const paused = leech.snapshot().torrents[0];
    expect(paused?.state).toBe('paused');
    expect(paused?.peers).toEqual([]);
    await leech.close(500);
    const again = await world.session('leech');
    const completed = untilEvent(again, 'completed');
    await again.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
    const had = again.snapshot().torrents[0]?.verifiedPieces ?? 0;
    expect(had).toBeGreaterThanOrEqual(8);
    await completed;
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
    expect(again.snapshot().torrents[0]?.downloadedBytes).toBe(bytes - had * 65_536);
  });

  it('checks again on request and fetches what somebody broke', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000_000 }, { pieceLength: 65_536 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
    });
    await completed;
    const { openSync, writeSync, closeSync } = await import('node:fs');
    const fd = openSync(`${directory}/it/a.bin`, 'r+');
    writeSync(fd, Buffer.from('broken'), 0, 6, 200_000);
    closeSync(fd);
    const checked = untilEvent(leech, 'checked');
    const mended = untilEvent(leech, 'completed');
    await leech.command({ kind: 'recheck', torrent: infoHash });
    expect((await checked).verifiedPieces).toBe(15);
    await leech.command({ kind: 'add-peer', torrent: infoHash, ...addressOf(seed) });
    await mended;
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
  });

  it('works over IPv6', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const seed = await world.seed(made, { bindAddresses: ['::1'] });
    const leech = await world.session('leech', { bindAddresses: ['::1'] });
    const completed = untilEvent(leech, 'completed');
    await leech.add({
      source: { metainfo: made.metainfo },
      directory: world.path('out'),
      peers: [addressOf(seed)],
    });
    await completed;
    expect(addressOf(seed).host).toBe('::1');
  });

  it('refuses a torrent it has, and a second session on the same target', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const one = await world.session('one');
    const two = await world.session('two');
    const add = { source: { metainfo: made.metainfo }, directory: world.path('out') };
    await one.add(add);
    await expect(one.add(add)).rejects.toMatchObject({ slug: 'refused' });
    await expect(two.add(add)).rejects.toMatchObject({ slug: 'refused' });
  });

  it('says when a torrent to be seeded is not all there', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const seed = await world.session('seed');
    await expect(
      seed.add({ source: { metainfo: made.metainfo }, directory: world.path('nothing'), seedOnly: true }),
    ).rejects.toMatchObject({ slug: 'verification-failed' });
  });
});
