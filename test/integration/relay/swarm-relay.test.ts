// A peer in the open that passes bytes on for others of its swarm, and a splice that makes way for a straight connection: whole
// sessions on loopback, each of which is told what NAT it sits behind.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../core/base/clock.ts';
import type { PeerFacts } from '../../../core/relay/messages.ts';
import type { Session } from '../../../core/session/session.ts';
import type { SessionOptions } from '../../../core/session/session-api.ts';
import { systemClock } from '../../../core/session/system.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from '../session/support.ts';

const TIMEOUT_MS = 60_000;
const SYMMETRIC: PeerFacts = { state: 'apdm', filter: 'apdf', tcpPort: 0, udpPort: 0 };
const WANTED_BYTES = 1_500_000;

/** A torrent of which nobody has `absent`: who wants only that stays, and has nothing to give. */
async function makeSwarm(world: World): Promise<Made> {
  const made = await world.make({ absent: 32_768, wanted: WANTED_BYTES }, { pieceLength: 16_384 });
  rmSync(join(made.directory, 'it', 'absent'));
  return made;
}

function only(name: string) {
  return ({ files }: Made['metainfo']) => files.map(({ path }) => (path.at(-1) === name ? 4 : 0));
}

async function member(
  world: World,
  made: Made,
  name: string,
  directory: string,
  options: Partial<SessionOptions>,
  peers: readonly { host: string; port: number }[] = [],
): Promise<Session> {
  const session = await world.session(name, { pex: false, ...options });
  const isHolder = directory === made.directory;
  await session.add({
    source: { metainfo: made.metainfo },
    directory,
    peers,
    ...(isHolder ? { recheck: true } : { filePriorities: only(name === 'leech' ? 'wanted' : 'absent') }),
  });
  return session;
}

describe('a peer in the open', () => {
  const open = (port: number): PeerFacts => ({ state: 'open', filter: 'eif', tcpPort: port, udpPort: 0 });

  async function swarm(world: World, splices: number, place: (port: number) => PeerFacts = open) {
    const made = await makeSwarm(world);
    let port = 0;
    const neighbour = await member(world, made, 'neighbour', world.path('nothing'), {
      relays: { given: [], splices },
      ownPlace: () => place(port),
    });
    port = addressOf(neighbour).port;
    const common = { relays: { given: [] }, ownPlace: () => SYMMETRIC };
    const peers = [addressOf(neighbour)];
    const seedPlace = { ...common, bindAddresses: ['127.0.0.2'] };
    const seed = await member(world, made, 'holder', made.directory, seedPlace, peers);
    await waitFor(() => neighbour.snapshot().reach?.relaying?.reservations === 1, {
      what: () => `the place of the seed\n${JSON.stringify(neighbour.snapshot().reach)}`,
      timeoutMs: TIMEOUT_MS,
    });
    const directory = world.path('out');
    const leech = await member(world, made, 'leech', directory, { ...common, bindAddresses: ['127.0.0.3'] });
    return { made, neighbour, seed, leech, directory, peers };
  }

  it('passes bytes on for two of its swarm that find no other way, when it is told to', async () => {
    await using world = new World();
    const { made, neighbour, seed, leech, directory, peers } = await swarm(world, 2);
    const done = untilEvent(leech, 'completed');
    const [peer = { host: '', port: 0 }] = peers;
    const torrent = leech.snapshot().torrents[0]?.infoHash ?? '';
    await leech.command({ kind: 'add-peer', torrent, ...peer });
    const met = untilEvent(seed, 'peer-connected', ({ transport }) => transport === 'relayed');
    await done;
    expect(sameContent(made, directory, ['wanted'])).toBe(true);
    expect(await met).toMatchObject({ reached: { rung: 'splice' } });
    expect((await met).address).toMatch(/^127\.0\.0\.3:/);
    const { relaying } = neighbour.snapshot().reach ?? {};
    // Both lack something, so either may call the other, or each the other at the same moment.
    expect([1, 2]).toContain(relaying?.counters.splices);
    expect(relaying?.counters.splicedBytes).toBeGreaterThan(WANTED_BYTES);
    const [ofLeech, ofSeed] = [leech, seed].map((session) => session.snapshot().reach);
    expect(ofLeech?.bytes.splice).toBeGreaterThanOrEqual(WANTED_BYTES);
    const agreed = [ofLeech, ofSeed].map((reach) => reach?.introductions['go splice'] ?? 0);
    expect(Math.max(...agreed)).toBeGreaterThan(0);
  }, 120_000);

  it.each([
    { when: 'it is not told to', splices: 0, state: 'open', code: 'policy' },
    { when: 'it does not know that it is in the open', splices: 2, state: 'unknown', code: 'policy' },
  ] as const)(
    'does so for nobody when $when',
    async ({ splices, state, code }) => {
      await using world = new World();
      const { neighbour, leech, peers } = await swarm(world, splices, (port) => ({ ...open(port), state }));
      const [peer = { host: '', port: 0 }] = peers;
      const torrent = leech.snapshot().torrents[0]?.infoHash ?? '';
      await leech.command({ kind: 'add-peer', torrent, ...peer });
      await waitFor(() => (neighbour.snapshot().reach?.relaying?.counters.refusals[code] ?? 0) > 0, {
        what: () => `a splice to be refused\n${JSON.stringify(neighbour.snapshot().reach)}`,
        timeoutMs: TIMEOUT_MS,
      });
      expect(neighbour.snapshot().reach?.relaying?.counters.splices).toBe(0);
      expect(leech.snapshot().torrents[0]?.downloadedBytes).toBe(0);
    },
    120_000,
  );
});

/** The system's clock, which a test may put forward. */
class AheadClock implements Clock {
  aheadMs = 0;
  nowMs(): number {
    return systemClock.nowMs() + this.aheadMs;
  }
}

describe('a splice', () => {
  it('is tried to be made a straight connection after a minute, which takes over without losing a piece', async () => {
    await using world = new World();
    await using relay = await RelayRig.open();
    const made = await world.make({ wanted: 6_000_000 }, { pieceLength: 65_536 });
    const relays = { given: [relay.endpoint] };
    await world.seed(made, {
      relays,
      pex: false,
      ownPlace: () => SYMMETRIC,
      bindAddresses: ['127.0.0.2'],
      upLimit: 400_000,
    });
    await waitFor(() => relay.node.server.links.slotCount === 1, {
      what: 'a place for the seed',
      timeoutMs: TIMEOUT_MS,
    });
    const clock = new AheadClock();
    let place = SYMMETRIC;
    const options = { relays, pex: false, ownPlace: () => place, clock };
    const leech = await world.session('leech', { ...options, bindAddresses: ['127.0.0.3'] });
    const directory = world.path('out');
    const completed = untilEvent(leech, 'completed');
    await leech.add({ source: { metainfo: made.metainfo }, directory });
    const rungs = (): (string | undefined)[] =>
      (leech.snapshot().torrents[0]?.peers ?? []).map(({ reached }) => reached?.rung).sort();
    const downloaded = (): number => leech.snapshot().torrents[0]?.downloadedBytes ?? 0;
    await waitFor(() => rungs().join() === 'splice' && downloaded() > 200_000, {
      what: 'bytes through a splice',
      timeoutMs: TIMEOUT_MS,
    });
    // Its router forwards a port from now on: the peer can dial it.
    place = { state: 'mapped', filter: 'eif', tcpPort: addressOf(leech).port, udpPort: 0 };
    clock.aheadMs += 61_000;
    await waitFor(() => rungs().includes('reverse'), {
      what: () => `a straight way\n${JSON.stringify(leech.snapshot().reach)}`,
      timeoutMs: TIMEOUT_MS,
    });
    const [straight] = (leech.snapshot().torrents[0]?.peers ?? []).filter(
      ({ transport }) => transport === 'tcp',
    );
    const known = { rung: 'reverse', own: 'mapped', peer: 'apdm', tried: ['reverse'] };
    const { host, port } = relay.endpoint;
    expect(straight?.reached).toMatchObject({ ...known, relay: `${host}:${port}` });
    const early = downloaded();
    await waitFor(() => rungs().join() === 'reverse', {
      what: () => `the splice to be closed\n${rungs().join()}`,
      timeoutMs: TIMEOUT_MS,
    });
    const splicedBytes = leech.snapshot().reach?.bytes.splice ?? 0;
    await completed;
    expect(sameContent(made, directory, ['wanted'])).toBe(true);
    expect(leech.snapshot().torrents[0]?.wastedBytes).toMatchObject({ failedHash: 0, unrequested: 0 });
    expect(early).toBeLessThan(6_000_000);
    expect(leech.snapshot().reach?.bytes).toMatchObject({ splice: splicedBytes });
    expect(leech.snapshot().reach?.bytes.reverse).toBeGreaterThan(0);
    expect(relay.node.server.counters.splices).toBe(1);
  }, 180_000);
});
