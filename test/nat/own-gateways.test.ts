// How many hops open our own gateways, found out through a relay, behind gateways of each kind: the home's is one hop away and the carrier's
// two, whatever they do with strangers' packets.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteKind } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { MatrixOpenWorld, OPEN_HOSTS } from './matrix/open.ts';
import type { MatrixPeer } from './matrix/world.ts';

/** Packets that die behind so many; undefined where nobody can tell, or need. */
const HOPS: readonly (readonly [SiteKind, number | undefined])[] = [
  ['port-restricted', 2],
  ['shift', 2],
  ['firewall', 2],
  ['cgnat', 3],
  ['full-cone', undefined],
  ['symmetric', undefined],
];
const WAIT_MS = 60_000;
const TEST_MS = 90_000;

describe.each(['drop', 'accept'] as const)('gateways that %s strangers', (input) => {
  // A firewall that accepts strangers is none.
  const hops = HOPS.filter(([kind]) => input === 'drop' || kind !== 'firewall');
  let lab: NatLab;
  let open: MatrixOpenWorld;
  const started: MatrixPeer[] = [];
  beforeAll(async () => {
    lab = await NatLab.make({ sites: hops.map(([kind]) => ({ kind })), publics: OPEN_HOSTS, input });
    open = await MatrixOpenWorld.make(lab);
  });
  afterAll(async () => {
    await Promise.all(started.map((peer) => peer.stop()));
    await lab?.close();
    open?.remove();
  });

  it.each(hops.map(([kind, expected], i) => ({ kind, expected, i })))(
    '$kind',
    async ({ expected, i }) => {
      const peer = open.world.leech(lab.host(i), [open.neighbour], [...open.flags, '-vv']);
      started.push(peer);
      const line = await peer.process.waitForLine(/how many hops open/, WAIT_MS);
      expect(/"hops":("unknown"|\d+)/.exec(line)?.[1]).toBe(
        expected === undefined ? '"unknown"' : `${expected}`,
      );
    },
    TEST_MS,
  );
});
