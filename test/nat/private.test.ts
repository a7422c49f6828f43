// Row 19 of the matrix: a private torrent (BEP 27) behind every sort of NAT, with everything there that a public one would use: a DHT, a
// relay that was named, a neighbour that introduces. It offers no extension, is announced nowhere but at its tracker, and nobody is dialled
// for it; the same with a public torrent shows that all of that would happen.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../core/base/bytes.ts';
import { torrentRelayKey } from '../../core/relay/keys.ts';
import type { SiteKind } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { measured } from './support/measured.ts';
import { startDht } from './support/open-world.ts';
import { Transfer } from './support/transfer.ts';
import { spawnTt } from './support/tt.ts';

const CHILD = fileURLToPath(new URL('support/hostile-relay-child.ts', import.meta.url));
const KINDS: readonly SiteKind[] = ['full-cone', 'port-restricted', 'symmetric', 'cgnat'];
const [TRACKER_PORT, RELAY_PORT, PEER_PORT] = [6969, 7000, 6881];
/**
 * One of the tracker and the seed, one of the hostile neighbour, one victim, and DHT nodes: so many that the lookups of all shards and of the torrent,
 * which begin together, find one that is not asked too often already.
 */
const PUBLICS = 15;
const FIRST_DHT = 3;
const COUNT = 1_000;
const WAIT_MS = 60_000;
/** After the last introduction: a lookup, an announce and a relay take seconds. */
const WATCH_MS = 10_000;
const BYTES = 1 << 20;
/** Long enough for everything that a download does on the side. */
const SLOWLY = ['--up-limit', '256KiB'];

interface Joined {
  readonly holepunch: boolean;
  readonly relay: boolean;
}

describe('row 19: a private torrent', () => {
  let lab: NatLab;
  let bootstrap: string[];
  let tracker: string;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: KINDS.map((kind) => ({ kind })), publics: PUBLICS });
    const host = lab.public(0);
    tracker = `http://${host.address}:${TRACKER_PORT}/announce`;
    await spawnTt(host, ['tracker', 'serve', '--port', `${TRACKER_PORT}`]).waitForLine(/announce/, WAIT_MS);
    bootstrap = await startDht(lab, FIRST_DHT);
  });
  afterAll(() => lab?.close());

  /** Peers behind each kind, and a hostile neighbour among them. */
  async function swarm(isPrivate: boolean) {
    using transfer = await Transfer.make({ bytes: BYTES, isPrivate, tracker });
    const name = isPrivate ? 'private' : 'public';
    const infoHash = fromHex(transfer.infoHash) as Uint8Array;
    const lookups = await lab.count(`${name}_torrent`, getPeersOf(infoHash));
    const relayLookups = await lab.count(`${name}_relays`, getPeersOf(torrentRelayKey(infoHash)));
    const [hostile, victim] = [lab.public(1), lab.public(2)];
    const toVictim = await lab.count(`${name}_victim`, `ip daddr ${victim.address}`);
    const child = hostile.spawnNode(CHILD, [
      ...[hostile.address, `${RELAY_PORT}`, `${PEER_PORT}`, transfer.infoHash, `${COUNT}`],
      `${victim.address}:6881`,
    ]);
    await child.waitForLine(/"ready"/, WAIT_MS);
    // The seed is in the open and knows only the tracker.
    const seed = await transfer.seed(lab.public(0), SLOWLY);
    const flags = [
      ...['--dht', ...bootstrap, '--encryption', 'off', '--seed'],
      ...['--relay', `${hostile.address}:${RELAY_PORT}`, '--peer', `${hostile.address}:${PEER_PORT}`],
    ];
    const leeches = KINDS.map((_, i) => transfer.leech(lab.host(i), flags));
    await Promise.all(leeches.map((leech) => leech.until('completed', WAIT_MS)));
    const said = (event: string): string[] =>
      child.stdoutLines.filter((line) => line.includes(`"event":"${event}"`));
    await child.waitFor(() => said('joined').length >= KINDS.length && said('sent').length >= KINDS.length, {
      what: 'all introductions to be sent',
      timeoutMs: WAIT_MS,
    });
    if (!isPrivate)
      await child.waitFor(() => said('reserved').length > 0, { what: 'a reservation', timeoutMs: WAIT_MS });
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    const result = {
      joined: said('joined').map((line) => JSON.parse(line) as Joined),
      reservations: said('reserved').length,
      lookups: (await lookups()).packets,
      relayLookups: (await relayLookups()).packets,
      toVictim: (await toVictim()).packets,
    };
    const { reservations, lookups: asked, relayLookups: sought, toVictim: packets } = result;
    measured(
      19,
      `${name}: ${reservations} reservations, ${asked} DHT lookups, ${sought} of relays, ${packets} packets to who was introduced`,
    );
    await Promise.all([seed.stop(), child.stop('SIGKILL'), ...leeches.map((leech) => leech.stop())]);
    return result;
  }

  it(`behind ${KINDS.join(', ')}: downloaded from its tracker's peers; no extension, no announce, no dial`, async () => {
    const result = await swarm(true);
    for (const joined of result.joined) expect(joined).toMatchObject({ holepunch: false, relay: false });
    expect(result).toMatchObject({ reservations: 0, lookups: 0, relayLookups: 0, toVictim: 0 });
  }, 180_000);

  it('a public one in the same place does all of it', async () => {
    const result = await swarm(false);
    for (const joined of result.joined) expect(joined).toMatchObject({ holepunch: true, relay: true });
    expect(result.reservations).toBeGreaterThan(0);
    expect(result.lookups).toBeGreaterThan(0);
    expect(result.relayLookups).toBeGreaterThan(0);
    expect(result.toVictim).toBeGreaterThan(0);
  }, 180_000);
});

/** Behind `d1:ad2:id20:`, an id and `9:info_hash20:`, as BEP 5 orders the keys of a get_peers query; an announce needs one before. */
const KEY_AT_BYTES = 12 + 20 + 14;
const UDP_HEADER_BYTES = 8;
/** As much as `nft` compares at once. */
const COMPARED_BYTES = 16;

function getPeersOf(key: Uint8Array): string {
  const offset = (UDP_HEADER_BYTES + KEY_AT_BYTES) * 8;
  const value = toHex(key.subarray(0, COMPARED_BYTES));
  return `meta l4proto udp @th,${offset},${COMPARED_BYTES * 8} 0x${value}`;
}
