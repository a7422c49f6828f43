// Row 11 of the matrix: no UDP at one end, or at both. Two SYNs that cross make a hole wherever two datagrams would; the rest is spliced.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SiteKind } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { MatrixOpenWorld, OPEN_HOSTS } from './matrix/open.ts';
import type { Pair } from './matrix/pairs.ts';
import type { MatrixPeer } from './matrix/world.ts';
import { isAll } from './requirements.ts';

const KINDS: readonly SiteKind[] = [
  'full-cone',
  'addr-restricted',
  'port-restricted',
  'shift',
  'symmetric',
  'firewall',
  'cgnat',
  'cgnat-symmetric',
  'udp-blocked',
];
const HOLES: readonly Pair[] = [
  ['port-restricted', 'udp-blocked'],
  ['shift', 'udp-blocked'],
  ...(isAll
    ? ([
        ['full-cone', 'udp-blocked'],
        ['addr-restricted', 'udp-blocked'],
        ['firewall', 'udp-blocked'],
        ['cgnat', 'udp-blocked'],
      ] as const)
    : []),
];
const SPLICES: readonly Pair[] = [
  ['symmetric', 'udp-blocked'],
  ...(isAll ? ([['cgnat-symmetric', 'udp-blocked']] as const) : []),
];
/** A machine that does other things as well. */
const GIVE_UP_MS = 60_000;
const FIRST_BYTE_MS = 5_000;
const TEST_MS = 180_000;
/** So that the download lasts until the leecher has found its way. */
const SLOWLY = ['--down-limit', '8KiB'];
const CLASSIFY_MS = 60_000;
/** Lines of one turn may come one after the other. */
const SAME_TURN_MS = 5;
/** Where the first attempt meets a seed that does not know itself yet, or a machine that is slow, the next ones are a minute apart. */
const UPGRADE_MS = 220_000;

/** Of the line `session` of `--events`. */
interface SessionEvent {
  readonly nat?: { readonly families: readonly { readonly family: number; readonly state: string }[] };
  readonly relays?: readonly { readonly isNeighbour: boolean; readonly state: string }[];
}

describe('without UDP at one end', () => {
  let lab: NatLab;
  let open: MatrixOpenWorld;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: [...KINDS, ...KINDS].map((kind) => ({ kind })), publics: OPEN_HOSTS });
    open = await MatrixOpenWorld.make(lab);
  });
  afterAll(async () => {
    await lab?.close();
    open?.remove();
  });
  const started = new Set<MatrixPeer>();
  afterEach(async () => {
    await Promise.all([...started].map((peer) => peer.stop()));
    started.clear();
  });

  interface Met {
    readonly leech: MatrixPeer;
    /** Of the connection that brought the first byte. */
    readonly rung: string | undefined;
    readonly firstByteMs: number;
  }

  /** It knows its NAT, and has its place at the relay. */
  async function settled(peer: MatrixPeer): Promise<void> {
    await peer.until('session', CLASSIFY_MS, (event) => {
      const { nat, relays } = event as unknown as SessionEvent;
      const isKnown = nat?.families.find(({ family }) => family === 4)?.state !== 'unknown';
      return (
        isKnown && relays?.some(({ isNeighbour, state }) => !isNeighbour && state === 'reserved') === true
      );
    });
  }

  /** As `tryPair`, with a seed that has found out what it is: on a busy machine that takes its time. */
  async function meet([a, b]: Pair, more: readonly string[] = []): Promise<Met> {
    const { world, neighbour, flags } = open;
    await lab.flush();
    const seed = await world.seed(lab.host(KINDS.length + KINDS.indexOf(b)), [neighbour], flags);
    started.add(seed);
    await seed.until('peer-connected', GIVE_UP_MS, ({ address }) => address === neighbour);
    await seed.until('session', CLASSIFY_MS, (event) => {
      const { nat, relays } = event as unknown as SessionEvent;
      const isKnown = nat?.families.find(({ family }) => family === 4)?.state !== 'unknown';
      return (
        isKnown && relays?.some(({ isNeighbour, state }) => !isNeighbour && state === 'reserved') === true
      );
    });
    const leech = world.leech(lab.host(KINDS.indexOf(a)), [neighbour], [...flags, ...more]);
    started.add(leech);
    const first = await leech.until('first-byte', GIVE_UP_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}\nthe seed:\n${seed.process.tail()}`);
    });
    const met = leech.events.findLast(
      ({ event, address, heardMs }) =>
        event === 'peer-connected' && address !== neighbour && heardMs <= first.heardMs + SAME_TURN_MS,
    );
    const firstByteMs = Math.round(first.heardMs - leech.startedMs);
    process.stderr.write(`no UDP: ${a} to ${b}, ${met?.reached?.rung}, first byte after ${firstByteMs} ms\n`);
    return { leech, rung: met?.reached?.rung, firstByteMs };
  }

  function holeOf(leech: MatrixPeer): Promise<{ readonly transport?: string }> {
    return leech.until('peer-connected', UPGRADE_MS, ({ reached }) => reached?.rung === 'tcp-punch');
  }

  for (const pair of HOLES) {
    it(
      `${pair[0]} to ${pair[1]}: a hole for TCP`,
      async () => {
        const { leech, rung, firstByteMs } = await meet(pair, SLOWLY);
        // Where everything takes seconds a splice may be first; a minute later it makes way.
        if (isAll) expect(rung).toBe('tcp-punch');
        if (isAll) expect(firstByteMs).toBeLessThan(FIRST_BYTE_MS);
        expect((await holeOf(leech)).transport).toBe('tcp');
      },
      TEST_MS + UPGRADE_MS,
    );
  }

  for (const pair of SPLICES) {
    it(
      `${pair[0]} to ${pair[1]}: a port that nobody can foretell, spliced`,
      async () => {
        const result = await meet(pair);
        expect(result.rung).toBe('splice');
        if (isAll) expect(result.firstByteMs).toBeLessThan(FIRST_BYTE_MS);
      },
      TEST_MS,
    );
  }

  // The caller is the one without UDP. It knows that by now, and the seed comes when it is there.
  for (const seedKind of ['port-restricted', 'udp-blocked'] as const) {
    it(
      `udp-blocked to ${seedKind}: a hole for TCP`,
      async () => {
        const { world, neighbour, flags } = open;
        await lab.flush();
        const leech = world.leech(lab.host(KINDS.indexOf('udp-blocked')), [neighbour], [...flags, ...SLOWLY]);
        started.add(leech);
        await settled(leech);
        const seed = await world.seed(lab.host(KINDS.length + KINDS.indexOf(seedKind)), [neighbour], flags);
        started.add(seed);
        expect((await holeOf(leech)).transport).toBe('tcp');
      },
      TEST_MS + UPGRADE_MS,
    );
  }

  it('no packet of ours has a private source or target', async () => {
    expect(await lab.leaks()).toEqual({ from_private: 0, to_private: 0, from_carrier: 0, to_carrier: 0 });
  });
});
