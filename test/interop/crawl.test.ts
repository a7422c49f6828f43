// A DHT of 50 libtorrent and 200 of our own nodes, different ids, ports and addresses, crawled by the real program: every node is
// found, clients are told apart by `v`, and the dead from the slow.
import { createSocket, type Socket } from 'node:dgram';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { OUR_MAINTENANCE } from '../../dht/base/options.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import { readQuery, writeReply } from '../../dht/sim/stub-replies.ts';
import { type RunningProcess, start } from '../support/process.ts';
import { runRows } from '../support/run-rows.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { nextHosts } from './support/network.ts';
import { PYTHON, skipsFor } from './support/requirements.ts';
import { runTt } from './support/tt.ts';

const OUR_NODES = 200;
const LIBTORRENT_NODES = 50;
const DEAD = 10;
const SLOW = 5;
/** Beyond the wait of two tries, within that for late answers. */
const SLOW_MS = 4_500;
const AT_ONCE = 20;
/** Entries that libtorrent's nodes are told of. */
const ENTRIES = 8;
/**
 * A twentieth of all tables: who joins last, when tables are full of the living, is in thirteen to twenty of two hundred at once and
 * in more only as the hours go by.
 */
const MIN_LISTINGS = 10;
/** Of all nodes; the rest may not have been heard of on a machine that is too busy to answer for its 250. */
const MIN_SHARE = 0.98;
const SETUP_TIMEOUT_MS = 150_000;
const SCRIPT = fileURLToPath(new URL('support/libtorrent_dht.py', import.meta.url));

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Answers with its id, much later. */
async function slowNode(host: string, seed: number): Promise<{ place: Place; id: string; socket: Socket }> {
  const id = Id160.random(seededRng(seed));
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  socket.on('message', (bytes, from) => {
    const query = readQuery(bytes);
    const asker = DhtAddress.of({ host: from.address, port: from.port });
    if (query === undefined || asker === undefined) return;
    const reply = writeReply(query, { id, nodes: [], peers: [], token: undefined }, asker).slice();
    setTimeout(() => socket.send(reply, from.port, from.address), SLOW_MS).unref();
  });
  return { place: { host, port: socket.address().port }, id: toHex(id.toBytes()), socket };
}

describe.skipIf(skipsFor('libtorrent'))('a crawl of 250 real nodes', () => {
  const scratch = makeTempDir('tt-interop-crawl-');
  const ours: DhtNode[] = [];
  const ourPlaces: Place[] = [];
  const dead: Place[] = [];
  const theirs: Place[] = [];
  const wellKnown: Place[] = [];
  const slow: Awaited<ReturnType<typeof slowNode>>[] = [];
  let python: RunningProcess;

  /** In how many living tables each of them is. */
  const listings = (places: readonly Place[]): number[] => {
    const key = ({ host, port }: Place): string => `${host}:${port}`;
    const counts = new Map<string, number>();
    for (const { address } of ours.flatMap((node) => node.machine.contacts()))
      counts.set(key(address), (counts.get(key(address)) ?? 0) + 1);
    return places.map((place) => counts.get(key(place)) ?? 0);
  };
  /** Who of them is in many. */
  const listed = (places: readonly Place[]): Place[] => {
    const counts = listings(places);
    return places.filter((_, i) => (counts[i] as number) >= MIN_LISTINGS);
  };
  const unlisted = (): string => {
    const few = (places: readonly Place[]): string =>
      listings(places)
        .filter((count) => count < MIN_LISTINGS)
        .join(' ');
    return `ours stand in [${few(ourPlaces)}], libtorrent's in [${few(theirs)}]`;
  };

  const open = async (host: string, first: Place | undefined): Promise<DhtNode> => {
    const node = await DhtNode.open({
      ipv6: false,
      bindV4: host,
      bootstrap: first === undefined ? [] : [first],
      // Who only asked is met at once: there are no translators here that first had to forget.
      maintenance: { ...OUR_MAINTENANCE, quarantineMs: 1_000 },
    });
    await node.ready;
    return node;
  };

  beforeAll(async () => {
    // Several nodes share an address, as behind a translator.
    const hosts = Array.from({ length: 60 }, () => nextHosts().v4);
    const host = (i: number): string => hosts[i % hosts.length] as string;
    const entry = await open(host(0), undefined);
    const first = { host: host(0), port: entry.port(4) as number };
    ours.push(entry);
    ourPlaces.push(first);
    const joinUpTo = async (total: number): Promise<void> => {
      while (ours.length < total) {
        const from = ours.length;
        const count = Math.min(AT_ONCE, total - from);
        const opened = await Promise.all(
          Array.from({ length: count }, (_, i) => open(host(from + i), first)),
        );
        for (const [i, node] of opened.entries()) {
          ours.push(node);
          ourPlaces.push({ host: host(from + i), port: node.port(4) as number });
        }
      }
    };
    await joinUpTo(ENTRIES);
    python = start(
      PYTHON,
      [
        SCRIPT,
        JSON.stringify({
          hosts: Array.from({ length: LIBTORRENT_NODES }, (_, i) => host(i + 7)),
          bootstrap: ourPlaces.map(({ host, port }) => `${host}:${port}`).join(','),
        }),
      ],
      { name: 'libtorrent nodes', stdin: 'pipe' },
    );
    python.onLine((line, stream) => {
      if (stream === 'stdout') theirs.push(JSON.parse(line) as Place);
    });
    await joinUpTo(OUR_NODES + DEAD);
    for (let i = 0; i < SLOW; i++) slow.push(await slowNode(host(i + 20), 900 + i));
    await waitFor(() => theirs.length === LIBTORRENT_NODES, {
      what: () => `libtorrent's nodes to know others: ${theirs.length} do`,
      timeoutMs: SETUP_TIMEOUT_MS,
    });
    // Some go without a word, and stay in the tables of the others.
    for (const node of ours.splice(OUR_NODES)) await node.close();
    dead.push(...ourPlaces.splice(OUR_NODES));
    const places = [...ourPlaces, ...theirs];
    await waitFor(() => listed(places).length >= places.length * MIN_SHARE, {
      what: () => `nodes to be in ${MIN_LISTINGS} tables: ${unlisted()}`,
      timeoutMs: SETUP_TIMEOUT_MS,
      everyMs: 500,
    });
    wellKnown.push(...listed(places));
  }, 2 * SETUP_TIMEOUT_MS);

  afterAll(async () => {
    for (const { socket } of slow) socket.close();
    await Promise.all(ours.map((node) => node.close()));
    await python?.stop();
    scratch.remove();
  });

  test(
    'every node is found, clients are told apart, the dead from the slow',
    async () => {
      const out = join(scratch.path, 'run');
      const entries = [ourPlaces[0] as Place, ...slow.map(({ place }) => place)];
      const result = await runTt(
        [
          ...[
            'dht',
            'crawl',
            '--mode',
            'full',
            '--ip-privacy',
            'raw',
            '--out',
            out,
            '--json',
            '--lookups',
            '8',
          ],
          ...entries.flatMap(({ host, port }) => ['--bootstrap', `${host}:${port}`]),
          ...['--interface', nextHosts().v4],
        ],
        { home: join(scratch.path, 'home'), timeoutMs: SETUP_TIMEOUT_MS },
      );
      expect(result.code, result.stderr).toBe(0);
      const report = JSON.parse(result.stdout) as {
        run: { state: string };
        summary: { metric: string; item: string; value: number; low: number; high: number }[];
      };
      expect(report.run.state).toBe('complete');
      const visits = runRows<{
        ip: string;
        port: number;
        outcome: string;
        client: string | null;
        id_observed: string | null;
      }>(out, 'SELECT ip, port, outcome, client, id_observed FROM visit');
      const at = (place: Place) => visits.filter(({ ip, port }) => ip === place.host && port === place.port);

      // Only who is listed can be found. A node tells eight of those it knows: who stands in several tables is told of, who stands in
      // three of two hundred may never be.
      const lost = listed(wellKnown)
        .filter((place) => !at(place).some(({ outcome }) => outcome === 'ok'))
        .map((place) => ({ place, visits: at(place) }));
      expect(lost).toEqual([]);
      for (const [i, node] of ours.entries()) {
        const id = toHex(node.machine.snapshot(node.now()).families[0]?.id as Uint8Array);
        const seen = at(ourPlaces[i] as Place).filter(({ outcome }) => outcome === 'ok');
        for (const visit of seen) expect(visit).toMatchObject({ id_observed: id, client: 'tt' });
      }
      for (const place of theirs) {
        for (const visit of at(place).filter(({ outcome }) => outcome === 'ok'))
          expect(visit.client).toBe('libtorrent');
      }
      for (const { place, id } of slow) {
        expect(at(place).map(({ outcome, id_observed }) => [outcome, id_observed])).toContainEqual([
          'stalled_late',
          id,
        ]);
      }
      for (const place of dead) {
        for (const visit of at(place)) expect(visit.outcome).toBe('timeout');
      }
      const estimate = report.summary.find(({ metric, item }) => metric === 'nodes' && item === 'chapman');
      const truth = OUR_NODES + LIBTORRENT_NODES + SLOW;
      expect(estimate?.low).toBeLessThanOrEqual(truth);
      expect(estimate?.high).toBeGreaterThanOrEqual(truth - SLOW);
    },
    SETUP_TIMEOUT_MS,
  );
});
