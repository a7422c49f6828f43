// Sessions that only meet through a relay, on real sockets.
import { describe, expect, it } from 'vitest';
import type { Session } from '../../../core/session/session.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';
import { sameContent, untilEvent, World } from '../session/support.ts';

const FILES = { 'a.bin': 900_000, 'b.bin': 400_000 };
const NAMES = Object.keys(FILES);
const TIMEOUT_MS = 20_000;

function reserved(session: Session): Promise<unknown> {
  return waitFor(() => session.snapshot().relays?.some(({ state }) => state === 'reserved'), {
    what: 'a reservation',
    timeoutMs: TIMEOUT_MS,
  });
}

describe('sessions and a relay', () => {
  it('meet through it without knowing each other, spliced', async () => {
    await using world = new World();
    await using relay = await RelayRig.open();
    const relays = { given: [relay.endpoint] };
    const made = await world.make(FILES);
    const seed = await world.seed(made, { relays, bindAddresses: ['127.0.0.2'] });
    await reserved(seed);
    const leech = await world.session('leech', { relays, bindAddresses: ['127.0.0.3'] });
    const completed = untilEvent(leech, 'completed');
    const directory = world.path('out');
    await leech.add({ source: { metainfo: made.metainfo }, directory });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    const { counters } = relay.node.server;
    expect(counters.splicedBytes).toBeGreaterThan(1_300_000);
    // Whoever is behind the relay is known by its own address.
    const [peer] = seed.snapshot().torrents[0]?.peers ?? [];
    if (peer !== undefined) expect(peer.address).toMatch(/^127\.0\.0\.3:/);
  }, 120_000);

  it('serve unmodified clients through a proxy port', async () => {
    await using world = new World();
    await using relay = await RelayRig.open({ proxyPorts: 1 });
    const made = await world.make(FILES);
    const seed = await world.seed(made, {
      relays: { given: [relay.endpoint] },
      bindAddresses: ['127.0.0.2'],
    });
    await waitFor(() => relay.node.server.proxiedTorrents().length === 1, {
      what: 'a proxy port',
      timeoutMs: TIMEOUT_MS,
    });
    const [port = 0] = relay.proxyPorts;
    const client = await world.session('unmodified', { bindAddresses: ['127.0.0.4'] });
    const completed = untilEvent(client, 'completed');
    const directory = world.path('out');
    const peers = [{ host: '127.0.0.1', port }];
    await client.add({ source: { metainfo: made.metainfo }, directory, peers });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    expect(relay.node.server.counters.proxied).toBeGreaterThan(0);
    await seed.close(500);
    await waitFor(() => relay.node.server.proxiedTorrents().length === 0, {
      what: 'the proxy port to be withdrawn',
      timeoutMs: TIMEOUT_MS,
    });
  }, 120_000);

  it('reserve again with a relay that was restarted, and go on downloading', async () => {
    await using world = new World();
    const first = await RelayRig.open({ limits: { totalBytesPerSec: 150_000 } });
    const { port } = first.endpoint;
    const relays = { given: [first.endpoint] };
    const made = await world.make(FILES);
    const seed = await world.seed(made, { relays, bindAddresses: ['127.0.0.2'] });
    await reserved(seed);
    const leech = await world.session('leech', { relays, bindAddresses: ['127.0.0.3'] });
    const completed = untilEvent(leech, 'completed');
    const directory = world.path('out');
    await leech.add({ source: { metainfo: made.metainfo }, directory });
    await waitFor(() => first.node.server.counters.splicedBytes > 200_000, {
      what: 'bytes through the splice',
      timeoutMs: TIMEOUT_MS,
    });
    await first[Symbol.asyncDispose]();
    await using second = await RelayRig.open({ port });
    await waitFor(() => second.node.server.links.slotCount > 0, {
      what: 'the reservation to be back',
      timeoutMs: 60_000,
    });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    expect(leech.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
  }, 120_000);

  it('say nothing of it in a private torrent', async () => {
    await using world = new World();
    await using relay = await RelayRig.open({ proxyPorts: 1 });
    const relays = { given: [relay.endpoint] };
    const made = await world.make(FILES, { isPrivate: true });
    const open = await world.make({ 'c.bin': 100_000 });
    const seed = await world.seed(made, { relays, bindAddresses: ['127.0.0.2'] });
    await seed.add({ source: { metainfo: open.metainfo }, directory: open.directory, seedOnly: true });
    await waitFor(() => relay.node.server.links.torrentCount === 1, {
      what: 'the other torrent to be reserved',
      timeoutMs: TIMEOUT_MS,
    });
    const [held] = [...relay.node.server.links.torrents()].map(([infoHash]) => infoHash);
    expect(held).toBe(Buffer.from(open.metainfo.infoHash).toString('hex'));
  }, 120_000);
});
