// A trap for crawlers at addresses that count as public: a subnet in which every endpoint answers, with an id of its own, and lists
// ever more of the same subnet near whatever is asked for. The real program notices, sets it aside, says so, and counts without it.
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Rng, randomInt, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { compareDistance, Id160, randomIdAt } from '../../dht/base/node-id.ts';
import { trapPolicy } from '../../dht/crawl/subnets.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { readQuery, writeReply } from '../../dht/sim/stub-replies.ts';
import { runRows } from '../support/run-rows.ts';
import { makeTempDir } from '../support/temp.ts';
import { networkMissing } from './support/network.ts';
import { runTt } from './support/tt.ts';

const HONEST = 160;
const ENTRIES = 16;
const SEED = 5;
const TEST_TIMEOUT_MS = 300_000;
const ZONE = '0/2';
const OWN = '20.255.0.1';
const TRAP = '66.6.6';
const TRAP_PORTS = [6881, 6882, 6883, 6884];

interface Member {
  readonly id: Id160;
  readonly address: DhtAddress;
}

function bound(host: string, port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => resolve(socket));
  });
}

describe.skipIf(networkMissing() !== undefined)('a trap', () => {
  const scratch = makeTempDir('tt-interop-trap-');
  const sockets: Socket[] = [];
  const rng: Rng = seededRng(SEED);
  const honest: Member[] = [];
  const invented = new Map<number, Member>();
  let trapQueries = 0;

  /** The endpoints of the trap, each with the id under which it was listed first. */
  const invent = (target: Id160): Member[] =>
    Array.from({ length: ENTRIES }, () => {
      const place = randomInt(rng, 254 * TRAP_PORTS.length);
      const host = `${TRAP}.${1 + Math.floor(place / TRAP_PORTS.length)}`;
      const address = DhtAddress.of({ host, port: TRAP_PORTS[place % TRAP_PORTS.length] as number });
      const member = invented.get(place) ?? {
        id: randomIdAt(target, 20, rng),
        address: address as DhtAddress,
      };
      invented.set(place, member);
      return member;
    });

  const answer = async (host: string, port: number, reply: (target: Id160) => Member[], own: () => Id160) => {
    const socket = await bound(host, port);
    sockets.push(socket);
    socket.on('message', (bytes, from) => {
      const query = readQuery(bytes);
      const asker = DhtAddress.of({ host: from.address, port: from.port });
      if (query === undefined || asker === undefined) return;
      if (host.startsWith(TRAP)) trapQueries++;
      const target = query.view(query.target);
      const nodes = target === undefined ? undefined : reply(Id160.read(target, 0));
      const answered = writeReply(query, { id: own(), nodes, peers: [], token: undefined }, asker);
      socket.send(answered, from.port, from.address);
    });
  };

  beforeAll(async () => {
    for (const net of ['20.0.0.0/8', `${TRAP}.0/24`])
      execFileSync('ip', ['route', 'replace', 'local', net, 'dev', 'lo']);
    for (let i = 0; i < HONEST; i++) {
      const host = `20.${i}.0.1`;
      honest.push({ id: Id160.random(rng), address: DhtAddress.of({ host, port: 6881 }) as DhtAddress });
    }
    const liar = invent(Id160.random(rng))[0] as Member;
    // Everybody believes the one liar that was met.
    const known = [...honest, liar];
    for (const member of honest) {
      await answer(
        member.address.host,
        6881,
        (target) =>
          known
            .filter((other) => other !== member)
            .sort((x, y) => compareDistance(target, x.id, y.id))
            .slice(0, ENTRIES - 1)
            .concat(liar),
        () => member.id,
      );
    }
    for (let place = 0; place < 254 * TRAP_PORTS.length; place++) {
      const host = `${TRAP}.${1 + Math.floor(place / TRAP_PORTS.length)}`;
      const port = TRAP_PORTS[place % TRAP_PORTS.length] as number;
      await answer(host, port, invent, () => (invented.get(place) as Member).id);
    }
  }, TEST_TIMEOUT_MS);
  afterAll(() => {
    for (const socket of sockets) socket.close();
    scratch.remove();
  });

  test(
    'is noticed, asked no more, named, and does not count',
    async () => {
      const zone = Zone.parse(ZONE);
      if (!zone.ok) throw new Error(zone.reason.what);
      const truth = honest.filter(({ id }) => zone.value.has(id)).length;
      const out = join(scratch.path, 'run');
      // The trap may be asked as fast as it likes: only the bound on what it lists shall end it.
      const flags = [
        '--rate',
        '2000',
        '--rate-per-subnet',
        '2000',
        '--rate-per-ip',
        '2000',
        '--ip-privacy',
        'raw',
      ];
      const result = await runTt(
        [
          ...[
            'dht',
            'crawl',
            '--zone',
            ZONE,
            '--seed',
            '3',
            '--out',
            out,
            '--json',
            '--lookups',
            '0',
            '--recheck',
            '0',
          ],
          ...flags,
          ...['--bootstrap', '20.0.0.1:6881', '--interface', OWN],
        ],
        { home: join(scratch.path, 'home'), timeoutMs: TEST_TIMEOUT_MS },
      );
      expect(result.code, result.stderr).toBe(0);
      const { run, summary } = JSON.parse(result.stdout) as {
        run: { state: string; warnings: string[] };
        summary: { metric: string; item: string; value: number; low: number; high: number }[];
      };
      expect(run.state).toBe('complete');
      expect(run.warnings).toContainEqual(expect.stringMatching(/^Traps: 1 subnets? list/));
      const trapped = summary.filter(({ metric }) => metric === 'trapped');
      expect(trapped.map(({ item }) => item)).toEqual([`${TRAP}.0/24`]);
      const { perSubnet } = trapPolicy(zone.value.bits);
      expect(trapped[0]?.value).toBeGreaterThan(perSubnet);
      // Two looks, each up to the bound and what was on its way when it was reached.
      expect(trapQueries).toBeLessThanOrEqual(2 * (perSubnet + ENTRIES));
      const value = (metric: string, item = '') =>
        summary.find((row) => row.metric === metric && row.item === item);
      expect(value('verified')?.value).toBe(truth);
      const estimate = value('nodes_in_zone', 'chapman');
      expect(estimate?.low).toBeLessThanOrEqual(truth);
      expect(estimate?.high).toBeLessThan(truth * 1.1);
      const visits = runRows(out, "SELECT DISTINCT net FROM visit WHERE outcome = 'trapped'");
      expect(visits).toEqual([{ net: `${TRAP}.0/24` }]);
    },
    TEST_TIMEOUT_MS,
  );
});
