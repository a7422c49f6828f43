// Payload that is wrong, late, slow, unasked for, or never comes. The session leeches; raw peers send.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readU32 } from '../../../core/base/bytes.ts';
import { waitFor, within } from '../../support/wait.ts';
import { PATIENCE_MS, Scene, TurnedClock } from './hostile-world.ts';
import { frame, type RawPeer } from './raw-peer.ts';
import { untilEvent } from './support.ts';

const BLOCK = 16_384;

interface Request {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

async function nextRequest(peer: RawPeer): Promise<Request> {
  const body = await within(peer.frameWithId(6), PATIENCE_MS, 'a request');
  return { piece: readU32(body, 0), begin: readU32(body, 4), length: readU32(body, 8) };
}

const contents = new WeakMap<Scene, Uint8Array>();

function contentOf(scene: Scene): Uint8Array {
  const content = contents.get(scene) ?? readFileSync(join(scene.made.directory, 'it', 'a.bin'));
  contents.set(scene, content);
  return content;
}

function blockOf(scene: Scene, { piece, begin, length }: Request): Uint8Array {
  const at = piece * scene.made.metainfo.layout.pieceLength + begin;
  return contentOf(scene).subarray(at, at + length);
}

function pieceFrame(request: Request, payload: Uint8Array): Uint8Array {
  return frame(7, request.piece, request.begin, payload);
}

/** Answers requests as they come, with what `answer` makes of them, until the connection ends. */
async function serve(peer: RawPeer, answer: (request: Request) => Uint8Array | undefined): Promise<void> {
  try {
    for (;;) {
      const body = await peer.frameWithId(6);
      const bytes = answer({ piece: readU32(body, 0), begin: readU32(body, 4), length: readU32(body, 8) });
      if (bytes !== undefined) peer.send(bytes);
    }
  } catch {
    // It ended, as it should.
  }
}

function bitfield(scene: Scene, pieces: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(scene.pieceCount / 8));
  for (const piece of pieces) (bytes[piece >> 3] as number) |= 0x80 >> (piece & 7);
  return frame(5, bytes);
}

const HAVE_ALL = frame(14);
const UNCHOKE = frame(1);

describe('payload', () => {
  it('nobody asked for: a little is forgiven, a flood is not', async () => {
    await using scene = await Scene.open('leecher');
    const peer = await scene.greet();
    peer.send(HAVE_ALL);
    for (let i = 0; i < 2000 && !peer.socket.destroyed; i++) {
      peer.send(frame(7, i % 30, 0, new Uint8Array(BLOCK)));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await scene.expectGone(peer, /flood/);
    await scene.expectHonestTransfer();
    expect(scene.session.snapshot().torrents[0]?.downloadedBytes).toBe(1_000_000);
  });

  it('of another length or off the grid than asked does not count', async () => {
    await using scene = await Scene.open('leecher');
    const peer = await scene.greet();
    peer.send(HAVE_ALL, UNCHOKE);
    const request = await nextRequest(peer);
    const block = blockOf(scene, request);
    peer.send(
      pieceFrame(request, block.subarray(1)),
      pieceFrame({ ...request, begin: request.begin + 1 }, block),
      pieceFrame(request, new Uint8Array(2 * BLOCK)),
    );
    await scene.expectHonestTransfer();
    expect(scene.session.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
  });

  it('corrupt from a sole supplier: banned at once', async () => {
    await using scene = await Scene.open('leecher');
    const peer = await scene.greet();
    const banned = untilEvent(scene.session, 'peer-banned');
    peer.send(HAVE_ALL, UNCHOKE);
    void serve(peer, (request) => pieceFrame(request, new Uint8Array(request.length)));
    expect((await within(banned, PATIENCE_MS, 'a ban')).host).toBe(`127.0.0.1:${peer.localPort}`);
    await scene.expectGone(peer, /banned/);
    await scene.expectHonestTransfer();
  });

  it('corrupt now and then among honest blocks: the liar is found by digest, the innocent stay', {
    timeout: 120_000,
  }, async () => {
    await using scene = await Scene.open('leecher', { pieceLength: 131_072, files: { 'a.bin': 2_000_000 } });
    const bans: string[] = [];
    scene.session.subscribe((event) => event.kind === 'peer-banned' && bans.push(event.host));
    const completed = untilEvent(scene.session, 'completed');
    const [liar, honest, other] = [await scene.greet(), await scene.greet(), await scene.greet()];
    let lies = 0;
    void serve(liar, (request) => {
      const block = Uint8Array.from(blockOf(scene, request));
      if (lies++ % 3 === 0) block[7] = (block[7] as number) ^ 1;
      return pieceFrame(request, block);
    });
    for (const peer of [honest, other])
      void serve(peer, (request) => pieceFrame(request, blockOf(scene, request)));
    for (const peer of [liar, honest, other]) peer.send(HAVE_ALL, UNCHOKE);
    await within(completed, 30_000, 'the download');
    expect(bans).toEqual([`127.0.0.1:${liar.localPort}`]);
    for (const peer of [honest, other]) await scene.expectGone(peer, /both-seeds/);
    expect(Buffer.compare(contentOf(scene), readFileSync(join(scene.directory, 'it', 'a.bin')))).toBe(0);
  });

  it('of a lost claim never lands in a slot that others use now, nor what follows it in the same read', async () => {
    await using scene = await Scene.open('leecher', { pieceLength: BLOCK, files: { 'a.bin': 8 * BLOCK } });
    const failures: number[] = [];
    scene.session.subscribe((event) => event.kind === 'piece-failed' && failures.push(event.piece));
    const verified = (piece: number): Promise<unknown> =>
      within(
        untilEvent(scene.session, 'piece', (event) => event.piece === piece),
        PATIENCE_MS,
        `piece ${piece}`,
      );
    const slow = await scene.greet();
    slow.send(bitfield(scene, [0]), UNCHOKE);
    const first = await nextRequest(slow);
    const block = blockOf(scene, first);
    const whole = pieceFrame(first, block);
    slow.send(whole.subarray(0, 13 + 5000));
    await waitFor(() => scene.session.snapshot().torrents[0]?.openPieces.includes(0), {
      what: 'the first half',
      timeoutMs: PATIENCE_MS,
    });
    const quick = await scene.greet();
    quick.send(bitfield(scene, [0]), UNCHOKE);
    // Nobody else has anything: the block is asked for twice.
    const again = await nextRequest(quick);
    expect(again.piece).toBe(0);
    const done = verified(0);
    quick.send(whole);
    await done;
    // Piece 1 takes the slot that piece 0 left; half of it is there when the rest of the lost block comes.
    quick.send(frame(4, 1));
    const next = await nextRequest(quick);
    expect(next.piece).toBe(1);
    const second = pieceFrame(next, blockOf(scene, next));
    quick.send(second.subarray(0, 13 + 10_000));
    // The rest of the lost block, then in the same write what this peer has to say next.
    const poison = new Uint8Array(whole.length - 13 - 5000).fill(0xee);
    slow.send(poison, frame(4, 2));
    const third = await nextRequest(slow);
    expect(third.piece).toBe(2);
    slow.send(pieceFrame(third, blockOf(scene, third)));
    await verified(2);
    const secondDone = verified(1);
    quick.send(second.subarray(13 + 10_000));
    await secondDone;
    expect(failures).toEqual([]);
    expect(scene.session.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
    await scene.expectHonestTransfer();
  });

  it('cut off in the middle of a block: another peer completes the piece', async () => {
    await using scene = await Scene.open('leecher');
    for (let i = 0; i < 20; i++) {
      const peer = await scene.greet();
      peer.send(HAVE_ALL, UNCHOKE);
      const request = await nextRequest(peer);
      peer.send(pieceFrame(request, new Uint8Array(BLOCK).fill(0xee)).subarray(0, 13 + 500 * i));
      await new Promise((resolve) => peer.socket.write('', resolve));
      peer.socket.destroy();
    }
    await scene.expectHonestTransfer();
    expect(scene.session.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
  });

  it('announced, unchoked for, and never sent: others deliver', { timeout: 60_000 }, async () => {
    const clock = new TurnedClock();
    await using scene = await Scene.open('leecher', { session: { clock } });
    const silent: RawPeer[] = [];
    for (let i = 0; i < 10; i++) {
      const peer = await scene.greet();
      peer.send(HAVE_ALL, UNCHOKE);
      await nextRequest(peer);
      silent.push(peer);
    }
    // As soon as the honest one is here time flies: requests that nobody answers grow old.
    let turning: NodeJS.Timeout | undefined;
    void untilEvent(scene.session, 'peer-connected').then(() => {
      turning = setInterval(() => clock.turn(11_000), 500);
    });
    try {
      await scene.expectHonestTransfer();
    } finally {
      clearInterval(turning);
    }
    for (const peer of silent) await scene.expectGone(peer, /both-seeds/);
  });

  it('dripping from every peer at once, with more open pieces than buffers: an honest seed still gets its share', {
    timeout: 120_000,
  }, async () => {
    const clock = new TurnedClock();
    // 1 MiB pieces: 48 buffers for the session.
    await using scene = await Scene.open('leecher', {
      pieceLength: 1 << 20,
      files: { 'a.bin': 56 << 20 },
      session: { clock },
    });
    const drips: NodeJS.Timeout[] = [];
    for (let i = 0; i < 60; i++) {
      const peer = await scene.greet();
      peer.send(HAVE_ALL, UNCHOKE);
      const request = await Promise.race([
        nextRequest(peer),
        new Promise<undefined>((r) => setTimeout(r, 300, undefined)),
      ]).catch(() => undefined);
      if (request === undefined) continue;
      const bytes = pieceFrame(request, blockOf(scene, request));
      let at = 0;
      drips.push(setInterval(() => peer.send(bytes.subarray(at, ++at)), 200));
    }
    const turning = setInterval(() => clock.turn(5_000), 100);
    try {
      const completed = untilEvent(scene.session, 'completed');
      const honest = await scene.world.seed(scene.made);
      const { host, port } = honest.snapshot().listen[0] as { host: string; port: number };
      await scene.session.command({ kind: 'add-peer', torrent: scene.key, host, port });
      await within(completed, 60_000, 'the download among drippers');
    } finally {
      for (const drip of [turning, ...drips]) clearInterval(drip);
    }
  });
});
