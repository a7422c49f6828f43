// BEP 55 at a session's edge: a raw TCP peer plays the neighbour, raw UDP sockets count what it can make us send.
import { createSocket, type Socket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { decodeDict } from '../../../core/base/bencode.ts';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import type { OpenDatagramPort } from '../../../core/base/datagram-port.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import type { Session } from '../../../core/session/session.ts';
import { decodeHolepunch, encodeHolepunch } from '../../../core/wire/ut-holepunch.ts';
import { SharedPort } from '../../../dht/io/shared-port.ts';
import { waitFor } from '../../support/wait.ts';
import { frame, handshakeBytes, RawPeer } from './raw-peer.ts';
import { addressOf, untilEvent, World } from './support.ts';

const HOST = '127.0.0.1';
const EXTENDED = 20;
/** Ids under which our raw peer wants to hear them. */
const OUR_IDS = { ut_holepunch: 9, ut_metadata: 7, ut_pex: 8 };
const PATIENCE_MS = 10_000;

function udp(): OpenDatagramPort {
  const port = new SharedPort({ families: [4], bindV4: HOST, bindV6: HOST });
  return (number) => port.open(number);
}

/** Hears whatever is sent to a port of its own. */
class Ear {
  readonly socket: Socket = createSocket('udp4');
  heard = 0;
  port = 0;

  static async open(): Promise<Ear> {
    const ear = new Ear();
    ear.socket.on('message', () => ear.heard++);
    await new Promise<void>((resolve) => ear.socket.bind(0, HOST, resolve));
    ear.port = ear.socket.address().port;
    return ear;
  }

  close(): void {
    this.socket.close();
  }
}

async function neighbourOf(
  session: Session,
  metainfo: Metainfo,
): Promise<{ peer: RawPeer; ids: Map<string, number> }> {
  const { port } = addressOf(session);
  const peer = await RawPeer.connect(port);
  peer.send(handshakeBytes(metainfo.infoHash, { reserved: Uint8Array.of(0, 0, 0, 0, 0, 0x10, 0, 0) }));
  await peer.take(68);
  const ours = encodeBencode({ m: OUR_IDS, p: 6881 });
  peer.send(frame(EXTENDED, Uint8Array.of(0), ours));
  const theirs = await peer.frameWithId(EXTENDED);
  const decoded = decodeDict(theirs.subarray(1), { allowUnsorted: true });
  if (!decoded.ok) throw new Error(decoded.reason.what);
  const ids = new Map<string, number>();
  for (const { key, value } of decoded.value.dict('m')?.entries() ?? [])
    ids.set(new TextDecoder().decode(key), Number(value));
  return { peer, ids };
}

async function leech(world: World, metainfo: Metainfo): Promise<Session> {
  const session = await world.session('leech', { bindAddresses: [HOST], openDatagramPort: udp() });
  await session.add({ source: { metainfo }, directory: world.path('out') });
  return session;
}

describe('ut_holepunch', () => {
  it('a neighbour that introduces us makes us knock at once', async () => {
    await using world = new World();
    const made = await world.make({ a: 100_000 });
    const session = await leech(world, made.metainfo);
    const ear = await Ear.open();
    const { peer, ids } = await neighbourOf(session, made.metainfo);
    const id = ids.get('ut_holepunch') as number;
    expect(id).toBeGreaterThan(0);
    const connect = encodeHolepunch('connect', { host: HOST, port: ear.port });
    // As libtorrent writes it: without the error code.
    peer.send(frame(EXTENDED, Uint8Array.of(id), connect.subarray(0, 8)));
    await waitFor(() => ear.heard > 0, { what: 'a SYN', timeoutMs: PATIENCE_MS });
    ear.close();
  });

  it('a neighbour that sends a thousand introductions makes us no flood, and none to ourselves or to privileged ports', async () => {
    await using world = new World();
    const made = await world.make({ a: 100_000 });
    const session = await leech(world, made.metainfo);
    const [victim, witness] = [await Ear.open(), await Ear.open()];
    const { peer, ids } = await neighbourOf(session, made.metainfo);
    const id = Uint8Array.of(ids.get('ut_holepunch') as number);
    const introduce = (port: number): Uint8Array =>
      frame(EXTENDED, id, encodeHolepunch('connect', { host: HOST, port }));
    const own = addressOf(session).port;
    peer.send(introduce(own), introduce(80));
    for (let i = 0; i < 1000; i++) peer.send(introduce(victim.port));
    // Whoever comes after the flood shows that it was heard to its end.
    peer.send(introduce(witness.port));
    await waitFor(() => witness.heard > 0, { what: 'the last one', timeoutMs: PATIENCE_MS });
    expect(victim.heard).toBeLessThanOrEqual(10);
    expect(session.snapshot().torrents[0]?.peers).toHaveLength(1);
    victim.close();
    witness.close();
  });

  it('we introduce: a peer that is not here is said to be not connected', async () => {
    await using world = new World();
    const made = await world.make({ a: 100_000 });
    const session = await leech(world, made.metainfo);
    const { peer, ids } = await neighbourOf(session, made.metainfo);
    const target = { host: '203.0.113.5', port: 6881 };
    peer.send(
      frame(
        EXTENDED,
        Uint8Array.of(ids.get('ut_holepunch') as number),
        encodeHolepunch('rendezvous', target),
      ),
    );
    for (;;) {
      const body = await peer.frameWithId(EXTENDED);
      if (body[0] !== OUR_IDS.ut_holepunch) continue;
      expect(decodeHolepunch(body.subarray(1))).toEqual({
        ok: true,
        value: { kind: 'error', endpoint: target, code: 2 },
      });
      break;
    }
  });

  it('nothing of it in a private torrent (BEP 27), nor without uTP', async () => {
    await using world = new World();
    const made = await world.make({ a: 100_000 }, { isPrivate: true });
    const session = await leech(world, made.metainfo);
    const ear = await Ear.open();
    const { peer, ids } = await neighbourOf(session, made.metainfo);
    expect([...ids.keys()].sort()).toEqual(['lt_donthave', 'upload_only', 'ut_metadata']);
    const connect = encodeHolepunch('connect', { host: HOST, port: ear.port });
    peer.send(frame(EXTENDED, Uint8Array.of(5), connect));
    // The connection survives: an id that was never offered is let go.
    // An answer to something later shows that it was read.
    peer.send(
      frame(
        EXTENDED,
        Uint8Array.of(ids.get('ut_metadata') as number),
        encodeBencode({ msg_type: 0, piece: 0 }),
      ),
    );
    while ((await peer.frameWithId(EXTENDED))[0] !== OUR_IDS.ut_metadata);
    expect(ear.heard).toBe(0);
    ear.close();

    const open = await world.make({ b: 100_000 });
    const tcpOnly = await world.session('tcp-only');
    await tcpOnly.add({ source: { metainfo: open.metainfo }, directory: world.path('out2') });
    expect((await neighbourOf(tcpOnly, open.metainfo)).ids.has('ut_holepunch')).toBe(false);
  });

  it('says how a peer was reached', async () => {
    await using world = new World();
    const made = await world.make({ a: 1_000_000 });
    const seed = await world.seed(made);
    const session = await world.session('leech');
    const met = untilEvent(session, 'peer-connected');
    await session.add({
      source: { metainfo: made.metainfo },
      directory: world.path('out'),
      peers: [addressOf(seed)],
    });
    expect(await met).toMatchObject({ transport: 'tcp', reached: { rung: 'direct' } });
  });

  it.each([
    [false, { rung: 'direct', own: 'unknown', peer: 'apdm' }],
    [true, { rung: 'direct', own: 'unknown' }],
  ])(
    'each side learns what the other knows of its own place, whoever introduced them (private: %s)',
    async (isPrivate, reached) => {
      await using world = new World();
      const made = await world.make({ a: 1_000_000 }, { isPrivate });
      const place = { filter: 'apdf', tcpPort: 6881, udpPort: 6881 } as const;
      const seed = await world.seed(made, {
        openDatagramPort: udp(),
        ownPlace: () => ({ ...place, state: 'apdm' }),
      });
      const session = await world.session('leech', {
        openDatagramPort: udp(),
        ownPlace: () => ({ ...place, state: 'unknown' }),
      });
      const complete = untilEvent(session, 'completed');
      let seen: unknown;
      // The seed leaves with the last piece.
      const look = (): void => {
        seen = session.snapshot().torrents[0]?.peers[0]?.reached ?? seen;
      };
      session.subscribe(look);
      await session.add({
        source: { metainfo: made.metainfo },
        directory: world.path('out'),
        peers: [addressOf(seed)],
      });
      await complete;
      const { ms: _, tried: __, firstByteMs: ___, ...known } = seen as Record<string, unknown>;
      expect(known).toEqual(reached);
      // The other side knows nothing that would be worth saying.
      const [back] = seed.snapshot().torrents[0]?.peers ?? [];
      expect(back?.reached?.peer).toBeUndefined();
    },
  );
});
