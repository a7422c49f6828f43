// Somebody names us to ourselves, by our inner and our outer address: nobody knocks at our door, while everybody else who is named is dialled.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { expect, it } from 'vitest';
import type { PeerSource, PeerSourceEvents } from '../../../core/base/peer-source.ts';
import { waitFor } from '../../support/wait.ts';
import { addressOf, World } from './support.ts';

const INNER = '127.0.0.1';
/** Leads here as well, and no interface shows it: as an outer address does whose gateway lets its own customers in. */
const OUTER = '127.0.0.2';
const VOTER = '44.1.1.1';
const PATIENCE_MS = 20_000;

/** Takes connections and says nothing. */
async function silentPeer(): Promise<{ server: Server; port: number; isDialled: () => boolean }> {
  let dialled = 0;
  const server = createServer((socket) => {
    dialled++;
    socket.on('error', () => {});
  }).listen(0, INNER);
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port, isDialled: () => dialled > 0 };
}

class Gossip implements PeerSource {
  readonly kind = 'tracker';
  events: PeerSourceEvents | undefined;
  open(_torrent: unknown, events: PeerSourceEvents) {
    this.events = events;
    return { completed: () => {}, refresh: () => {}, status: () => [], stop: async () => {} };
  }
  async close(): Promise<void> {}
}

it('we do not dial ourselves', async () => {
  await using world = await new World();
  const made = await world.make({ a: 100_000 });
  const gossip = new Gossip();
  const session = await world.session('one', { bindAddresses: ['0.0.0.0'], peerSources: [gossip] });
  await session.add({ source: { metainfo: made.metainfo }, directory: world.path('out') });
  const { port } = addressOf(session);
  const [first, second] = [await silentPeer(), await silentPeer()];
  try {
    gossip.events?.onExternalAddress?.(OUTER, VOTER);
    const tell = (...endpoints: readonly (readonly [string, number])[]): void =>
      gossip.events?.onPeers(
        endpoints.map(([host, at]) => ({ host, port: at })),
        'tracker',
      );
    tell([OUTER, port], [INNER, port], [INNER, first.port]);
    await waitFor(first.isDialled, { what: 'the first peer to be dialled', timeoutMs: PATIENCE_MS });
    // Whoever was dialled with the first has come in by then.
    tell([OUTER, port], [INNER, second.port]);
    await waitFor(second.isDialled, { what: 'the second peer to be dialled', timeoutMs: PATIENCE_MS });
    const { listen, reach } = session.snapshot();
    expect(listen.map(({ incomingCount }) => incomingCount)).toEqual([0]);
    // Nor is it counted among the peers.
    expect(reach?.knownPeers).toBe(0);
  } finally {
    first.server.close();
    second.server.close();
  }
});
