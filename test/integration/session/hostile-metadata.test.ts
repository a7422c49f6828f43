// A magnet among liars: the metadata comes whole, and who lied is found.
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../core/base/bytes.ts';
import type { Session } from '../../../core/session/session.ts';
import {
  decodeMetadataMessage,
  encodeMetadataData,
  encodeMetadataReject,
  METADATA_PIECE_BYTES,
} from '../../../core/wire/ut-metadata.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { within } from '../../support/wait.ts';
import { ALL_EXTENSIONS, expectSmall, PATIENCE_MS } from './hostile-world.ts';
import { frame, handshakeBytes, RawPeer } from './raw-peer.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';

const OUR_ID = 7;

function extended(id: number, ...parts: Uint8Array[]): Uint8Array {
  return frame(20, Uint8Array.of(id), ...parts);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

let nextPeer = 0;

async function tell(session: Session, made: Made, size: number): Promise<RawPeer> {
  const peer = await RawPeer.connect(addressOf(session).port);
  const peerId = `-XX0000-meta${String(nextPeer++).padStart(8, '0')}`;
  peer.send(
    handshakeBytes(made.metainfo.infoHash, { reserved: ALL_EXTENSIONS, peerId }),
    extended(0, text(`d1:md11:ut_metadatai${OUR_ID}ee13:metadata_sizei${size}ee`)),
  );
  await within(peer.take(68), PATIENCE_MS, 'a handshake');
  return peer;
}

/** Answers metadata requests with what `answer` makes of them. */
async function serve(peer: RawPeer, answer: (piece: number) => Uint8Array): Promise<void> {
  try {
    for (;;) {
      const body = await peer.frameWithId(20);
      if (body[0] !== OUR_ID) continue;
      const message = decodeMetadataMessage(body.subarray(1));
      if (message.ok && message.value.kind === 'request') peer.send(extended(1, answer(message.value.piece)));
    }
  } catch {
    // It ended.
  }
}

async function setup(
  world: World,
): Promise<{ made: Made; leech: Session; directory: string; bans: string[] }> {
  // 4,000 pieces of 16 KiB: 80 KB of metadata, five pieces of it.
  const made = await world.make({ 'a.bin': 64_000_000 }, { pieceLength: 16_384 });
  expect(made.metainfo.infoBytes.length).toBeGreaterThan(4 * METADATA_PIECE_BYTES);
  const leech = await world.session('leech');
  const directory = world.path('out');
  const bans: string[] = [];
  leech.subscribe((event) => event.kind === 'peer-banned' && bans.push(event.host));
  const magnet = {
    infoHash: made.metainfo.infoHash,
    hasV1: true,
    infoHashV2: undefined,
    displayName: undefined,
    trackerTiers: [],
    webSeeds: [],
    peers: [],
    selectOnly: undefined,
    exactLength: undefined,
  };
  await leech.add({ source: { magnet }, directory });
  return { made, leech, directory, bans };
}

async function expectMetadataFrom(world: World, made: Made, leech: Session): Promise<void> {
  const metadata = untilEvent(leech, 'metadata');
  const seed = await world.seed(made);
  const torrent = leech.snapshot().torrents[0]?.infoHash as string;
  await leech.command({ kind: 'add-peer', torrent, ...addressOf(seed) });
  await within(metadata, 2 * PATIENCE_MS, 'the metadata');
}

describe('metadata', () => {
  it('is completed by an honest seed among liars of content, who are found', {
    timeout: 120_000,
  }, async () => {
    await using world = new World();
    const { made, leech, directory, bans } = await setup(world);
    const { infoBytes } = made.metainfo;
    const false_ = Uint8Array.from(infoBytes, (byte) => byte ^ 1);
    const liars = [];
    for (let i = 0; i < 3; i++) {
      const liar = await tell(leech, made, infoBytes.length);
      void serve(liar, (piece) => encodeMetadataData(false_, piece));
      liars.push(liar);
    }
    const honest = await tell(leech, made, infoBytes.length);
    void serve(honest, (piece) => encodeMetadataData(infoBytes, piece));
    const completed = untilEvent(leech, 'completed');
    await expectMetadataFrom(world, made, leech);
    await within(completed, 20_000, 'the download');
    expect(sameContent(made, directory, ['a.bin'])).toBe(true);
    expect(bans.length).toBeGreaterThan(0);
    expect(bans).not.toContain(`127.0.0.1:${honest.localPort}`);
    for (const ban of bans) expect(liars.map((liar) => `127.0.0.1:${liar.localPort}`)).toContain(ban);
  });

  it('of sizes that cannot be, of wrong pieces, cut, empty, refused: the honest one is not held up', {
    timeout: 120_000,
  }, async () => {
    await using world = new World();
    const { made, leech } = await setup(world);
    const start = liveBytes();
    const { infoBytes } = made.metainfo;
    const size = infoBytes.length;
    const huge = new Uint8Array(24 << 20);
    const answers: [number, (piece: number) => Uint8Array][] = [
      [100 << 20, () => encodeMetadataData(infoBytes, 0)],
      [size, () => encodeMetadataData(infoBytes, 99)],
      [
        size,
        (piece) =>
          concatBytes([text(`d8:msg_typei1e5:piecei${piece}e10:total_sizei${size}ee`), new Uint8Array(17)]),
      ],
      [
        size,
        (piece) =>
          concatBytes([
            text(`d8:msg_typei1e5:piecei${piece}e10:total_sizei${size + 1}ee`),
            infoBytes.subarray(0, 16_384),
          ]),
      ],
      [size, (piece) => encodeMetadataReject(piece)],
      [size, () => text('d8:msg_typei99e5:piecei0ee')],
      [size, () => new Uint8Array(0)],
      [huge.length, (piece) => encodeMetadataData(huge, piece)],
      [huge.length - 1, (piece) => encodeMetadataData(huge.subarray(1), piece)],
      [1, () => encodeMetadataData(Uint8Array.of(1), 0)],
    ];
    for (const [told, answer] of answers) void serve(await tell(leech, made, told), answer);
    await expectMetadataFrom(world, made, leech);
    // What honest peers may send at once, and no more: four copies of the longest there may be.
    expectSmall(start, 192 << 20);
  });

  it('nobody asked for, without end: the peer goes', async () => {
    await using world = new World();
    const { made, leech } = await setup(world);
    const gone = untilEvent(leech, 'peer-disconnected');
    const peer = await tell(leech, made, made.metainfo.infoBytes.length);
    for (let i = 0; i < 2000; i++)
      peer.send(extended(1, encodeMetadataData(made.metainfo.infoBytes, 99 + i)));
    await within(peer.closed(), PATIENCE_MS, 'the end of the flood');
    expect((await gone).reason).toMatch(/metadata|flood/);
    await expectMetadataFrom(world, made, leech);
  });

  it('whose handshake changes its mind sixty times, and payload before there is a torrent', async () => {
    await using world = new World();
    const { made, leech } = await setup(world);
    const peer = await tell(leech, made, 5);
    for (let i = 0; i < 60; i++) {
      peer.send(extended(0, text(`d1:md11:ut_metadatai${OUR_ID}ee13:metadata_sizei${i * 1000 + 1}ee`)));
    }
    peer.send(
      frame(5, new Uint8Array(600_000)),
      frame(4, 4_000_000_000 % 2 ** 22),
      frame(1),
      frame(2),
      ...Array.from({ length: 100 }, (_, i) => frame(7, i, 0, new Uint8Array(16_384))),
    );
    await expectMetadataFrom(world, made, leech);
    // Its bitfield does not fit the torrent.
    await within(peer.closed(), PATIENCE_MS, 'the end of an impossible bitfield');
  });
});
