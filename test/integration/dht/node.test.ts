// Nodes on real loopback sockets: what the virtual network cannot show is whether sockets, timer and state file hold together.
import { createSocket, type Socket } from 'node:dgram';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { infoHashOf, peerIdOf } from '../../../core/base/ids.ts';
import type { SoughtTorrent } from '../../../core/base/peer-source.ts';
import type { AnnounceResult, GetPeersResult } from '../../../dht/base/results.ts';
import { DhtNode, type DhtNodeOptions } from '../../../dht/io/dht-node.ts';
import { DhtSource } from '../../../dht/io/dht-source.ts';
import { SharedPort } from '../../../dht/io/shared-port.ts';
import { makeTempDir } from '../../support/temp.ts';

/** Polling is not measuring: a busy machine may take its time. */
const PATIENT = { timeout: 15_000 };

const open: { close(): Promise<unknown> | unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function node(options: Partial<DhtNodeOptions> = {}): Promise<DhtNode> {
  const made = await DhtNode.open({
    ipv6: false,
    bindV4: '127.0.0.1',
    bindV6: '::1',
    bootstrap: [],
    ...options,
  });
  open.push(made);
  return made;
}

const at = (one: DhtNode): { host: string; port: number } => ({
  host: '127.0.0.1',
  port: one.port(4) as number,
});

/** Nodes that know the first one. */
async function net(count: number): Promise<DhtNode[]> {
  const first = await node();
  const nodes = [first];
  for (let i = 1; i < count; i++) nodes.push(await node({ bootstrap: [at(first)] }));
  await Promise.all(nodes.slice(1).map((one) => one.ready));
  return nodes;
}

const HASH = new Uint8Array(20).fill(0x5a);

function announce(one: DhtNode, port: number): Promise<AnnounceResult> {
  return new Promise((onAnnounced) => {
    one.run((machine, nowMs) => machine.announce(HASH, { port, onAnnounced }, nowMs));
  });
}

function getPeers(one: DhtNode): Promise<GetPeersResult> {
  return new Promise((onDone) => {
    one.run((machine, nowMs) => machine.getPeers(HASH, { onDone }, nowMs));
  });
}

describe('DhtNode', () => {
  it('finds through others what one announced', async () => {
    const nodes = await net(6);
    const { accepted } = await announce(nodes[1] as DhtNode, 5151);
    expect(accepted.length).toBeGreaterThanOrEqual(4);
    const { peers } = await getPeers(nodes[4] as DhtNode);
    expect(peers.map((peer) => `${peer.host}:${peer.port}`)).toEqual(['127.0.0.1:5151']);
  });

  it('works over IPv6', async () => {
    const first = await node({ ipv4: false, ipv6: true });
    const bootstrap = [{ host: '::1', port: first.port(6) as number }];
    const second = await node({ ipv4: false, ipv6: true, bootstrap });
    const third = await node({ ipv4: false, ipv6: true, bootstrap });
    await Promise.all([second.ready, third.ready]);
    await announce(second, 5152);
    expect((await getPeers(third)).peers.map((peer) => peer.host)).toEqual(['::1']);
  });

  it('takes the same port for both families where it can', async () => {
    const both = await node({ ipv6: true });
    expect(both.port(6)).toBe(both.port(4));
  });

  it('starts again from its state file, and with the same id', async () => {
    const nodes = await net(4);
    const statePath = join(makeTempDir('dht-').path, 'deep', 'nodes.dat');
    const before = await DhtNode.open({
      ipv6: false,
      bindV4: '127.0.0.1',
      bootstrap: [at(nodes[0] as DhtNode)],
      statePath,
    });
    await before.ready;
    const id = toHex(before.machine.snapshot(before.now()).families[0]?.id as Uint8Array);
    await before.close();
    await before.close();
    expect((await readFile(statePath)).length).toBeGreaterThan(3 * 26);
    const after = await node({ statePath });
    const result = await after.ready;
    expect(result?.savedAlive).toBe(4);
    expect(toHex(after.machine.snapshot(after.now()).families[0]?.id as Uint8Array)).toBe(id);
  });

  it('starts from nothing when the state file is garbage', async () => {
    const statePath = join(makeTempDir('dht-').path, 'nodes.dat');
    await writeFile(statePath, 'l-3:');
    const one = await node({ statePath });
    expect((await one.ready)?.nodes).toBe(0);
  });

  it('shares its sockets with other protocols, and leaves them to them when it closes', async () => {
    const port = new SharedPort({ families: [4], bindV4: '127.0.0.1', bindV6: undefined });
    const ours = await port.open(0);
    open.push(ours);
    const one = await node({ openPort: (number) => port.open(number) });
    expect(one.port(4)).toBe(ours.port(4));
    const other: Socket = createSocket('udp4');
    open.push({ close: () => other.close() });
    await new Promise<void>((done) => other.bind(0, '127.0.0.1', done));
    const say = (text: string): Promise<string> =>
      new Promise((done) => {
        const remove = ours.addReceiver((bytes, from) => {
          remove();
          done(`${new TextDecoder().decode(bytes)} ${from.host}:${from.port}`);
          return true;
        });
        other.send(text, ours.port(4), '127.0.0.1');
      });
    const at = `127.0.0.1:${other.address().port}`;
    expect(await say('Anot krpc')).toBe(`Anot krpc ${at}`);
    await one.close();
    expect(await say('still here')).toBe(`still here ${at}`);
    const answered = new Promise((done) => other.once('message', (bytes) => done(bytes.toString())));
    ours.send(utf8('answer'), { host: '127.0.0.1', port: other.address().port }, { ttl: 1 });
    expect(await answered).toBe('answer');
    await ours.close();
    await ours.close();
    // The last holder closed the sockets: the number is free, and the next one opens anew.
    const again = await port.open(0);
    open.push(again);
    expect(again.port(4)).toBeGreaterThan(0);
  });

  it('fails in one line when the port is taken', async () => {
    const one = await node();
    await expect(
      DhtNode.open({ ipv6: false, bindV4: '127.0.0.1', port: one.port(4) as number, bootstrap: [] }),
    ).rejects.toMatchObject({
      slug: 'network',
      code: 'EADDRINUSE',
      message: expect.stringContaining('the port is taken'),
    });
  });
});

describe('DhtSource', () => {
  function torrent(changes: Partial<SoughtTorrent> = {}): SoughtTorrent {
    return {
      infoHash: infoHashOf(HASH),
      peerId: peerIdOf(new Uint8Array(20)),
      isPrivate: false,
      trackerTiers: [],
      dhtNodes: [],
      listenPort: () => 6000,
      transfer: () => ({ downloaded: 0, uploaded: 0, left: 1, corrupt: 0 }),
      wanted: () => 10,
      ...changes,
    };
  }

  function source(one: DhtNode): DhtSource {
    const made = new DhtSource({ node: one, clock: { nowMs: () => one.now() }, rng: seededRng(1) });
    open.push({ close: () => made.close() });
    return made;
  }

  it('refuses private torrents', async () => {
    expect(source(await node()).open(torrent({ isPrivate: true }), { onPeers: () => {} })).toBeUndefined();
  });

  it('announces, streams the peers of others, and says how it stands', async () => {
    const nodes = await net(5);
    await announce(nodes[1] as DhtNode, 7001);
    const peers: Endpoint[] = [];
    const search = await new Promise<ReturnType<DhtSource['open']>>((done) => {
      const opened = source(nodes[3] as DhtNode).open(torrent(), {
        onPeers: (found, origin) => {
          expect(origin).toBe('dht');
          peers.push(...found);
          done(opened);
        },
      });
    });
    expect(peers).toEqual([{ host: '127.0.0.1', port: 7001 }]);
    await expect.poll(() => search?.status()[0]?.state, PATIENT).toBe('ok');
    expect(search?.status()[0]).toMatchObject({ kind: 'dht', peersReceived: 1, message: undefined });
    const found = (await getPeers(nodes[4] as DhtNode)).peers.map((peer) => peer.port);
    expect(found.sort()).toEqual([6000, 7001]);
    await search?.stop(100);
    expect(search?.status()[0]?.state).toBe('idle');
  });

  it('joins through the nodes a torrent names (BEP 5)', async () => {
    const nodes = await net(4);
    await announce(nodes[1] as DhtNode, 7002);
    const loner = await node();
    await loner.ready;
    const found = new Promise<readonly Endpoint[]>((done) => {
      source(loner).open(torrent({ dhtNodes: [at(nodes[2] as DhtNode)] }), { onPeers: done });
    });
    expect(await found).toEqual([{ host: '127.0.0.1', port: 7002 }]);
  });

  it('asks again soon while nothing comes in, whoever it has found, and rarely once something does', () => {
    vi.useFakeTimers();
    open.push({ close: () => vi.useRealTimers() });
    const searchedAtMs: number[] = [];
    // Every search finds one peer: as good as ever ourselves.
    const search = (options: {
      onDone?: unknown;
      onAnnounced?: unknown;
    }): { isDone: boolean; cancel(): void } => {
      searchedAtMs.push(Date.now() - startMs);
      const end = (options.onAnnounced ?? options.onDone) as (result: unknown) => void;
      setTimeout(() => end({ closest: [1], peers: [1], accepted: [1] }), 100);
      return { isDone: false, cancel: () => {} };
    };
    const machine = {
      snapshot: () => ({ families: [{ good: 8 }] }),
      announce: (_hash: unknown, options: object) => search(options),
      getPeers: (_hash: unknown, options: object) => search(options),
    } as unknown as DhtNode['machine'];
    let downloaded = 0;
    const startMs = Date.now();
    const made = new DhtSource({
      node: { run: (command) => command(machine, Date.now()), ready: Promise.resolve() },
      clock: { nowMs: () => Date.now() },
      rng: { next: () => 0 },
    });
    const transfer = () => ({ downloaded, uploaded: 0, left: 1, corrupt: 0 });
    made.open(torrent({ transfer }), { onPeers: () => {} });
    vi.advanceTimersByTime(60_000);
    expect(searchedAtMs).toEqual([0, 10_100, 25_200, 47_800]);
    downloaded = 16_384;
    vi.advanceTimersByTime(340_000);
    // One more was due; then five minutes; and soon again, because it has stopped coming.
    expect(searchedAtMs.slice(4)).toEqual([81_650, 381_750, 391_850]);
  });

  it('says so when nobody answers', async () => {
    const loner = await node();
    const search = source(loner).open(torrent(), { onPeers: () => {} });
    await expect.poll(() => search?.status()[0]?.message, PATIENT).toBe('no DHT node answers');
    expect(search?.status()[0]?.nextAnnounceAtMs).toBeGreaterThan(0);
  });
});
