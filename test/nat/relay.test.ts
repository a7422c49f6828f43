// Row 10 of the matrix: a seed behind a symmetric NAT, reached by programs that know nothing of relays, through a port that a relay
// in the open lends it; and by tt behind another symmetric NAT, byte for byte through the relay. As the README types it: `tt relay` there, `tt seed` here.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTorrent } from '../../core/metainfo/io/create-torrent.ts';
import { writePayload } from '../support/payload.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { NatLab } from './lab/lab.ts';
import { isAll } from './requirements.ts';
import { LEECHERS, type Leecher, missing } from './support/leechers.ts';
import { measured, seconds } from './support/measured.ts';
import { startDht } from './support/open-world.ts';
import { runTt, spawnTt } from './support/tt.ts';

const SIZE = 16 << 20;
const NAME = 'payload.bin';
const TRACKER_PORT = 6969;
const RELAY_PORT = 7000;
/** The criterion is 10 s for 16 MiB on an idle machine, and for Transmission what it needs from a seed in the open; here others work on the same cores. */
const WITHIN_MS = 60_000;
const PUBLICS = 6;
/** Of the hosts in the open: the one that runs the programs, and the one whose seed they can dial. */
const [LEECHER_HOST, OPEN_SEED_HOST] = [2, 3];

describe('row 10: a seed behind a symmetric NAT', () => {
  let lab: NatLab;
  let bootstrap: string[];
  const dir = makeTempDir('tt-nat-relay-');
  const content = join(dir.path, 'content');
  const torrentFile = join(dir.path, 'it.torrent');

  beforeAll(async () => {
    const sites = [{ kind: 'symmetric' as const }, { kind: 'symmetric' as const }];
    lab = await NatLab.make({ sites, publics: PUBLICS });
    const relayHost = lab.public(0);
    const tracker = `http://${relayHost.address}:${TRACKER_PORT}/announce`;
    writePayload(join(content, NAME), SIZE, NAME);
    const { torrentBytes } = await createTorrent({ path: join(content, NAME), trackerTiers: [[tracker]] });
    writeFileSync(torrentFile, torrentBytes);
    const trackerProcess = spawnTt(relayHost, ['tracker', 'serve', '--port', `${TRACKER_PORT}`]);
    await trackerProcess.waitForLine(/announce/, 20_000);
    bootstrap = await startDht(lab);
    const relay = spawnTt(relayHost, [
      ...[
        'relay',
        '-p',
        `${RELAY_PORT}`,
        '--proxy-ports',
        '4',
        '--splice-rate',
        '0',
        '--tracker',
        tracker,
        ...bootstrap,
      ],
    ]);
    await relay.waitForLine(/relaying on/, 20_000);
    const seed = spawnTt(lab.host(0), [
      ...['seed', join(content, NAME), '--torrent', torrentFile, '--no-port-map', '--events', ...bootstrap],
    ]);
    await seed.waitForLine(/"seeding"/, 20_000);
    // The relay's own line says when the port is lent.
    await relay.waitForLine(/1 proxied torrent/, 60_000);
  }, 150_000);
  afterAll(async () => {
    await lab.close();
    dir.remove();
  });

  for (const leecher of LEECHERS) {
    const reason = missing(leecher);
    // In each run three are enough.
    it.skipIf(reason !== undefined || (leecher.name === 'rtorrent' && !isAll))(
      `is downloaded by an unmodified ${leecher.name}`,
      async () => {
        measured(10, `${leecher.name} ${seconds(await download(leecher, torrentFile, join(content, NAME)))}`);
      },
      90_000,
    );
  }

  // Transmission decides every ten seconds of its own clock whether it wants something of anybody: what it needs for a seed that it dials itself
  // is what the port is to be measured by.
  const transmission = LEECHERS.find(({ name }) => name === 'transmission');
  const [libtorrent] = LEECHERS.filter(({ name }) => name === 'libtorrent');
  it.skipIf(!isAll || transmission === undefined || missing(transmission) !== undefined)(
    'beside it, Transmission from a seed in the open',
    async () => {
      if (transmission === undefined || libtorrent === undefined) throw new Error('not among the leechers');
      const other = join(content, 'other.bin');
      writePayload(other, SIZE, 'other');
      const tracker = `http://${lab.public(0).address}:${TRACKER_PORT}/announce`;
      const { torrentBytes } = await createTorrent({ path: other, trackerTiers: [[tracker]] });
      const otherTorrent = join(dir.path, 'other.torrent');
      writeFileSync(otherTorrent, torrentBytes);
      const seed = libtorrent.start(lab.public(OPEN_SEED_HOST), otherTorrent, content);
      await seed.waitForLine(/tracker_reply/, 20_000);
      const tookMs = await download(transmission, otherTorrent, other);
      measured(10, `transmission from a libtorrent seed in the open ${seconds(tookMs)}`);
      await seed.stop('SIGTERM');
    },
    120_000,
  );

  it('is downloaded by tt behind another symmetric NAT', async () => {
    const directory = makeTempDir('tt-nat-tt-');
    const startedMs = performance.now();
    const { code, stderr } = await runTt(
      lab.host(1),
      ['download', torrentFile, '-o', directory.path, '--no-port-map', '--timeout', '60s', ...bootstrap],
      { timeoutMs: 80_000 },
    );
    expect(stderr, `exit ${code}`).not.toMatch(/unexpected/);
    expect(code).toBe(0);
    expect(isSame(join(directory.path, NAME), join(content, NAME))).toBe(true);
    measured(10, `tt behind another symmetric NAT ${seconds(performance.now() - startedMs)}`);
    directory.remove();
  }, 90_000);

  it('has sent nothing to a private address', async () => {
    expect(Object.values(await lab.leaks()).every((count) => count === 0)).toBe(true);
  });

  /** @returns ms from the start of the program until all bytes lie on its disk */
  async function download(leecher: Leecher, torrent: string, original: string): Promise<number> {
    using directory = makeTempDir(`tt-nat-${leecher.name}-`);
    const file = join(directory.path, basename(original));
    const startedMs = performance.now();
    const process = leecher.start(lab.public(LEECHER_HOST), torrent, directory.path);
    await waitFor(() => existsSync(file) && statSync(file).size === SIZE && isSame(file, original), {
      what: () => `${leecher.name} to complete\n${process.tail()}`,
      timeoutMs: WITHIN_MS,
      everyMs: 250,
    });
    const tookMs = performance.now() - startedMs;
    await process.stop('SIGTERM');
    return tookMs;
  }

  function isSame(file: string, original: string): boolean {
    return readFileSync(file).equals(readFileSync(original));
  }
});
