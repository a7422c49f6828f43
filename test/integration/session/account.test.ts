// Where the time of a real download goes, told right: held by our limit, by a slow seed, by nobody, by a peer that chokes, by
// the disk. The books add up at every moment, go on over several runs, and are on disk when the session is closed.
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sumOf, type TimeCause } from '../../../core/account/causes.ts';
import { greatestCauses, type TransferAccount } from '../../../core/account/transfer-account.ts';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { toHex } from '../../../core/base/bytes.ts';
import { magnetOf } from '../../../core/metainfo/magnet.ts';
import { listAccounts, loadAccount } from '../../../core/session/account-store.ts';
import type { Session } from '../../../core/session/session.ts';
import { StorePort } from '../../../core/storage/disk-workers.ts';
import { waitFor, within } from '../../support/wait.ts';
import { ALL_EXTENSIONS, PATIENCE_MS, TurnedClock } from './hostile-world.ts';
import { frame, handshakeBytes, listenRaw, type RawPeer } from './raw-peer.ts';
import { addressOf, type Made, untilEvent, World } from './support.ts';

const MIB = 1 << 20;

afterEach(() => vi.restoreAllMocks());

function accountOf(session: Session, index = 0): TransferAccount {
  const account = session.snapshot().torrents[index]?.account as TransferAccount;
  expect(sumOf(account.time)).toBe(account.wallMs);
  return account;
}

function greatest(account: TransferAccount): TimeCause | undefined {
  return greatestCauses(account.time)[0];
}

/** Until so much was charged to this cause; the clock may be turned meanwhile. */
async function untilCharged(session: Session, cause: TimeCause, ms = 200): Promise<TransferAccount> {
  return waitFor(
    () => {
      const account = accountOf(session);
      return account.time[cause] >= ms ? account : undefined;
    },
    {
      what: () => `${ms} ms of ${cause}: ${JSON.stringify(accountOf(session).time)}`,
      timeoutMs: PATIENCE_MS,
    },
  );
}

/** Until this is the greatest part: on a slow machine connecting is, for a while. */
async function untilGreatest(session: Session, cause: TimeCause): Promise<void> {
  await waitFor(
    () => {
      const account = accountOf(session);
      return account.time[cause] >= 200 && greatest(account) === cause;
    },
    {
      what: () => `${cause} to be the greatest: ${JSON.stringify(accountOf(session).time)}`,
      timeoutMs: PATIENCE_MS,
    },
  );
}

/** @returns what settles when the download is complete */
async function begin(
  session: Session,
  made: Made,
  directory: string,
  seed?: Session,
): Promise<() => Promise<unknown>> {
  const completed = untilEvent(session, 'completed');
  completed.catch(() => {});
  await session.add({
    source: { metainfo: made.metainfo },
    directory,
    ...(seed === undefined ? {} : { peers: [addressOf(seed)] }),
  });
  return () => within(completed, 3 * PATIENCE_MS, 'the download');
}

async function download(session: Session, made: Made, directory: string, seed?: Session): Promise<void> {
  const isComplete = await begin(session, made, directory, seed);
  await isComplete();
}

/** A peer that shakes hands, says what it has and then does as `act` says. */
async function actor(made: Made, pieces: Bitfield | undefined, act: (peer: RawPeer) => Promise<void> | void) {
  return listenRaw((peer) => {
    void (async () => {
      await peer.take(68);
      peer.send(handshakeBytes(made.metainfo.infoHash, { reserved: ALL_EXTENSIONS }));
      if (pieces !== undefined) peer.send(frame(5, pieces.bytes));
      await act(peer);
    })().catch(() => {});
  });
}

const silent = (): void => {};

describe('the greatest part of the time', () => {
  it('is our own limit, when that is what holds the download', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 2 * MIB }, { pieceLength: 65_536 });
    const session = await world.session('limited', { downLimit: MIB / 4 });
    await begin(session, made, world.path('out'), await world.seed(made));
    await untilGreatest(session, 'limit');
  });

  it('is the peers, when the seed is slow', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 2 * MIB }, { pieceLength: 65_536 });
    const session = await world.session('leecher');
    await begin(session, made, world.path('out'), await world.seed(made, { upLimit: MIB / 4 }));
    await untilGreatest(session, 'slow');
  });

  it('is waiting for peers, when there are none', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const clock = new TurnedClock();
    const session = await world.session('alone', { clock });
    await session.add({ source: { metainfo: made.metainfo }, directory: world.path('out') });
    clock.turn(60_000);
    const account = await untilCharged(session, 'peers', 59_000);
    expect(account).toMatchObject({ state: 'running', lastCause: 'peers', connectedPeers: 0, knownPeers: 0 });
    expect(account.idleMs).toBeGreaterThanOrEqual(59_000);
  });

  it('is waiting for peers also of a magnet, and for metadata once one is there', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 100_000 });
    const clock = new TurnedClock();
    const session = await world.session('magnet', { clock, encryption: 'off' });
    await session.add({ source: { magnet: magnetOf(made.metainfo) }, directory: world.path('out') });
    clock.turn(5_000);
    await untilCharged(session, 'peers', 4_900);
    const mute = await actor(made, undefined, silent);
    try {
      const torrent = session.snapshot().torrents[0]?.infoHash as string;
      await session.command({ kind: 'add-peer', torrent, host: '127.0.0.1', port: mute.port });
      await within(untilEvent(session, 'peer-connected'), PATIENCE_MS, 'the peer');
      clock.turn(20_000);
      const account = await untilCharged(session, 'metadata', 19_900);
      expect(account).toMatchObject({ lastCause: 'metadata', connectedPeers: 1, wantedBytes: 0 });
    } finally {
      mute.close();
    }
  });

  it('is waiting for unchoke, when the only seed chokes', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 500_000 });
    const clock = new TurnedClock();
    const session = await world.session('choked', { clock, encryption: 'off' });
    const choker = await actor(made, Bitfield.full(made.metainfo.layout.pieceCount), silent);
    try {
      await session.add({
        source: { metainfo: made.metainfo },
        directory: world.path('out'),
        peers: [{ host: '127.0.0.1', port: choker.port }],
      });
      await untilCharged(session, 'unchoke', 1);
      clock.turn(30_000);
      const account = await untilCharged(session, 'unchoke', 30_000);
      expect(account.lastCause).toBe('unchoke');
      expect(greatest(account)).toBe('unchoke');
    } finally {
      choker.close();
    }
  });

  it('is that nobody has the rest, when the peer has other pieces', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 65_536, 'b.bin': 65_536 }, { pieceLength: 65_536 });
    const clock = new TurnedClock();
    const session = await world.session('wanting', { clock, encryption: 'off' });
    const first = new Bitfield(made.metainfo.layout.pieceCount);
    first.set(0);
    const other = await actor(made, first, silent);
    try {
      await session.add({
        source: { metainfo: made.metainfo },
        directory: world.path('out'),
        filePriorities: () => [0, 4],
        peers: [{ host: '127.0.0.1', port: other.port }],
      });
      await untilCharged(session, 'pieces', 1);
      clock.turn(30_000);
      expect((await untilCharged(session, 'pieces', 30_000)).lastCause).toBe('pieces');
    } finally {
      other.close();
    }
  });

  it('is the disk, when what has come waits to be written', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': MIB }, { pieceLength: 65_536 });
    const clock = new TurnedClock();
    const session = await world.session('slow-disk', { clock });
    const commit = StorePort.prototype.commit;
    // The disk thread hears nothing until it is let.
    let held: (() => void)[] | undefined = [];
    vi.spyOn(StorePort.prototype, 'commit').mockImplementation(function (this: StorePort, numbers, chunks) {
      const kept = [...chunks];
      const pass = (): void => commit.call(this, numbers, kept);
      if (held === undefined) pass();
      else held.push(pass);
    });
    const isComplete = await begin(session, made, world.path('out'), await world.seed(made));
    await untilCharged(session, 'disk', 1);
    clock.turn(10_000);
    expect((await untilCharged(session, 'disk', 10_000)).lastCause).toBe('disk');
    const waiting = held;
    held = undefined;
    for (const pass of waiting) pass();
    await isComplete();
    expect(greatest(accountOf(session))).toBe('disk');
  });

  it('is the pause, while somebody pauses it; and none of it counts once it is complete', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 500_000 });
    const clock = new TurnedClock();
    const session = await world.session('paused', { clock });
    await session.add({ source: { metainfo: made.metainfo }, directory: world.path('out') });
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    await session.command({ kind: 'pause', torrent });
    clock.turn(40_000);
    await untilCharged(session, 'paused', 40_000);
    const seed = await world.seed(made);
    await session.command({ kind: 'resume', torrent });
    const completed = untilEvent(session, 'completed');
    await session.command({ kind: 'add-peer', torrent, ...addressOf(seed) });
    await within(completed, PATIENCE_MS, 'the download');
    const { wallMs } = accountOf(session);
    clock.turn(60_000);
    await session.command({ kind: 'pause', torrent });
    clock.turn(60_000);
    expect(accountOf(session)).toMatchObject({ state: 'complete', wallMs });
    expect(greatest(accountOf(session))).toBe('paused');
  });
});

describe('what it cost', () => {
  it('counts payload, protocol, processor and memory', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 3 * MIB }, { pieceLength: 65_536 });
    const session = await world.session('leecher');
    const gone = untilEvent(session, 'peer-disconnected');
    await download(session, made, world.path('out'), await world.seed(made));
    await within(gone, PATIENCE_MS, 'two seeds to part');
    const { bytes, processor, peakMemoryBytes } = accountOf(session);
    expect(bytes).toMatchObject({
      downloaded: 3 * MIB,
      uploaded: 0,
      duplicate: 0,
      failedHash: 0,
      unrequested: 0,
    });
    // 13 bytes a block at least, handshakes and haves; the connection is gone by now and still counted.
    const blocks = (3 * MIB) / 16_384;
    expect(bytes.protocolReceived).toBeGreaterThan(13 * blocks);
    expect(bytes.protocolReceived).toBeLessThan(13 * blocks + 20_000);
    // A request is 17 bytes.
    expect(bytes.protocolSent).toBeGreaterThan(17 * blocks);
    expect(bytes.protocolSent).toBeLessThan(17 * blocks + 20_000);
    expect(processor.userMs + processor.systemMs).toBeGreaterThan(0);
    expect(peakMemoryBytes).toBeGreaterThan(MIB);
  });

  it('is shared by torrents that run at once, and each has its own books', async () => {
    await using world = new World();
    const made = [
      await world.make({ 'a.bin': 2 * MIB }, { pieceLength: 65_536 }),
      await world.make({ 'b.bin': 2 * MIB }, { pieceLength: 65_536 }),
      await world.make({ 'c.bin': 1000 }),
    ];
    const used = process.cpuUsage();
    const session = await world.session('leecher', { downLimit: 8 * MIB });
    const [first, second, third] = made as [Made, Made, Made];
    await session.add({ source: { metainfo: third.metainfo }, directory: world.path('out-c') });
    await Promise.all([
      download(session, first, world.path('out-a'), await world.seed(first)),
      download(session, second, world.path('out-b'), await world.seed(second)),
    ]);
    await waitFor(() => [1, 2].every((i) => accountOf(session, i).state === 'complete'), {
      what: 'both downloads',
      timeoutMs: PATIENCE_MS,
    });
    const accounts = [0, 1, 2].map((i) => accountOf(session, i));
    const { user, system } = process.cpuUsage(used);
    const total = accounts.reduce((sum, { processor }) => sum + processor.userMs + processor.systemMs, 0);
    expect(total).toBeGreaterThan(0);
    // Rounded to a millisecond each.
    expect(total).toBeLessThanOrEqual((user + system) / 1000 + 6);
    expect(accounts.map(({ bytes }) => bytes.downloaded)).toEqual([0, 2 * MIB, 2 * MIB]);
    expect(greatest(accounts[0] as TransferAccount)).toBe('peers');
  });
});

describe('the record in the state directory', () => {
  it('goes on over several runs until the download is complete, and stays as it is when there is nothing to do', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 2 * MIB }, { pieceLength: 16_384 });
    const infoHash = toHex(made.metainfo.infoHash);
    // Slow, so that the first run is stopped long before its end however busy the machine is.
    const seed = await world.seed(made, { upLimit: MIB / 4 });
    const stateDir = world.path('state');
    const out = world.path('out');
    const first = await world.session('first', { stateDir });
    await first.add({ source: { metainfo: made.metainfo }, directory: out, peers: [addressOf(seed)] });
    await waitFor(() => (first.snapshot().torrents[0]?.verifiedPieces ?? 0) > 4, {
      what: 'some pieces',
      timeoutMs: PATIENCE_MS,
    });
    await first.close(500);
    const halfway = (await loadAccount(stateDir, infoHash)) as TransferAccount;
    expect(halfway).toMatchObject({ state: 'stopped', runs: 1, name: 'it', directory: out });
    expect(halfway.bytes.downloaded).toBeGreaterThan(0);
    expect(sumOf(halfway.time)).toBe(halfway.wallMs);

    await seed.command({ kind: 'set-limits', down: 0, up: 0 });
    const second = await world.session('second', { stateDir });
    await download(second, made, out, seed);
    await second.close(500);
    const whole = (await loadAccount(stateDir, infoHash)) as TransferAccount;
    expect(whole).toMatchObject({ state: 'complete', runs: 2, verifiedBytes: 2 * MIB, wantedBytes: 2 * MIB });
    expect(whole.wallMs).toBeGreaterThan(halfway.wallMs);
    expect(whole.bytes.downloaded).toBeGreaterThanOrEqual(2 * MIB);
    expect(whole.startedAtMs).toBe(halfway.startedAtMs);
    expect(sumOf(whole.time)).toBe(whole.wallMs);

    const third = await world.session('third', { stateDir });
    await download(third, made, out);
    await third.close(500);
    expect(await loadAccount(stateDir, infoHash)).toEqual(whole);

    // The files are gone: that is a new download, with books of its own; but not before anything comes.
    rmSync(join(out, 'it'), { recursive: true });
    const idle = await world.session('idle', { stateDir });
    await idle.add({ source: { metainfo: made.metainfo }, directory: out });
    await idle.close(500);
    expect(await loadAccount(stateDir, infoHash)).toEqual(whole);
    const fourth = await world.session('fourth', { stateDir });
    await download(fourth, made, out, await world.seed(made));
    await fourth.close(500);
    expect(await loadAccount(stateDir, infoHash)).toMatchObject({ state: 'complete', runs: 1 });
    expect(await listAccounts(stateDir)).toHaveLength(1);
  });

  it('tells of a torrent that could not be opened; but not when another tt has it', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1000 });
    const blocked = join(world.path('blocked'), 'file');
    writeFileSync(blocked, 'x');
    const stateDir = world.path('state');
    const session = await world.session('s', { stateDir });
    const source = { metainfo: made.metainfo };
    await expect(session.add({ source, directory: join(blocked, 'below') })).rejects.toThrow();
    const [account] = await listAccounts(stateDir);
    expect(account).toMatchObject({ state: 'error', error: expect.stringContaining('file') });
    const out = world.path('out');
    await session.add({ source, directory: out });
    await waitFor(async () => (await listAccounts(stateDir))[0]?.state === 'running', {
      what: 'the record of the one that runs',
      timeoutMs: PATIENCE_MS,
    });
    const other = await world.session('other', { stateDir });
    await expect(other.add({ source, directory: out })).rejects.toThrow(/already|another/i);
    await other.close(500);
    expect((await listAccounts(stateDir))[0]).toMatchObject({ state: 'running', directory: out });
    await session.close(500);
    expect((await listAccounts(stateDir))[0]).toMatchObject({ state: 'stopped', directory: out, runs: 1 });
  });

  it('is not kept for a seed, is bounded in number, and a damaged one is as none', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 1000 });
    const stateDir = world.path('state');
    const seed = await world.session('seed', { stateDir });
    await seed.add({ source: { metainfo: made.metainfo }, directory: made.directory, seedOnly: true });
    expect(seed.snapshot().torrents[0]?.account).toBeUndefined();
    await seed.close(500);
    expect(await listAccounts(stateDir)).toEqual([]);

    const folder = join(world.path('state'), 'explain');
    const session = await world.session('s', { stateDir });
    await session.add({ source: { metainfo: made.metainfo }, directory: world.path('out') });
    await session.close(500);
    const [account] = await listAccounts(stateDir);
    const bytes = JSON.stringify(account);
    for (let i = 0; i < 600; i++) {
      const path = join(folder, `${i.toString(16).padStart(40, '0')}.json`);
      writeFileSync(path, bytes.replace(account?.infoHash as string, i.toString(16).padStart(40, '0')));
      utimesSync(path, 1_000_000 + i, 1_000_000 + i);
    }
    writeFileSync(join(folder, `${'f'.repeat(40)}.json`), '{"version":1');
    const next = await world.make({ 'b.bin': 1000 });
    const again = await world.session('again', { stateDir });
    await again.add({ source: { metainfo: next.metainfo }, directory: world.path('out2') });
    await again.close(500);
    const kept = await listAccounts(stateDir);
    expect(kept.length).toBeLessThanOrEqual(500);
    expect(kept.length).toBeGreaterThan(490);
    const newest = join(folder, `${(599).toString(16).padStart(40, '0')}.json`);
    expect(statSync(newest).isFile()).toBe(true);
    expect(await loadAccount(stateDir, 'f'.repeat(40))).toBeUndefined();
  });
});
