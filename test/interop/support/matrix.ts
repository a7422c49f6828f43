// Every combination of one foreign client and tt: each as seeder of the other, encrypted and plain, IPv4 and IPv6, single file and tree,
// .torrent and magnet. A foreign process is shared by the four transfers it can do at once; tt runs once for each.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { sha256OfTree } from '../../support/hash.ts';
import { makeTempDir } from '../../support/temp.ts';
import { waitFor } from '../../support/wait.ts';
import type { Client, ClientKind, Encryption, Source } from './client.ts';
import type { SharedTorrent } from './global-setup.ts';
import type { Family } from './network.ts';
import { type PeerName, skipsFor } from './requirements.ts';
import { StaticTracker } from './static-tracker.ts';
import { tt } from './tt.ts';

/** A transfer of some MiB takes well under a second of CPU; the rest is other people's timers and a busy machine. */
const TRANSFER_TIMEOUT_MS = 150_000;

/** Named as in global-setup.ts. Four torrents, so that one foreign process can do all four transfers at once. */
const CONTENTS = [
  { by: '.torrent', shape: 'single file', torrent: 'single-a.bin' },
  { by: '.torrent', shape: '2,000 files', torrent: 'tree a' },
  { by: 'magnet', shape: 'single file', torrent: 'single-b.bin' },
  { by: 'magnet', shape: '2,000 files', torrent: 'tree-b' },
] as const;

export function sharedTorrent(name: string): SharedTorrent {
  const torrent = inject('torrents').find((candidate) => candidate.name === name);
  if (torrent === undefined) throw new Error(`no test torrent ${name}`);
  return torrent;
}

/** libtorrent says "complete" while its last writes are still on their way to the file. */
const FLUSH_TIMEOUT_MS = 10_000;

/** Fails unless every byte below `dir` is right. Some foreign clients make no files of no bytes; tt must. */
export async function expectContent(torrent: SharedTorrent, dir: string, client: string): Promise<void> {
  const content = join(dir, torrent.name);
  if (client === 'tt') {
    expect(sha256OfTree(content)).toBe(torrent.sha256);
    return;
  }
  const isThere = (): boolean =>
    sha256OfTree(content, { emptyFiles: 'ignored' }) === torrent.sha256OfNonEmpty;
  await waitFor(isThere, {
    what: `the right bytes from ${client}`,
    timeoutMs: FLUSH_TIMEOUT_MS,
    everyMs: 200,
  });
}

export function defineMatrix(kind: ClientKind & { readonly name: PeerName }): void {
  describe.skipIf(skipsFor(kind.name, 'libtorrent'))(`tt and ${kind.name}`, () => {
    const tracker = new StaticTracker();
    const scratch = makeTempDir(`tt-interop-${kind.name}-`);
    const running: Client[] = [];
    const foreign = new Map<string, Promise<Client>>();
    let count = 0;

    /** The one foreign process of its kind, shared by concurrent cases. */
    const foreignClient = (role: string, family: Family, encryption: Encryption): Promise<Client> => {
      const key = `${role}-${family}-${encryption}`;
      let client = foreign.get(key);
      if (client === undefined) {
        client = kind.start({ family, encryption, stateDir: join(scratch.path, key) }).then((started) => {
          running.push(started);
          return started;
        });
        foreign.set(key, client);
      }
      return client;
    };

    const ttClient = async (family: Family, encryption: Encryption): Promise<Client> => {
      const client = await tt.start({ family, encryption, stateDir: join(scratch.path, `tt-${count++}`) });
      running.push(client);
      return client;
    };

    beforeAll(() => tracker.start());
    afterAll(async () => {
      await Promise.all(running.map((client) => client.stop()));
      await tracker.stop();
      scratch.remove();
    });

    for (const family of ['v4', 'v6'] as const) {
      for (const encryption of ['plain', 'required'] as const) {
        for (const { by, shape, torrent: torrentName } of CONTENTS) {
          const label = `${family === 'v4' ? 'IPv4' : 'IPv6'}, ${encryption === 'plain' ? 'plain' : 'encrypted'}, ${shape}, ${by}`;
          const slug = label.replaceAll(/[^a-zA-Z0-9]+/g, '-');

          const transfer = async (seeder: Client, leecher: Client, usesTracker: boolean): Promise<void> => {
            const torrent = sharedTorrent(torrentName);
            const base = { torrentFile: torrent.torrentFile, infoHash: torrent.infoHash, name: torrent.name };
            await seeder.seed(base, torrent.parentDir);
            const room = tracker.room({ peers: [seeder.endpoint] });
            const where = usesTracker ? { trackers: [room.urls[family]] } : { peers: [seeder.endpoint] };
            const source: Source =
              by === 'magnet'
                ? { magnet: torrent.magnet, infoHash: torrent.infoHash, name: torrent.name, ...where }
                : { ...base, ...where };
            const out = join(scratch.path, `out-${leecher.name}-${slug}`);
            await (await leecher.leech(source, out)).waitUntilComplete(TRANSFER_TIMEOUT_MS);
            await expectContent(torrent, out, leecher.name);
            if (usesTracker) expect(room.announces.some(({ event }) => event === 'started')).toBe(true);
          };

          test.concurrent(`${kind.name} to tt: ${label}`, async () => {
            const seeder = await foreignClient('seeder', family, encryption);
            const leecher = await ttClient(family, encryption);
            // Peers by --peer and x.pe for single files, by --tracker and tr= for trees.
            await transfer(seeder, leecher, shape !== 'single file');
          });

          test.concurrent(`tt to ${kind.name}: ${label}`, async () => {
            const seeder = await ttClient(family, encryption);
            const leecher = await foreignClient('leecher', family, encryption);
            await transfer(seeder, leecher, !kind.dialsPeers);
          });
        }
      }
    }
  });
}
