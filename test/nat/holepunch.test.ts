// Rows 8 and 9 of the matrix: BEP 55 with libtorrent 2.0.8, tt in each of the three roles; and what libtorrent as the neighbour cannot
// do, introduce peers whose routers shift ports.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/wait.ts';
import type { LabHost } from './lab/host.ts';
import { NatLab } from './lab/lab.ts';
import { LibtorrentPeer, seedDir } from './matrix/libtorrent.ts';
import { MatrixWorld, PORT } from './matrix/world.ts';
import { isAll } from './requirements.ts';

const hasLibtorrent = spawnSync('/usr/bin/python3', ['-c', 'import libtorrent']).status === 0;
/** libtorrent asks for an introduction only after 18 s of vain dialling, and some of its PEX comes a minute late. */
const PATIENCE_MS = 100_000;
/** We ask at once; a machine that does other things as well is given more. */
const FIRST_BYTE_MS = isAll ? 5_000 : PATIENCE_MS;
const TEST_MS = 150_000;
/** Enough for what libtorrent says, too little for what it has. */
const FEW_BYTES_PER_SEC = 4_000;

describe.skipIf(!hasLibtorrent)('rows 8 and 9: hole punching with libtorrent', () => {
  let lab: NatLab;
  let world: MatrixWorld;
  beforeAll(async () => {
    const kinds = ['port-restricted', 'port-restricted', 'shift', 'shift'] as const;
    lab = await NatLab.make({ sites: kinds.map((kind) => ({ kind })) });
    world = await MatrixWorld.make();
  });
  afterAll(async () => {
    await lab?.close();
    world?.remove();
  });

  const started = new Set<{ stop(): Promise<void> }>();
  afterEach(async () => {
    await Promise.all([...started].map((peer) => peer.stop()));
    started.clear();
  });
  const keep = <T extends { stop(): Promise<void> }>(peer: T): T => {
    started.add(peer);
    return peer;
  };

  async function startLibtorrent(
    host: LabHost,
    dir: string,
    peers: readonly string[],
    uploadLimit = 0,
  ): Promise<LibtorrentPeer> {
    const { torrentFile, infoHash } = world;
    const options = { port: PORT, torrentFile, infoHash, dir, peers, uploadLimit };
    return keep(await LibtorrentPeer.start(host, options));
  }

  async function untilSomething(peer: LibtorrentPeer): Promise<void> {
    await waitFor(async () => (await peer.stats()).downloaded > 0, {
      what: () => `bytes at libtorrent\n${peer.process.tail()}`,
      timeoutMs: PATIENCE_MS,
    });
  }

  it(
    'row 8: tt asks tt to introduce it to libtorrent, the first byte within five seconds',
    async () => {
      await lab.flush();
      const open = lab.public(0);
      const at = `${open.address}:${PORT}`;
      const neighbour = keep(await world.neighbour(open));
      await startLibtorrent(lab.host(1), seedDir(world.dir.path), [at]);
      const site = lab.site(1).publicAddress;
      await neighbour.until('peer-connected', 20_000, ({ address }) => address?.startsWith(site) === true);
      const leech = keep(world.leech(lab.host(0), [at]));
      const first = await leech.until('first-byte', PATIENCE_MS);
      const met = leech.find('peer-connected', ({ address }) => address?.startsWith(site) === true);
      expect(met?.reached?.rung).toBe('punch');
      expect(first.heardMs - leech.startedMs).toBeLessThan(FIRST_BYTE_MS);
    },
    TEST_MS,
  );

  it(
    'row 9: tt introduces two libtorrents behind routers that shift ports',
    async () => {
      await lab.flush();
      const open = lab.public(0);
      const at = `${open.address}:${PORT}`;
      const neighbour = keep(await world.neighbour(open));
      await startLibtorrent(lab.host(3), seedDir(world.dir.path), [at]);
      await neighbour.until('peer-connected', 20_000);
      const leech = await startLibtorrent(lab.host(2), join(world.dir.path, 'lt-out'), [at]);
      await untilSomething(leech);
      expect((await leech.stats()).peers.map(({ endpoint }) => endpoint.split(':')[0])).toContain(
        lab.site(3).publicAddress,
      );
    },
    TEST_MS,
  );

  it.skipIf(!isAll)(
    'row 8: libtorrent introduces tt: as the one that asks and as the one that is asked for',
    async () => {
      await lab.flush();
      const open = lab.public(1);
      const at = `${open.address}:${PORT}`;
      await startLibtorrent(open, join(world.dir.path, 'lt-neighbour'), [], FEW_BYTES_PER_SEC);
      // Without PEX it hears of nobody, and dials nobody unless it is introduced.
      const seed = keep(await world.seed(lab.host(1), [at], ['--no-pex']));
      await seed.until('peer-connected', 20_000);
      const leech = keep(world.leech(lab.host(0), [at]));
      const site = lab.site(1).publicAddress;
      const isSeed = ({ address }: { readonly address?: string }): boolean =>
        address?.startsWith(site) === true;
      const met = await leech.until('peer-connected', PATIENCE_MS, isSeed);
      await leech.until('first-byte', PATIENCE_MS);
      // That they meet at all is libtorrent's doing: the seed dials nobody of its own accord. What got through first may be a packet of
      // the leecher's straight attempt.
      expect(['punch', 'direct']).toContain(met.reached?.rung);
    },
    TEST_MS,
  );

  it.skipIf(!isAll)(
    'row 8: libtorrent has itself introduced to tt',
    async () => {
      await lab.flush();
      const open = lab.public(0);
      const at = `${open.address}:${PORT}`;
      keep(await world.neighbour(open));
      const seed = keep(await world.seed(lab.host(1), [at]));
      await seed.until('peer-connected', 20_000);
      const leech = await startLibtorrent(lab.host(0), join(world.dir.path, 'lt-out-2'), [at]);
      await untilSomething(leech);
    },
    TEST_MS,
  );
});
