// Row 16 of the matrix: a relay, and a neighbour of the swarm, that tell a peer a thousand times to connect to somebody, and to addresses
// inside its own network. What leaves the peer is counted in its own network namespace and at the provider.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LabHost } from './lab/host.ts';
import { NatLab } from './lab/lab.ts';
import { isAll } from './requirements.ts';
import { measured } from './support/measured.ts';
import { Transfer } from './support/transfer.ts';

const CHILD = fileURLToPath(new URL('support/hostile-relay-child.ts', import.meta.url));
const [RELAY_PORT, PEER_PORT, VICTIM_PORT] = [7000, 6881, 6881];
const COUNT = 1_000;
const WAIT_MS = 60_000;
/** Of the minute that the row looks at. Budgets are by the minute and used up at once, so most of it is silence. */
const WATCH_MS = isAll ? 60_000 : 15_000;
/** The criterion of the row. */
const MOST_PACKETS = 10;
const PRIVATE = [
  '192.168.1.1',
  '192.168.1.77',
  '10.0.0.1',
  '172.16.0.1',
  '169.254.1.1',
  '100.64.0.1',
  '127.0.0.1',
];

describe('row 16: a hostile relay', () => {
  let lab: NatLab;
  beforeAll(async () => {
    lab = await NatLab.make({
      sites: [{ kind: 'port-restricted' }, { kind: 'full-cone' }],
      publics: 2,
    });
    // The victim answers nothing: whatever is sent again is sent again.
    await lab
      .public(1)
      .shell(
        'nft add table inet deaf; nft add chain inet deaf in "{ type filter hook input priority 0; policy drop; }"',
      );
    for (const { hosts } of lab.sites) await watchPrivate(hosts[0] as LabHost);
  });
  const started = new Set<{ stop(): Promise<unknown> }>();
  const keep = <T extends { stop(): Promise<unknown> }>(program: T): T => {
    started.add(program);
    return program;
  };
  afterEach(async () => {
    await Promise.all([...started].map((program) => program.stop()));
    started.clear();
  });
  afterAll(() => lab?.close());

  for (const [site, name] of [
    [0, 'port-restricted'],
    [1, 'full-cone'],
  ] as const) {
    it.skipIf(site > 0 && !isAll)(
      `${COUNT} connects to a victim and to private addresses, behind a ${name} NAT`,
      async () => {
        using transfer = await Transfer.make({ bytes: 1 << 20 });
        const hostile = lab.public(0);
        const victim = lab.public(1).address;
        const targets = [victim, ...PRIVATE, victim].map((host) => `${host}:${VICTIM_PORT}`);
        const child = keep(
          hostile.spawnNode(CHILD, [
            ...[hostile.address, `${RELAY_PORT}`, `${PEER_PORT}`, transfer.infoHash, `${COUNT}`],
            ...targets,
          ]),
        );
        await child.waitForLine(/"ready"/, WAIT_MS);
        const toVictim = await lab.count(`victim_of_${site}`, `ip daddr ${victim}`);
        const before = (await toVictim()).packets;
        const host = lab.host(site);
        // As a leecher it dials neighbours; the neighbour speaks no encryption.
        keep(
          transfer.leech(host, [
            ...['--relay', `${hostile.address}:${RELAY_PORT}`, '--peer', `${hostile.address}:${PEER_PORT}`],
            ...['--encryption', 'off'],
          ]),
        );
        await child.waitForLine(/"joined"/, WAIT_MS);
        await child.waitForLine(/"reserved"/, WAIT_MS);
        const isSent = (): boolean => child.stdoutLines.filter((line) => line.includes('"sent"')).length >= 2;
        await child.waitFor(isSent, { what: 'all to be sent', timeoutMs: WAIT_MS });
        await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
        const packets = (await toVictim()).packets - before;
        const inside = await privatePackets(host);
        const answered = Number(
          /\d+/.exec(child.stdoutLines.findLast((line) => line.includes('"answers"')) ?? '0')?.[0],
        );
        measured(
          16,
          `${name}: ${packets} packets to the victim, ${inside} to private addresses; ${answered} calls answered`,
        );
        expect(inside).toBe(0);
        expect(packets).toBeLessThanOrEqual(MOST_PACKETS);
        // It was listened to at all: the criterion is not met by silence.
        expect(packets).toBeGreaterThan(0);
      },
      WATCH_MS + 120_000,
    );
  }
});

/** Counts what leaves a host for where no stranger may send it. */
async function watchPrivate(host: LabHost): Promise<void> {
  await host.shell(
    [
      'nft add table inet watch',
      'nft add counter inet watch inside',
      'nft add chain inet watch out "{ type filter hook output priority 0; }"',
      `nft add rule inet watch out ip daddr "{ ${PRIVATE.join(', ')} }" counter name inside`,
    ].join('\n'),
  );
}

async function privatePackets(host: LabHost): Promise<number> {
  const text = await host.shell('nft -j list counter inet watch inside');
  const { nftables } = JSON.parse(text) as { nftables: { counter?: { packets: number } }[] };
  return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? Number.NaN;
}
