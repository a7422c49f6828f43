// Limits that the user sets, and the order in which peers are dialled, encrypted or not.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { MseResponder } from '../../../core/transport/mse.ts';
import { waitFor, within } from '../../support/wait.ts';
import { ALL_EXTENSIONS, PATIENCE_MS, Scene, TurnedClock } from './hostile-world.ts';
import { handshakeBytes, listenRaw, RawPeer } from './raw-peer.ts';
import { addressOf, sameContent, untilEvent, World } from './support.ts';

const LOOPBACK = '127.0.0.1';

describe('the number of connections', () => {
  it('of a torrent is never passed, by dialling or by being dialled', async () => {
    await using scene = await Scene.open('leecher', {
      session: { maxPeersPerTorrent: 5, encryption: 'off' },
    });
    let open = 0;
    let most = 0;
    const count = (peer: RawPeer): void => {
      most = Math.max(most, ++open);
      peer.socket.on('close', () => open--);
    };
    const listeners = await Promise.all(Array.from({ length: 20 }, () => listenRaw(count)));
    try {
      await Promise.all(
        listeners.map(({ port }) =>
          scene.session.command({ kind: 'add-peer', torrent: scene.key, host: LOOPBACK, port }),
        ),
      );
      await waitFor(() => open === 5, { what: 'five connections', timeoutMs: PATIENCE_MS });
      expect(scene.session.snapshot().torrents[0]?.candidateCount).toBe(15);
      // Those dialled have not shaken hands; who comes in finds no place either.
      const late = await scene.connect();
      late.send(handshakeBytes(scene.infoHash, { peerId: 'late' }));
      await within(late.closed(), PATIENCE_MS, 'the late one to be turned away');
      expect(most).toBe(5);
    } finally {
      for (const { close } of listeners) close();
    }
  });

  it('of a session counts all its torrents', async () => {
    await using world = new World();
    const session = await world.session('s', { maxPeers: 3, encryption: 'off' });
    const made = [await world.make({ 'a.bin': 10_000 })];
    made.push(await world.make({ 'b.bin': 10_000 }));
    for (const [i, { metainfo }] of made.entries()) {
      await session.add({ source: { metainfo }, directory: world.path(`out${i}`) });
    }
    const kept: RawPeer[] = [];
    for (let i = 0; i < 3; i++) {
      const peer = await RawPeer.connect(addressOf(session).port);
      const { infoHash } = (made[i % 2] as (typeof made)[number]).metainfo;
      peer.send(handshakeBytes(infoHash, { reserved: ALL_EXTENSIONS, peerId: `peer${i}` }));
      await peer.take(68);
      kept.push(peer);
    }
    const fourth = await RawPeer.connect(addressOf(session).port);
    fourth.send(handshakeBytes((made[0] as (typeof made)[number]).metainfo.infoHash, { peerId: 'fourth' }));
    await within(fourth.closed(), PATIENCE_MS, 'the fourth to be turned away');
    expect(kept.some((peer) => peer.isClosed)).toBe(false);
    expect(session.snapshot().peerCount).toBe(3);
  });
});

describe('a session that one address has filled', () => {
  it('takes in others at any torrent of it, in place of that address’s', async () => {
    await using world = new World();
    const session = await world.session('s', { maxPeers: 3, encryption: 'off' });
    const [crowded, quiet] = [await world.make({ 'a.bin': 10_000 }), await world.make({ 'b.bin': 10_000 })];
    for (const [i, { metainfo }] of [crowded, quiet].entries()) {
      await session.add({ source: { metainfo }, directory: world.path(`out${i}`) });
    }
    const come = async (made: typeof crowded, peerId: string, from: string): Promise<RawPeer> => {
      const peer = await RawPeer.connect(addressOf(session).port, LOOPBACK, from);
      peer.send(handshakeBytes(made.metainfo.infoHash, { reserved: ALL_EXTENSIONS, peerId }));
      await peer.take(68);
      return peer;
    };
    const crowd: RawPeer[] = [];
    for (let i = 0; i < 3; i++) crowd.push(await come(crowded, `crowd${i}`, '127.0.0.9'));
    const other = await come(quiet, 'other', LOOPBACK);
    await waitFor(() => crowd.filter((peer) => peer.isClosed).length === 1, {
      what: 'one of the crowd to leave',
      timeoutMs: PATIENCE_MS,
    });
    await waitFor(
      () =>
        session
          .snapshot()
          .torrents.map(({ peers }) => peers.length)
          .join() === '2,1',
      {
        what: 'two of the crowd beside the other',
        timeoutMs: PATIENCE_MS,
      },
    );
    expect(other.isClosed).toBe(false);
  });
});

describe('rate limits', () => {
  it.each(['down', 'up'] as const)(
    '%s: never passed by more than a tenth, and free once taken away',
    async (side) => {
      await using world = new World();
      const limit = 2_000_000;
      const made = await world.make({ 'a.bin': 24_000_000 });
      const seed = await world.seed(made, side === 'up' ? { upLimit: limit } : {});
      const leech = await world.session('leech', side === 'down' ? { downLimit: limit } : {});
      const directory = world.path('out');
      const completed = untilEvent(leech, 'completed');
      const begun = untilEvent(leech, 'first-byte');
      await leech.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
      const startMs = (await begun).atMs;
      const moved = (): number => leech.snapshot().torrents[0]?.downloadedBytes ?? 0;
      await waitFor(() => moved() >= 5_000_000, { what: '5 MB', timeoutMs: 15_000 });
      const elapsedMs = performance.now() - startMs;
      // What a quarter of a second may save up, and the last read.
      expect(moved()).toBeLessThan((elapsedMs / 1000) * limit * 1.1 + 0.25 * limit + 300_000);
      const limited = side === 'down' ? leech : seed;
      await limited.command({ kind: 'set-limits', down: 0, up: 0 });
      await within(completed, PATIENCE_MS, 'the rest at full speed');
      expect(sameContent(made, directory, ['a.bin'])).toBe(true);
    },
  );
});

/** What each connection began with; plain ones are answered by nothing. */
async function firstWords(
  policy: 'prefer' | 'require' | 'off',
  takes: 'plain' | 'encrypted',
  willMeet: boolean,
): Promise<{ words: string[]; isMet: boolean }> {
  const clock = new TurnedClock();
  await using scene = await Scene.open('leecher', { session: { encryption: policy, clock } });
  const words: string[] = [];
  const meet = async (peer: RawPeer): Promise<void> => {
    const first = await peer.take(20);
    const isPlain = Buffer.from(first).toString('latin1') === '\x13BitTorrent protocol';
    words.push(isPlain ? 'plain' : 'encrypted');
    if (isPlain !== (takes === 'plain')) {
      peer.socket.destroy();
      return;
    }
    if (isPlain) {
      await peer.take(48);
      peer.send(handshakeBytes(scene.infoHash, { reserved: ALL_EXTENSIONS }));
      return;
    }
    const machine = new MseResponder({
      findTorrent: () => scene.infoHash,
      rng: seededRng(3),
      policy: 'require',
    });
    let bytes = first;
    for (;;) {
      const step = machine.receive(bytes);
      if (step.kind !== 'more' && step.kind !== 'done') return;
      if (step.send.length > 0) peer.socket.write(step.send);
      if (step.kind === 'done') {
        const answer = handshakeBytes(scene.infoHash, { reserved: ALL_EXTENSIONS });
        step.cipher?.encrypt(answer);
        peer.socket.write(answer);
        return;
      }
      bytes = await peer.take(1);
    }
  };
  const { port, close } = await listenRaw((peer) => void meet(peer).catch(() => {}));
  try {
    const connected = untilEvent(scene.session, 'peer-connected').then(() => true);
    await scene.session.command({ kind: 'add-peer', torrent: scene.key, host: LOOPBACK, port });
    if (willMeet) return { isMet: await within(connected, PATIENCE_MS, 'a connection'), words };
    // Three rounds of back-off. The clock is turned only when an attempt is over: it would be cut short by that.
    const isMet = await Promise.race([
      connected,
      (async () => {
        for (let round = 1; round <= 3; round++) {
          const isOver = (): boolean =>
            words.length >= round && scene.session.snapshot().torrents[0]?.candidateCount === 1;
          await waitFor(isOver, { what: `the end of attempt ${round}`, timeoutMs: PATIENCE_MS });
          clock.turn(5 * 60_000);
          await scene.session.command({ kind: 'add-peer', torrent: scene.key, host: LOOPBACK, port });
        }
        return false;
      })(),
    ]);
    return { words, isMet };
  } finally {
    close();
  }
}

describe('encryption', () => {
  it.each([
    ['prefer', 'plain', ['encrypted', 'plain'], true],
    ['prefer', 'encrypted', ['encrypted'], true],
    ['require', 'plain', ['encrypted', 'encrypted', 'encrypted'], false],
    ['require', 'encrypted', ['encrypted'], true],
    ['off', 'plain', ['plain'], true],
    ['off', 'encrypted', ['plain', 'plain', 'plain'], false],
  ] as const)('%s, with a peer that speaks only %s: %j', async (policy, takes, words, isMet) => {
    const result = await firstWords(policy, takes, isMet);
    expect(result.isMet).toBe(isMet);
    expect(result.words.slice(0, words.length)).toEqual(words);
    if (!isMet) expect(new Set(result.words)).toEqual(new Set(words));
  });
});

describe('dialling again', () => {
  it('waits ever longer for who hangs up at once, refused or not', async () => {
    const clock = new TurnedClock();
    await using scene = await Scene.open('leecher', { session: { encryption: 'off', clock } });
    let attempts = 0;
    const { port, close } = await listenRaw((peer) => {
      attempts++;
      void peer.take(68).then(() => {
        peer.send(handshakeBytes(scene.infoHash, { reserved: ALL_EXTENSIONS }));
        peer.socket.end();
      });
    });
    try {
      await scene.session.command({ kind: 'add-peer', torrent: scene.key, host: LOOPBACK, port });
      await waitFor(() => attempts === 1, { what: 'the first attempt', timeoutMs: PATIENCE_MS });
      await waitFor(() => scene.session.snapshot().torrents[0]?.peers.length === 0, {
        what: 'the end',
        timeoutMs: PATIENCE_MS,
      });
      // 15 s, give or take a quarter; then 30. Another address makes the session look at who is due.
      const turn = async (host: string): Promise<void> => {
        clock.turn(20_000);
        await scene.session.command({ kind: 'add-peer', torrent: scene.key, host, port: 1 });
      };
      await turn('127.0.0.2');
      await waitFor(() => attempts === 2, { what: 'the second attempt', timeoutMs: PATIENCE_MS });
      await waitFor(() => scene.session.snapshot().torrents[0]?.candidateCount === 2, {
        what: 'the end',
        timeoutMs: PATIENCE_MS,
      });
      await turn('127.0.0.3');
      await waitFor(() => scene.session.snapshot().torrents[0]?.candidateCount === 3, {
        what: 'the others to be tried',
        timeoutMs: PATIENCE_MS,
      });
      expect(attempts).toBe(2);
    } finally {
      close();
    }
  });
});
