// Too much of what each peer may do a little of; and peers that ask but never read.
import { describe, expect, it } from 'vitest';
import { concatBytes, readU32 } from '../../../core/base/bytes.ts';
import { encodePex } from '../../../core/wire/ut-pex.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { waitFor, within } from '../../support/wait.ts';
import { ALL_EXTENSIONS, expectSmall, PATIENCE_MS, Scene, TurnedClock } from './hostile-world.ts';
import { frame, handshakeBytes, type RawPeer } from './raw-peer.ts';
import { addressOf } from './support.ts';

const MEBIBYTE = 1 << 20;
const NO_EXTENSIONS = new Uint8Array(8);
const HANDSHAKE_TIMEOUT_MS = 10_000;

function extended(id: number, text: string | Uint8Array): Uint8Array {
  return frame(20, Uint8Array.of(id), typeof text === 'string' ? new TextEncoder().encode(text) : text);
}

function repeated(count: number, make: (i: number) => Uint8Array): Uint8Array {
  return concatBytes(Array.from({ length: count }, (_, i) => make(i)));
}

/** Says it again and again, never reads, until the session has had enough. */
async function sayUntilGone(peer: RawPeer, bytes: Uint8Array, mostTimes: number): Promise<void> {
  peer.socket.pause();
  for (let i = 0; i < mostTimes && !peer.socket.destroyed; i++) {
    if (peer.socket.write(bytes)) continue;
    await Promise.race([
      new Promise((resolve) => peer.socket.once('drain', resolve)),
      new Promise((resolve) => peer.socket.once('close', resolve)),
    ]);
  }
  // Only who reads learns of the end.
  peer.socket.resume();
}

describe('connections that lead to nothing', () => {
  it('500 silent ones: few are kept, for ten seconds, and an honest leecher gets in', async () => {
    const clock = new TurnedClock();
    await using scene = await Scene.open('seeder', { session: { clock } });
    const peers: RawPeer[] = [];
    // In batches: the system's queue of connections to accept is short.
    while (peers.length < 500)
      peers.push(...(await Promise.all(Array.from({ length: 50 }, () => scene.connect()))));
    await waitFor(() => peers.filter((peer) => peer.isClosed).length >= 400, {
      what: () => `the oldest to be dropped (${peers.filter((peer) => peer.isClosed).length})`,
      timeoutMs: PATIENCE_MS,
    });
    expect(peers.filter((peer) => !peer.isClosed).length).toBeGreaterThan(0);
    await scene.expectHonestTransfer();
    clock.turn(HANDSHAKE_TIMEOUT_MS + 1);
    await within(Promise.all(peers.map((peer) => peer.closed())), PATIENCE_MS, 'the silent to be dropped');
  });

  it('a handshake in drops, and one that never ends', async () => {
    const clock = new TurnedClock();
    await using scene = await Scene.open('leecher', { session: { clock } });
    const slow = await scene.connect();
    const bytes = handshakeBytes(scene.infoHash);
    for (let i = 0; i < 60; i++) slow.send(bytes.subarray(i, i + 1));
    const half = await scene.connect();
    half.send(bytes.subarray(0, 30));
    expect(slow.isClosed || half.isClosed).toBe(false);
    clock.turn(HANDSHAKE_TIMEOUT_MS + 1);
    await within(Promise.all([slow.closed(), half.closed()]), PATIENCE_MS, 'the slow to be dropped');
    await scene.expectHonestTransfer();
  });

  it.each(['prefer', 'require', 'off'] as const)(
    'garbage in place of a handshake, encryption %s',
    async (encryption) => {
      const clock = new TurnedClock();
      await using scene = await Scene.open('leecher', { session: { encryption, clock } });
      const garbage: [string, Uint8Array][] = [
        ['a web request', new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${'x'.repeat(2000)}`)],
        ['zeros', new Uint8Array(2000)],
        ['ones', new Uint8Array(2000).fill(0xff)],
        ['noise', Uint8Array.from({ length: 2000 }, (_, i) => (i * 7919) & 255)],
        ['almost the name', new TextEncoder().encode(`\x13BitTorrent protocoL${'x'.repeat(700)}`)],
        ['key, padding and a mark that never comes', new Uint8Array(96 + 512 + 20).fill(1)],
      ];
      for (const [name, bytes] of garbage) {
        const peer = await scene.connect();
        peer.send(bytes);
        await within(peer.closed(), PATIENCE_MS, `the end of ${name}`);
      }
      const early = await scene.connect();
      early.send(new Uint8Array(100).fill(5));
      clock.turn(HANDSHAKE_TIMEOUT_MS + 1);
      await within(early.closed(), PATIENCE_MS, 'the end of a negotiation that stopped');
      await scene.expectHonestTransfer({ encryption });
    },
  );

  it('other torrents, ourselves, and the same peer twice', async () => {
    await using scene = await Scene.open('seeder');
    const wrong = await scene.connect();
    wrong.send(handshakeBytes(new Uint8Array(20).fill(9)));
    await within(wrong.closed(), PATIENCE_MS, 'the end of a peer of another torrent');
    const wrongKey = await scene.connect();
    await expect(wrongKey.encrypt(new Uint8Array(20).fill(9))).rejects.toThrow('closed');
    const first = await scene.connect();
    first.send(handshakeBytes(scene.infoHash, { peerId: '-XX0000-the-very-one' }));
    const own = (await first.take(68)).subarray(48);
    const self = await scene.connect();
    self.send(concatBytes([handshakeBytes(scene.infoHash).subarray(0, 48), own]));
    await within(self.closed(), PATIENCE_MS, 'the end of ourselves');
    const twin = await scene.connect();
    twin.send(handshakeBytes(scene.infoHash, { peerId: '-XX0000-the-very-one' }));
    await within(twin.closed(), PATIENCE_MS, 'the end of the twin');
    expect(first.isClosed).toBe(false);
    await scene.expectHonestTransfer();
  });
});

describe('floods from connected peers', () => {
  it.each([true, false])('100,000 requests while choked or not, fast extension %s', async (hasFast) => {
    await using scene = await Scene.open('seeder');
    const start = liveBytes();
    const peer = await scene.greet(hasFast ? {} : { reserved: NO_EXTENSIONS });
    const requests = repeated(1000, (i) => frame(6, i % scene.pieceCount, 0, 16_384));
    peer.send(frame(2));
    await sayUntilGone(peer, requests, 100);
    await scene.expectGone(peer, /flood|does not read/);
    expectSmall(start, 64 * MEBIBYTE);
    await scene.expectHonestTransfer();
  });

  it.each([
    [
      'requests taken back at once',
      repeated(2000, (i) => concatBytes([frame(6, i % 30, 0, 16_384), frame(8, i % 30, 0, 16_384)])),
      [frame(2)],
    ],
    ['interest on and off', repeated(4000, () => concatBytes([frame(2), frame(3)])), []],
    [
      'requests for metadata',
      repeated(1000, () => extended(1, 'd8:msg_typei0e5:piecei0ee')),
      [extended(0, 'd1:md11:ut_metadatai5eee')],
    ],
  ] as const)('%s, answers unread: bounded memory', async (_, bytes, before) => {
    await using scene = await Scene.open('seeder');
    const start = liveBytes();
    const peer = await scene.greet();
    peer.send(...before);
    await sayUntilGone(peer, bytes, 2000);
    await scene.expectGone(peer, /flood|does not read/);
    expectSmall(start, 64 * MEBIBYTE);
    await scene.expectHonestTransfer();
  });

  it('allowed-fast pieces, again and again: a choked peer gets each about once', async () => {
    await using scene = await Scene.open('seeder', { files: { 'a.bin': 4_000_000 } });
    const peer = await scene.greet();
    const granted: number[] = [];
    while (granted.length < 10)
      granted.push(readU32(await within(peer.frameWithId(17), PATIENCE_MS, 'a grant'), 0));
    const rounds = 6;
    for (let i = 0; i < rounds; i++) {
      for (const piece of granted) peer.send(frame(6, piece, 0, 16_384), frame(6, piece, 16_384, 16_384));
    }
    let blocks = 0;
    let rejects = 0;
    while (blocks + rejects < rounds * granted.length * 2) {
      const { id } = await within(peer.frame(), PATIENCE_MS, 'an answer to every request');
      if (id === 7) blocks++;
      if (id === 16) rejects++;
    }
    expect([blocks, rejects]).toEqual([20, 100]);
    await scene.expectHonestTransfer();
  });

  it('metadata for ever, read', async () => {
    await using scene = await Scene.open('seeder');
    const peer = await scene.greet();
    peer.socket.resume();
    peer.send(extended(0, 'd1:md11:ut_metadatai5eee'));
    peer.send(repeated(2000, () => extended(1, 'd8:msg_typei0e5:piecei7ee')));
    await scene.expectGone(peer, /flood of metadata requests/);
    await scene.expectHonestTransfer();
  });

  it('chokes, unchokes, advice and haves without end', async () => {
    await using scene = await Scene.open('leecher');
    const start = liveBytes();
    const have = new Uint8Array(4);
    const floods: [string, Uint8Array, Uint8Array][] = [
      ['chokes', ALL_EXTENSIONS, repeated(50_000, () => concatBytes([frame(1), frame(0)]))],
      ['chokes, without BEP 6', NO_EXTENSIONS, repeated(50_000, () => concatBytes([frame(1), frame(0)]))],
      [
        'pieces taken back',
        ALL_EXTENSIONS,
        repeated(50_000, (i) => concatBytes([extended(3, have), frame(4, i % 31)])),
      ],
    ];
    for (const [, reserved, bytes] of floods) {
      const peer = await scene.greet({ reserved });
      peer.send(reserved === ALL_EXTENSIONS ? frame(14) : frame(4, 1), bytes);
      await scene.expectGone(peer, /flood/);
    }
    // Advice costs nothing: it may go on.
    const adviser = await scene.greet();
    adviser.send(
      frame(14),
      repeated(50_000, (i) => concatBytes([frame(17, i % 31), frame(13, i % 31)])),
    );
    await scene.expectHonestTransfer();
    expectSmall(start, 64 * MEBIBYTE);
  });

  it('peer exchange with thousands of addresses, our own and impossible ones among them', async () => {
    await using scene = await Scene.open('leecher');
    const own = addressOf(scene.session);
    const peer = await scene.greet();
    peer.send(extended(0, 'd1:md6:ut_pexi1eee'));
    const odd = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1'].map((host) => ({
      host,
      port: 1,
    }));
    const closed = Array.from({ length: 3000 }, (_, i) => ({ host: `127.9.${i >>> 8}.${i & 255}`, port: 1 }));
    for (let i = 0; i < 6; i++) {
      const added = [...odd, own, ...closed.slice(i * 500, (i + 1) * 500)];
      peer.send(extended(2, encodePex({ added: added.map((endpoint) => ({ endpoint })), dropped: [] })));
    }
    await waitFor(() => (scene.session.snapshot().torrents[0]?.candidateCount ?? 0) > 100, {
      what: 'candidates',
      timeoutMs: PATIENCE_MS,
    });
    expect(scene.session.snapshot().torrents[0]?.candidateCount).toBeLessThanOrEqual(3000);
    await scene.expectHonestTransfer();
    // A seventh within the minute.
    peer.send(extended(2, encodePex({ added: [], dropped: [] })));
    await scene.expectGone(peer, /ut_pex messages in a minute/);
  });
});

describe('who comes again and again', () => {
  it.each([
    ['breaks the protocol after the handshake', true],
    ['says garbage instead of it', false],
  ])(
    'and %s is taken in slowly; an honest leecher of the same address gets in and completes',
    async (_, hasHandshake) => {
      await using scene = await Scene.open('seeder');
      const bytes = hasHandshake
        ? concatBytes([handshakeBytes(scene.infoHash), frame(99), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 4)])
        : new Uint8Array(700).fill(1);
      let attempts = 0;
      let isOver = false;
      const comeAgain = async (): Promise<void> => {
        while (!isOver) {
          const peer = await scene.connect();
          attempts++;
          peer.send(bytes);
          await peer.closed();
        }
      };
      const flood = Promise.all(Array.from({ length: 8 }, comeAgain));
      await waitFor(() => attempts > 60, { what: () => `the flood (${attempts})`, timeoutMs: PATIENCE_MS });
      await scene.expectHonestTransfer();
      isOver = true;
      // It has let in a few a second since; who was refused or served is out.
      await within(flood, PATIENCE_MS, 'the end of the flood');
      expect(scene.session.snapshot().listen[0]?.incomingCount).toBeLessThanOrEqual(attempts + 1);
    },
  );
});
