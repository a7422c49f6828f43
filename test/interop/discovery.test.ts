// Peers that find peers: PEX (BEP 11) both ways with libtorrent, and local discovery (BEP 14) with libtorrent and aria2.
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { authority, type Client, type Endpoint } from './support/client.ts';
import { type LibtorrentTransfer, libtorrent } from './support/libtorrent.ts';
import { sharedTorrent } from './support/matrix.ts';
import { nextHosts } from './support/network.ts';
import { skipsFor } from './support/requirements.ts';
import { type TtTransfer, tt } from './support/tt.ts';

/** libtorrent's first PEX message comes five seconds after the handshake, ours may take a round of a minute. */
const DISCOVERY_TIMEOUT_MS = 150_000;
/** So slow that nobody finishes, and seeds do not part, before peers were exchanged. */
const CRAWL_BYTES_PER_SEC = 60_000;

describe.skipIf(skipsFor('libtorrent'))('peers find peers', () => {
  const scratch = makeTempDir('tt-discovery-');
  const running: Client[] = [];
  const torrent = () => sharedTorrent('swarm.bin');
  const source = (peers: readonly Endpoint[]) => {
    const { infoHash, name, torrentFile } = torrent();
    return { infoHash, name, torrentFile, peers };
  };

  afterAll(async () => {
    await Promise.all(running.map((client) => client.stop()));
    scratch.remove();
  });

  const slowSeed = async (label: string, settings: Readonly<Record<string, boolean>> = {}) => {
    const client = await libtorrent.start({
      family: 'v4',
      encryption: 'preferred',
      stateDir: join(scratch.path, label),
      settings,
    });
    running.push(client);
    const transfer = await client.seed(source([]), torrent().parentDir);
    await client.call('set_limits', { info_hash: torrent().infoHash, up: CRAWL_BYTES_PER_SEC });
    return { client, transfer };
  };

  const startTtLeech = async (
    label: string,
    peers: readonly Endpoint[],
    extraArgs: readonly string[] = [],
  ) => {
    const hosts = nextHosts();
    const client = await tt.start({
      family: 'v4',
      encryption: 'preferred',
      stateDir: join(scratch.path, label),
      hosts,
      extraArgs,
    });
    running.push(client);
    const transfer = await client.leech(source(peers), join(scratch.path, `${label}-out`));
    return { client, transfer };
  };

  const metByTt = (transfer: TtTransfer, host: string): boolean =>
    transfer.events.some(
      ({ event, address }) => event === 'peer-connected' && String(address).startsWith(`${host}:`),
    );

  const metByLibtorrent = async (transfer: LibtorrentTransfer, endpoint: Endpoint): Promise<boolean> =>
    (await transfer.raw()).peers.some((peer) => peer.endpoint === authority(endpoint));

  test.concurrent('PEX: tt learns of a seed from libtorrent', async () => {
    const { client: seed } = await slowSeed('pex-a-seed');
    const between = await libtorrent.start({
      family: 'v4',
      encryption: 'preferred',
      stateDir: join(scratch.path, 'pex-a-between'),
    });
    running.push(between);
    await between.leech(source([seed.endpoint]), join(scratch.path, 'pex-a-between-out'));
    const { transfer } = await startTtLeech('pex-a-tt', [between.endpoint]);
    await waitFor(() => metByTt(transfer, seed.endpoint.host), {
      what: () => `tt to hear of the seed\n${transfer.process.tail()}`,
      timeoutMs: DISCOVERY_TIMEOUT_MS,
    });
  });

  test.concurrent('PEX: libtorrent learns of a seed from tt', async () => {
    const { client: seed } = await slowSeed('pex-b-seed');
    const { client: between, transfer: ours } = await startTtLeech('pex-b-tt', [seed.endpoint]);
    await waitFor(() => metByTt(ours, seed.endpoint.host), {
      what: 'tt to meet the seed',
      timeoutMs: 20_000,
    });
    const leecher = await libtorrent.start({
      family: 'v4',
      encryption: 'preferred',
      stateDir: join(scratch.path, 'pex-b-leech'),
    });
    running.push(leecher);
    const transfer = await leecher.leech(source([between.endpoint]), join(scratch.path, 'pex-b-leech-out'));
    await waitFor(() => metByLibtorrent(transfer, seed.endpoint), {
      what: () => `libtorrent to hear of the seed\n${ours.process.tail()}`,
      timeoutMs: DISCOVERY_TIMEOUT_MS,
    });
    expect(ours.process.status).toBeUndefined();
  });

  test.concurrent('local discovery: tt and libtorrent find each other', async () => {
    const { client: seed } = await slowSeed('lsd-seed', { enable_lsd: true });
    const { transfer } = await startTtLeech('lsd-tt', [], ['--lsd']);
    await waitFor(() => metByTt(transfer, seed.endpoint.host), {
      what: () => `tt to find the seed\n${transfer.process.tail()}`,
      timeoutMs: DISCOVERY_TIMEOUT_MS,
    });
  });
});
