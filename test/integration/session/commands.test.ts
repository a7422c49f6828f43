// Commands in odd states, and twice at once: nothing throws that should not, nothing is leaked, everything ends well.
import { readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readU32 } from '../../../core/base/bytes.ts';
import type { Session } from '../../../core/session/session.ts';
import type { Command } from '../../../core/session/session-api.ts';
import { makeTempDir } from '../../support/temp.ts';
import { waitFor, within } from '../../support/wait.ts';
import { PATIENCE_MS, Scene } from './hostile-world.ts';
import { frame } from './raw-peer.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';

const DEADLINE_MS = 15_000;

function stateOf(session: Session): string | undefined {
  return session.snapshot().torrents[0]?.state;
}

function magnetOf(made: Made, peers: { host: string; port: number }[] = []) {
  return {
    infoHash: made.metainfo.infoHash,
    hasV1: true,
    infoHashV2: undefined,
    displayName: undefined,
    trackerTiers: [],
    webSeeds: [],
    peers,
    selectOnly: undefined,
    exactLength: undefined,
  };
}

function everyCommand(torrent: string): Command[] {
  return [
    { kind: 'pause', torrent },
    { kind: 'resume', torrent },
    { kind: 'recheck', torrent },
    { kind: 'announce', torrent },
    { kind: 'set-file-priority', torrent, file: 0, priority: 7 },
    { kind: 'set-sequential', torrent, on: true },
    { kind: 'set-limits', down: 0, up: 0 },
    { kind: 'add-peer', torrent, host: '127.0.0.1', port: 1 },
    { kind: 'pause', torrent },
    { kind: 'pause', torrent },
    { kind: 'resume', torrent },
    { kind: 'resume', torrent },
  ];
}

/** Only refusals are allowed. */
async function commandAll(session: Session, commands: readonly Command[]): Promise<void> {
  const results = await Promise.allSettled(commands.map((command) => session.command(command)));
  for (const result of results) {
    if (result.status === 'rejected')
      expect(result.reason).toMatchObject({ name: 'OperationError', slug: 'refused' });
  }
}

it('says which of the peers that were named does not exist', async () => {
  await using world = new World();
  const made = await world.make({ 'a.bin': 1000 });
  const leech = await world.session('leech');
  const told = untilEvent(leech, 'source-error');
  // An empty label: no resolver is asked for it.
  const peers = [{ host: 'no..such.host', port: 7 }];
  await leech.add({ source: { metainfo: made.metainfo }, directory: world.path('out'), peers });
  expect(await told).toMatchObject({
    source: 'no..such.host',
    message: expect.stringMatching(/^there is no such host \(/),
  });
});

describe('a magnet without metadata', () => {
  it('takes every command, pauses, resumes, and completes', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 300_000 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const { infoHash } = await leech.add({ source: { magnet: magnetOf(made) }, directory });
    expect(stateOf(leech)).toBe('metadata');
    await commandAll(leech, everyCommand(infoHash));
    expect(stateOf(leech)).toBe('metadata');
    await leech.command({ kind: 'pause', torrent: infoHash });
    await leech.command({ kind: 'add-peer', torrent: infoHash, ...addressOf(seed) });
    expect(stateOf(leech)).toBe('paused');
    const completed = untilEvent(leech, 'completed');
    await leech.command({ kind: 'resume', torrent: infoHash });
    await within(completed, PATIENCE_MS, 'the download');
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
  });

  it('that names a v2 hash as well takes no metadata without it', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 300_000 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const magnet = { ...magnetOf(made, [addressOf(seed)]), infoHashV2: new Uint8Array(32).fill(1) };
    const failed = untilEvent(leech, 'error');
    const directory = world.path('out');
    await leech.add({ source: { magnet }, directory });
    const { error } = await within(failed, PATIENCE_MS, 'the refusal');
    expect(error).toMatchObject({ slug: 'bad-torrent' });
    expect(error.message).toContain('btmh');
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a check', () => {
  it('is broken off by a pause, and goes on after it', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 64 << 20 });
    const session = await world.session('s');
    const checking = untilEvent(session, 'checking');
    const adding = session.add({
      source: { metainfo: made.metainfo },
      directory: made.directory,
      recheck: true,
    });
    const { torrent } = await checking;
    await session.command({ kind: 'pause', torrent });
    await adding;
    expect(stateOf(session)).toBe('paused');
    await commandAll(session, [
      { kind: 'recheck', torrent },
      { kind: 'set-sequential', torrent, on: true },
    ]);
    const completed = untilEvent(session, 'completed');
    await session.command({ kind: 'resume', torrent });
    await within(completed, DEADLINE_MS, 'the check');
    expect(session.snapshot().torrents[0]).toMatchObject({ state: 'seeding', verifiedBytes: 64 << 20 });
  });

  it('survives pause and resume in one breath, again and again', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 32 << 20 });
    const session = await world.session('s');
    const checking = untilEvent(session, 'checking');
    const adding = session.add({
      source: { metainfo: made.metainfo },
      directory: made.directory,
      recheck: true,
    });
    const { torrent } = await checking;
    const completed = untilEvent(session, 'completed');
    const commands: Promise<void>[] = [];
    for (let i = 0; i < 10; i++) {
      commands.push(
        session.command({ kind: 'pause', torrent }),
        session.command({ kind: 'resume', torrent }),
      );
    }
    await Promise.all([adding, ...commands]);
    await within(completed, DEADLINE_MS, 'the check');
    await waitFor(() => stateOf(session) === 'seeding', { what: 'seeding', timeoutMs: PATIENCE_MS });
  });

  it('in the middle of a download loses nothing but what was half there', { timeout: 60_000 }, async () => {
    await using world = new World();
    // Pieces of several segments: 48 buffers of 1 MiB for the session.
    const made = await world.make({ 'a.bin': 96 << 20 }, { pieceLength: 4 << 20 });
    // Slow enough that all three rounds find it under way.
    const seed = await world.seed(made, { upLimit: 20_000_000 });
    const leech = await world.session('leech');
    const directory = world.path('out');
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
    });
    const completed = untilEvent(leech, 'completed');
    for (let i = 0; i < 3; i++) {
      await waitFor(() => (leech.snapshot().torrents[0]?.openPieces.length ?? 0) > 0, {
        what: 'pieces under way',
        timeoutMs: PATIENCE_MS,
      });
      await leech.command({ kind: 'recheck', torrent: infoHash });
      await leech.command({ kind: 'add-peer', torrent: infoHash, ...addressOf(seed) });
    }
    await seed.command({ kind: 'set-limits', down: 0, up: 0 });
    await within(completed, 40_000, 'the download');
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
  });

  it('gives the buffers of half-filled pieces back, however often', { timeout: 60_000 }, async () => {
    await using scene = await Scene.open('leecher', { files: { 'a.bin': 24 << 20 }, pieceLength: 1 << 20 });
    const content = readFileSync(join(scene.made.directory, 'it', 'a.bin'));
    // More often than the session has buffers of 1 MiB.
    for (let i = 0; i < 60; i++) {
      const peer = await scene.greet();
      peer.send(frame(14), frame(1));
      const request = await within(peer.frameWithId(6), PATIENCE_MS, 'a request');
      const at = readU32(request, 0) * (1 << 20) + readU32(request, 4);
      peer.send(frame(7, request.subarray(0, 8), content.subarray(at, at + 16_384)));
      await waitFor(() => (scene.session.snapshot().torrents[0]?.peers[0]?.downloadedBytes ?? 0) > 0, {
        what: 'the block',
        timeoutMs: PATIENCE_MS,
        everyMs: 2,
      });
      await scene.session.command({ kind: 'recheck', torrent: scene.key });
    }
    await scene.expectHonestTransfer();
  });

  it('of a paused torrent leaves it paused; twice at once is once', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000_000 });
    const session = await world.seed(made);
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    await session.command({ kind: 'pause', torrent });
    let checks = 0;
    session.subscribe((event) => event.kind === 'checked' && checks++);
    await Promise.all([
      session.command({ kind: 'recheck', torrent }),
      session.command({ kind: 'recheck', torrent }),
    ]);
    expect(checks).toBe(1);
    expect(stateOf(session)).toBe('paused');
  });

  it('that finds a seed incomplete says so, and writes nothing', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000_000 });
    const session = await world.seed(made);
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    truncateSync(join(made.directory, 'it', 'a.bin'), 400_000);
    await expect(session.command({ kind: 'recheck', torrent })).rejects.toMatchObject({
      slug: 'verification-failed',
    });
    expect(session.snapshot().torrents[0]).toMatchObject({ state: 'error' });
    expect(session.snapshot().torrents[0]?.error).toMatch(/pieces are missing/);
  });
});

describe('a torrent', () => {
  it('that is removed is forgotten at once, and can come again', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000_000 });
    const seed = await world.seed(made);
    const leech = await world.session('leech');
    const directory = world.path('out');
    const add = { source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] };
    for (let i = 0; i < 3; i++) {
      const { infoHash: torrent } = await leech.add(add);
      const removing = leech.command({ kind: 'remove', torrent });
      await expect(leech.command({ kind: 'remove', torrent })).rejects.toMatchObject({ slug: 'refused' });
      await commandAll(leech, everyCommand(torrent));
      await removing;
      expect(leech.snapshot().torrents).toEqual([]);
    }
    const completed = untilEvent(leech, 'completed');
    await leech.add(add);
    await within(completed, PATIENCE_MS, 'the download');
  });

  it('takes all commands at once while it downloads, and completes', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 8 << 20 });
    const seed = await world.seed(made, { upLimit: 8 << 20 });
    const leech = await world.session('leech');
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    const { infoHash } = await leech.add({
      source: { metainfo: made.metainfo },
      directory,
      peers: [addressOf(seed)],
    });
    for (let i = 0; i < 3; i++) await commandAll(leech, everyCommand(infoHash));
    await leech.command({ kind: 'add-peer', torrent: infoHash, ...addressOf(seed) });
    await within(completed, DEADLINE_MS, 'the download');
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
  });

  it('refuses what makes no sense in one line', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000 });
    const session = await world.seed(made);
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    const set = (file: number) => session.command({ kind: 'set-file-priority', torrent, file, priority: 1 });
    await expect(set(99)).rejects.toMatchObject({ slug: 'refused' });
    await expect(set(-1)).rejects.toMatchObject({ slug: 'refused' });
    await expect(session.command({ kind: 'set-limits', down: -1, up: undefined })).rejects.toThrow('limit');
    await expect(session.command({ kind: 'set-limits', down: Number.NaN, up: 1 })).rejects.toThrow('limit');
    await expect(session.command({ kind: 'pause', torrent: 'nonsense' })).rejects.toMatchObject({
      slug: 'refused',
    });
    expect(session.snapshot().downLimitBytesPerSec).toBe(0);
  });
});

describe('a closed session', () => {
  it('refuses everything, and closing twice is closing once', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1_000_000 });
    const session = await world.seed(made);
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    await Promise.all([session.close(), session.close()]);
    for (const command of everyCommand(torrent)) {
      await expect(session.command(command)).rejects.toMatchObject({ slug: 'refused' });
    }
    const again = session.add({ source: { metainfo: made.metainfo }, directory: made.directory });
    await expect(again).rejects.toMatchObject({ slug: 'refused' });
    expect(session.snapshot().torrents[0]?.state).toBe('stopped');
  });

  it('while it adds, checks or downloads: nothing hangs, nothing is thrown at nobody', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 32 << 20 });
    const seed = await world.seed(made);
    for (const [name, options] of Object.entries({
      adds: { directory: world.path('out1') },
      checks: { directory: made.directory, recheck: true },
      downloads: { directory: world.path('out2'), peers: [addressOf(seed)] },
    })) {
      const session = await world.session(name);
      const adding = session.add({ source: { metainfo: made.metainfo }, ...options });
      const settled = adding.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (name === 'checks') await untilEvent(session, 'checking');
      if (name === 'downloads') await untilEvent(session, 'first-byte');
      await within(session.close(), DEADLINE_MS, `the close of a session that ${name}`);
      const error = await settled;
      if (error !== undefined) expect(error).toMatchObject({ name: 'OperationError' });
    }
  });

  it('leaves the process free to exit, with dials in the air and limits in force', {
    timeout: 120_000,
  }, async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 8 << 20 });
    const seed = await world.seed(made);
    using dir = makeTempDir();
    const { execFile } = await import('node:child_process');
    const { writeFileSync } = await import('node:fs');
    const { torrentBytes } = await (
      await import('../../../core/metainfo/io/create-torrent.ts')
    ).createTorrent({
      path: join(made.directory, 'it'),
    });
    writeFileSync(join(dir.path, 'it.torrent'), torrentBytes);
    const { port } = addressOf(seed);
    const child = await new Promise<{ code: unknown; out: string }>((resolve) => {
      execFile(
        process.execPath,
        [new URL('./close-child.ts', import.meta.url).pathname, dir.path, String(port)],
        { timeout: 50_000 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, out: stdout + stderr }),
      );
    });
    expect(child).toMatchObject({ code: 0 });
    const keeping = JSON.parse(/kept alive by (.*)/.exec(child.out)?.[1] ?? 'null') as string[];
    // Its standard output is a pipe.
    expect(keeping.filter((what) => what !== 'PipeWrap')).toEqual([]);
    rmSync(dir.path, { recursive: true, force: true });
  });
});
