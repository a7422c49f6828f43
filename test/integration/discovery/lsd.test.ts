// Local discovery over loopback multicast, on a port that nobody else uses.
import dgram from 'node:dgram';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../core/base/clock.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { type InfoHash, infoHashFromHex, peerIdOf } from '../../../core/base/ids.ts';
import type { PeerOrigin, PeerSearch, SoughtTorrent } from '../../../core/base/peer-source.ts';
import { LsdSource } from '../../../core/discovery/lsd.ts';
import { encodeLsd, LSD_GROUP_V4 } from '../../../core/discovery/lsd-codec.ts';
import { waitFor } from '../../support/wait.ts';

const PATIENCE_MS = 5_000;

function freeUdpPort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

function hashOf(digit: string): InfoHash {
  return infoHashFromHex(digit.repeat(40)) as InfoHash;
}

function sought(infoHash: InfoHash, listenPort: number, isPrivate = false): SoughtTorrent {
  return {
    infoHash,
    peerId: peerIdOf(new Uint8Array(20)),
    isPrivate,
    trackerTiers: [],
    dhtNodes: [],
    listenPort: () => listenPort,
    transfer: () => ({ downloaded: 0, uploaded: 0, left: 1, corrupt: 0 }),
    wanted: () => 10,
  };
}

class Machine implements AsyncDisposable {
  readonly source: LsdSource;
  readonly found: string[] = [];
  aheadMs = 0;

  constructor(port: number, seed: number) {
    const clock: Clock = { nowMs: () => performance.now() + this.aheadMs };
    this.source = new LsdSource({
      clock,
      rng: seededRng(seed),
      ipv4: true,
      ipv6: false,
      interfaceV4: '127.0.0.1',
      port,
    });
  }

  search(torrent: SoughtTorrent): PeerSearch | undefined {
    return this.source.open(torrent, {
      onPeers: (peers, origin: PeerOrigin) => {
        for (const { host, port } of peers) this.found.push(`${origin} ${host}:${port}`);
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
  }
}

describe('local discovery', () => {
  it('lets two machines find each other, whoever came first, and none of another torrent', async () => {
    const port = await freeUdpPort();
    await using one = new Machine(port, 1);
    await using two = new Machine(port, 2);
    await using other = new Machine(port, 3);
    const search = one.search(sought(hashOf('a'), 1001));
    await waitFor(() => search?.status()[0]?.state === 'ok', { what: 'the socket', timeoutMs: PATIENCE_MS });
    other.search(sought(hashOf('b'), 1003));
    // The first has just announced; within the minute only its answer can tell the second of it.
    one.aheadMs = 61_000;
    two.search(sought(hashOf('a'), 1002));
    await waitFor(() => one.found.length > 0 && two.found.length > 0, {
      what: 'both to be found',
      timeoutMs: PATIENCE_MS,
    });
    expect(new Set(one.found)).toEqual(new Set(['lsd 127.0.0.1:1002']));
    expect(new Set(two.found)).toEqual(new Set(['lsd 127.0.0.1:1001']));
    expect(other.found).toEqual([]);
  });

  it('says nothing of private torrents, nor when nothing listens', async () => {
    const port = await freeUdpPort();
    await using one = new Machine(port, 1);
    await using two = new Machine(port, 2);
    expect(one.search(sought(hashOf('a'), 1001, true))).toBeUndefined();
    const mute = one.search(sought(hashOf('c'), 0));
    two.search(sought(hashOf('a'), 1002));
    const heard = two.search(sought(hashOf('c'), 1002));
    await waitFor(() => mute?.status()[0]?.state === 'ok' && heard?.status()[0]?.state === 'ok', {
      what: 'the sockets',
      timeoutMs: PATIENCE_MS,
    });
    await waitFor(() => one.found.length > 0, { what: 'what the second says', timeoutMs: PATIENCE_MS });
    expect(two.found).toEqual([]);
  });

  it('takes little of a flood, and no nonsense', async () => {
    const port = await freeUdpPort();
    await using machine = new Machine(port, 1);
    const search = machine.search(sought(hashOf('a'), 1001));
    await waitFor(() => search?.status()[0]?.state === 'ok', { what: 'the socket', timeoutMs: PATIENCE_MS });
    const socket = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.setMulticastInterface('127.0.0.1');
    const send = (message: string | Uint8Array): Promise<void> =>
      new Promise((resolve) => socket.send(message, port, LSD_GROUP_V4, () => resolve()));
    const announce = (of: number): string =>
      encodeLsd({ port: of, infoHashes: [hashOf('a')], cookie: undefined }, LSD_GROUP_V4);
    const odd = [
      '',
      'BT-SEARCH',
      announce(0),
      announce(70_000),
      announce(1).replace('a', 'g'),
      'x'.repeat(60_000),
    ];
    for (const message of odd) await send(message);
    for (let i = 1; i <= 1000; i++) await send(announce(i));
    // Said again until it is heard: the system may have dropped some of the flood's end.
    const isHeard = async (): Promise<boolean> => {
      machine.aheadMs += 1_001;
      await send(announce(4242));
      return machine.found.includes('lsd 127.0.0.1:4242');
    };
    await waitFor(isHeard, { what: 'the one after the flood', timeoutMs: PATIENCE_MS });
    // Twenty a second; the flood itself may have taken a few.
    expect(machine.found.length).toBeLessThan(200);
    socket.close();
  });

  it('lets go of its port when the last search stops, and when it is closed before it is bound', async () => {
    const port = await freeUdpPort();
    const machine = new Machine(port, 1);
    const first = machine.search(sought(hashOf('a'), 1001));
    await first?.stop(100);
    const again = machine.search(sought(hashOf('a'), 1001));
    await waitFor(() => again?.status()[0]?.state === 'ok', { what: 'the socket', timeoutMs: PATIENCE_MS });
    await again?.stop(100);
    await machine.source.close();
    // Exclusive: fails while anybody else holds it.
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: false });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, () => resolve());
    });
    socket.close();
  });
});
