// The disk fails under a running session: an error with path and errno, nothing verified lost, and `resume` goes on.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Log } from '../../../core/base/log.ts';
import type { OperationError } from '../../../core/base/result.ts';
import type { Session } from '../../../core/session/session.ts';
import { waitFor, within } from '../../support/wait.ts';
import { PATIENCE_MS } from './hostile-world.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';

const isRoot = process.getuid?.() === 0;

function untilError(session: Session): Promise<OperationError> {
  return new Promise((resolve) => {
    const stop = session.subscribe((event) => {
      if (event.kind !== 'error') return;
      stop();
      resolve(event.error);
    });
  });
}

function torrentOf(session: Session) {
  return session.snapshot().torrents[0] as NonNullable<ReturnType<Session['snapshot']>['torrents'][0]>;
}

/** A file system of so many bytes; undefined where none may be mounted. */
function smallFileSystem(path: string, bytes: number): Disposable | undefined {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { [Symbol.dispose]: () => execFileSync('umount', ['-l', path], { stdio: 'ignore' }) };
}

describe('a download', () => {
  it.runIf(isRoot)(
    'on a full disk stops with an error, keeps what is verified, and goes on when there is room',
    async (context) => {
      await using world = new World();
      const directory = world.path('small');
      using mounted = smallFileSystem(directory, 6 << 20);
      if (mounted === undefined) return context.skip();
      writeFileSync(join(directory, 'hog'), new Uint8Array(4 << 20));
      const made = await world.make({ 'a.bin': 4_000_000 }, { pieceLength: 65_536 });
      const other = await world.make({ 'b.bin': 1_000_000 });
      const seed = await world.seed(made);
      await seed.add({ source: { metainfo: other.metainfo }, directory: other.directory, seedOnly: true });
      const leech = await world.session('leech');
      const failed = untilError(leech);
      const { infoHash } = await leech.add({
        source: { metainfo: made.metainfo },
        directory,
        peers: [addressOf(seed)],
      });
      const error = await within(failed, PATIENCE_MS, 'the error');
      expect(error).toMatchObject({ name: 'OperationError', slug: 'disk', code: 'ENOSPC' });
      expect(error.message).toContain(directory);
      expect(torrentOf(leech)).toMatchObject({ state: 'error', peers: [] });
      // Still full: it says so again.
      const again = untilError(leech);
      await leech.command({ kind: 'resume', torrent: infoHash }).catch(() => {});
      await within(again, PATIENCE_MS, 'the second error');
      const had = torrentOf(leech).verifiedPieces;
      // Others are not touched by it.
      const otherDone = new Promise((resolve) => {
        leech.subscribe(
          (event) => event.kind === 'completed' && event.torrent !== infoHash && resolve(undefined),
        );
      });
      await leech.add({
        source: { metainfo: other.metainfo },
        directory: world.path('roomy'),
        peers: [addressOf(seed)],
      });
      await within(otherDone, PATIENCE_MS, 'the other torrent');
      rmSync(join(directory, 'hog'));
      const completed = untilEvent(leech, 'completed', (event) => event.torrent === infoHash);
      await leech.command({ kind: 'resume', torrent: infoHash });
      await within(completed, PATIENCE_MS, 'the download');
      expect(torrentOf(leech).verifiedPieces).toBeGreaterThan(had);
      expect(sameContent(made, directory, ['a.bin'])).toBe(true);
    },
  );

  it('whose folder cannot be made fails at once, with path and errno', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const blocked = join(world.path('blocked'), 'file');
    writeFileSync(blocked, 'a file where a folder is due');
    const failed = untilError(leech);
    const adding = leech.add({
      source: { metainfo: made.metainfo },
      directory: blocked,
      peers: [addressOf(seed)],
    });
    const error = await within(
      Promise.race([failed, adding.then(() => failed)]).catch((reason: unknown) => reason as OperationError),
      PATIENCE_MS,
      'the error',
    );
    expect(error).toMatchObject({
      name: 'OperationError',
      slug: 'disk',
      code: expect.stringMatching(/ENOTDIR|EEXIST/),
    });
    expect(error.message).toContain(blocked);
    await adding.catch(() => {});
  });

  it('whose folder is removed stops, and starts over with a check', { timeout: 60_000 }, async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 6_000_000, 'b.bin': 6_000_000 }, { pieceLength: 65_536 });
    const seed = await world.seed(made, { upLimit: 4_000_000 });
    const leech = await world.session('leech');
    const directory = world.path('out');
    let pieces = 0;
    const some = untilEvent(leech, 'piece', () => ++pieces > 20);
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
    });
    await within(some, PATIENCE_MS, 'some pieces');
    rmSync(join(directory, 'it'), { recursive: true });
    const outcome = await within(
      Promise.race([untilError(leech), untilEvent(leech, 'completed').then(() => 'completed')]),
      20_000,
      'the error or the end',
    );
    if (outcome !== 'completed') {
      expect(outcome).toMatchObject({ slug: 'disk' });
      // What was verified is gone: resume says so, as often as it is asked; a check starts over.
      const resuming = leech.command({ kind: 'resume', torrent: infoHash });
      await expect(resuming).rejects.toMatchObject({ slug: 'disk', code: 'ENOENT' });
      expect(torrentOf(leech).state).toBe('error');
    }
    await leech.command({ kind: 'recheck', torrent: infoHash });
    await leech.command({ kind: 'add-peer', torrent: infoHash, ...addressOf(seed) });
    await seed.command({ kind: 'set-limits', down: 0, up: 0 });
    await waitFor(() => torrentOf(leech).state === 'seeding', {
      what: () => `the download (${torrentOf(leech).state}: ${torrentOf(leech).error})`,
      timeoutMs: 20_000,
    });
    expect(sameContent(made, directory, ['a.bin', 'b.bin'])).toBe(true);
  });
});

describe('the end of a download', () => {
  /** Zeros lie there, more than the file has bytes: space that somebody reserved. */
  async function reserved(): Promise<{
    world: World;
    leech: Session;
    path: string;
    made: Made;
    bytes: Buffer;
  }> {
    const world = new World();
    const made = await world.make({ 'a.bin': 300_000 });
    const leech = await world.session('leech');
    const path = join(world.path('out'), 'it', 'a.bin');
    mkdirSync(join(world.path('out'), 'it'));
    writeFileSync(path, new Uint8Array(400_000));
    return { world, leech, path, made, bytes: readFileSync(join(made.directory, 'it', 'a.bin')) };
  }
  async function fetch(world: World, leech: Session, made: Made): Promise<string> {
    const peers = [addressOf(await world.seed(made))];
    const source = { metainfo: made.metainfo };
    return (await leech.add({ source, directory: world.path('out'), peers })).infoHash;
  }
  const untilLastPiece = (session: Session, { metainfo }: Made): Promise<unknown> => {
    let pieces = 0;
    return untilEvent(session, 'piece', () => ++pieces === metainfo.layout.pieceCount);
  };

  it('is told when a file that was too long is cut', async () => {
    const { world, leech, path, made, bytes } = await reserved();
    await using _ = world;
    const seen = new Promise<readonly [number, string]>((resolve) => {
      leech.subscribe(
        ({ kind }) => kind === 'completed' && resolve([statSync(path).size, torrentOf(leech).state]),
      );
    });
    await fetch(world, leech, made);
    expect(await within(seen, PATIENCE_MS, 'the download')).toEqual([300_000, 'seeding']);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it('is not told when that fails, but why; and is told when a resume could do it', async () => {
    const { world, leech, path, made, bytes } = await reserved();
    await using _ = world;
    const told: string[] = [];
    let pieces = 0;
    leech.subscribe(({ kind }) => {
      if (kind === 'completed' || kind === 'error') told.push(kind);
      // Taken away between the last piece and the cut.
      if (kind === 'piece' && ++pieces === made.metainfo.layout.pieceCount) rmSync(path);
    });
    const failed = untilError(leech);
    const torrent = await fetch(world, leech, made);
    expect(await within(failed, PATIENCE_MS, 'the error')).toMatchObject({ slug: 'disk', code: 'ENOENT' });
    expect([told, torrentOf(leech).state]).toEqual([['error'], 'error']);
    writeFileSync(path, Buffer.concat([bytes, new Uint8Array(100_000)]));
    const completed = untilEvent(leech, 'completed');
    await leech.command({ kind: 'resume', torrent });
    await within(completed, PATIENCE_MS, 'the completion');
    expect([statSync(path).size, torrentOf(leech).state]).toEqual([300_000, 'seeding']);
  });

  it('waits for a pause to be over', async () => {
    const { world, leech, path, made } = await reserved();
    await using _ = world;
    const told: string[] = [];
    let pieces = 0;
    let pausing: Promise<void> | undefined;
    leech.subscribe(({ kind, torrent }) => {
      told.push(kind);
      if (kind === 'piece' && ++pieces === made.metainfo.layout.pieceCount)
        pausing = Promise.resolve().then(() => leech.command({ kind: 'pause', torrent }));
    });
    const paused = untilEvent(leech, 'paused');
    const torrent = await fetch(world, leech, made);
    await within(paused, PATIENCE_MS, 'the pause');
    await pausing;
    await waitFor(() => statSync(path).size === 300_000, { what: 'the cut', timeoutMs: PATIENCE_MS });
    expect(told).not.toContain('completed');
    const completed = untilEvent(leech, 'completed');
    await leech.command({ kind: 'resume', torrent });
    await within(completed, PATIENCE_MS, 'the completion');
    expect(torrentOf(leech).state).toBe('seeding');
  });

  it('can be a stop in between: the next start cuts what is too long', async () => {
    const { world, leech, path, made } = await reserved();
    await using _ = world;
    let closing: Promise<void> | undefined;
    const last = untilLastPiece(leech, made).then(() => {
      closing = leech.close(500);
    });
    await fetch(world, leech, made);
    await within(last, PATIENCE_MS, 'the last piece');
    await within(closing as Promise<void>, PATIENCE_MS, 'the close');
    expect(statSync(path).size).toBe(300_000);
    // As if it had been killed before it could.
    truncateSync(path, 400_000);
    const again = await world.session('leech');
    const sizes: number[] = [];
    again.subscribe(({ kind }) => kind === 'completed' && sizes.push(statSync(path).size));
    const completed = untilEvent(again, 'completed');
    await again.add({ source: { metainfo: made.metainfo }, directory: world.path('out') });
    await within(completed, PATIENCE_MS, 'the second start');
    expect(sizes).toEqual([300_000]);
  });
});

describe('a seed', () => {
  async function seeds(world: World): Promise<{ seed: Session; made: Made; other: Made }> {
    const made = await world.make({ 'a.bin': 3_000_000 });
    const other = await world.make({ 'b.bin': 1_000_000 });
    const seed = await world.seed(made);
    await seed.add({ source: { metainfo: other.metainfo }, directory: other.directory, seedOnly: true });
    return { seed, made, other };
  }

  it.each(['deleted', 'truncated', 'unreadable'] as const)(
    'whose file is %s under it stops that torrent with an error, and goes on with others',
    async (how) => {
      if (how === 'unreadable' && isRoot) return;
      await using world = new World();
      const { seed, made, other } = await seeds(world);
      const path = join(made.directory, 'it', 'a.bin');
      const kept = `${path}.kept`;
      const bytes = readFileSync(path);
      if (how === 'deleted') renameSync(path, kept);
      else if (how === 'truncated') truncateSync(path, 1_000_000);
      else chmodSync(path, 0);
      const leech = await world.session('leech');
      const failed = untilError(seed);
      await leech.add({
        source: { metainfo: made.metainfo },
        directory: world.path('out'),
        peers: [addressOf(seed)],
      });
      const error = await within(failed, PATIENCE_MS, 'the error');
      expect(error).toMatchObject({ slug: 'disk' });
      expect(error.message).toContain('a.bin');
      const torrent = torrentOf(seed).infoHash;
      expect(torrentOf(seed).state).toBe('error');
      const otherDone = untilEvent(leech, 'completed', (event) => event.torrent !== torrent);
      await leech.add({
        source: { metainfo: other.metainfo },
        directory: world.path('out2'),
        peers: [addressOf(seed)],
      });
      await within(otherDone, PATIENCE_MS, 'the other torrent');
      // As long as it is broken, resume says so, and nothing is ever written to it.
      await expect(seed.command({ kind: 'resume', torrent })).rejects.toMatchObject({
        name: 'OperationError',
      });
      expect(torrentOf(seed).state).toBe('error');
      if (how === 'truncated') expect(statSync(path).size).toBe(1_000_000);
      if (how === 'deleted') expect(existsSync(path)).toBe(false);
      if (how === 'unreadable') chmodSync(path, 0o644);
      else writeFileSync(path, bytes);
      const completed = untilEvent(leech, 'completed', (event) => event.torrent === torrent);
      await seed.command({ kind: 'resume', torrent });
      expect(torrentOf(seed).state).toBe('seeding');
      await leech.command({ kind: 'add-peer', torrent, ...addressOf(seed) });
      await within(completed, PATIENCE_MS, 'the leecher to get the rest');
    },
  );

  it('sends nothing of a file that somebody wrote over, tells so, and goes on when it is put back', async () => {
    await using world = new World();
    const { seed, made } = await seeds(world);
    const torrent = torrentOf(seed).infoHash;
    const path = join(made.directory, 'it', 'a.bin');
    const bytes = readFileSync(path);
    writeFileSync(
      path,
      Uint8Array.from(bytes, (byte) => byte ^ 1),
    );
    const leech = await world.session('leech');
    const wrong: string[] = [];
    leech.subscribe(({ kind }) => {
      if (kind === 'piece-failed' || kind === 'peer-banned') wrong.push(kind);
    });
    const failed = untilError(seed);
    const source = { metainfo: made.metainfo };
    await leech.add({ source, directory: world.path('out'), peers: [addressOf(seed)] });
    const error = await within(failed, PATIENCE_MS, 'the error');
    expect(error).toMatchObject({ slug: 'disk', code: 'ECHANGED' });
    expect(error.message).toContain(path);
    await expect(seed.command({ kind: 'resume', torrent })).rejects.toMatchObject({
      slug: 'verification-failed',
    });
    writeFileSync(path, bytes);
    const completed = untilEvent(leech, 'completed');
    await seed.command({ kind: 'resume', torrent });
    await leech.command({ kind: 'add-peer', torrent, ...addressOf(seed) });
    await within(completed, PATIENCE_MS, 'the leecher to get all of it');
    expect(wrong).toEqual([]);
  });

  it('goes on with a file that was only touched; what it wrote itself is no news', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 3_000_000, 'b.bin': 5 });
    const told: string[] = [];
    const log: Log = (level, message) => {
      if (level === 'warn' && message.includes('wrote to')) told.push(message);
    };
    const seed = await world.seed(made, { log });
    utimesSync(join(made.directory, 'it', 'a.bin'), 1, 1);
    const fetch = async (name: string, from: Session): Promise<Session> => {
      const leech = await world.session(name, { log });
      const completed = untilEvent(leech, 'completed');
      const source = { metainfo: made.metainfo };
      await leech.add({ source, directory: world.path(`out-${name}`), peers: [addressOf(from)] });
      await within(completed, PATIENCE_MS, name);
      expect(sameContent(made, world.path(`out-${name}`), ['a.bin', 'b.bin'])).toBe(true);
      return leech;
    };
    const first = await fetch('first', seed);
    expect(told).toEqual([expect.stringMatching(/wrote to .*a\.bin/)]);
    await fetch('second', first);
    expect(told).toHaveLength(1);
    expect([torrentOf(seed).state, torrentOf(first).state]).toEqual(['seeding', 'seeding']);
  });
});
