// uTP and nothing else, between tt and those who have spoken it for long: both ways, both families, plain and encrypted, and with
// losses on the way.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256OfTree } from '../support/hash.ts';
import { makeTempDir } from '../support/temp.ts';
import type { Client, ClientKind, Encryption, Source } from './support/client.ts';
import { libtorrent } from './support/libtorrent.ts';
import { expectContent } from './support/matrix.ts';
import { type Family, type HostPair, nextHosts } from './support/network.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { type PeerName, skipsFor } from './support/requirements.ts';
import { StaticTracker } from './support/static-tracker.ts';
import { makeTestTorrent, type TestTorrent } from './support/torrents.ts';
import { transmission } from './support/transmission.ts';
import { tt } from './support/tt.ts';
import { type Rule, UdpPath } from './support/udp-path.ts';

const PAYLOAD_BYTES = 64 * 1024 * 1024;
const LOSSY_BYTES = 8 * 1024 * 1024;
const TRANSFER_TIMEOUT_MS = 150_000;
const LOST_PERCENT = 3;
/** Payload packets of a connection before the one that never arrives. */
const DOOMED_AFTER = 200;

const scratch = makeTempDir('tt-utp-');
const tracker = new StaticTracker();
const torrents = new Map<number, TestTorrent>();

beforeAll(async () => {
  await tracker.start();
  for (const totalBytes of [PAYLOAD_BYTES, LOSSY_BYTES]) {
    const name = `utp-${totalBytes}.bin`;
    const made = await makeTestTorrent({ dir: scratch.path, name, totalBytes, pieceLength: 1 << 20 });
    torrents.set(totalBytes, made);
  }
}, 60_000);
afterAll(async () => {
  await tracker.stop();
  scratch.remove();
});

interface Case {
  readonly family: Family;
  readonly encryption: Encryption;
  readonly totalBytes?: number;
  readonly hosts?: readonly [HostPair, HostPair];
  /** Between the leecher and the seed, where the leecher dials. */
  readonly path?: Rule;
}

let count = 0;

async function transfer(seeds: ClientKind, leeches: ClientKind, wanted: Case): Promise<void> {
  const torrent = torrents.get(wanted.totalBytes ?? PAYLOAD_BYTES) as TestTorrent;
  const running: Client[] = [];
  const start = async (kind: ClientKind, index: 0 | 1): Promise<Client> => {
    const { family, encryption, hosts } = wanted;
    const stateDir = join(scratch.path, `state-${count++}`);
    const own = hosts === undefined ? {} : { hosts: hosts[index] };
    const client = await kind.start({ family, encryption, stateDir, utpOnly: true, ...own });
    running.push(client);
    return client;
  };
  try {
    const seeder = await start(seeds, 0);
    const leecher = await start(leeches, 1);
    const base = { torrentFile: torrent.torrentFile, infoHash: torrent.infoHash, name: torrent.name };
    await seeder.seed(base, torrent.parentDir);
    await using path = wanted.path && (await UdpPath.open(nextHosts().v4, seeder.endpoint, wanted.path));
    const met = path?.endpoint ?? seeder.endpoint;
    const room = tracker.room({ peers: [met] });
    const where = leeches.dialsPeers ? { peers: [met] } : { trackers: [room.urls[wanted.family]] };
    const source: Source = { ...base, ...where };
    const out = join(scratch.path, `out-${count++}`);
    const startedMs = performance.now();
    await (await leecher.leech(source, out)).waitUntilComplete(TRANSFER_TIMEOUT_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    const rate = (torrent.totalBytes / 1e6 / seconds).toFixed(1);
    process.stderr.write(`uTP: ${seeds.name} to ${leeches.name}, ${rate} MB/s with start and end\n`);
    await expectContent(torrent, out, leecher.name);
    expect(sha256OfTree(join(torrent.parentDir, torrent.name))).toBe(torrent.sha256);
  } finally {
    await Promise.all(running.map((client) => client.stop()));
  }
}

const CASES: readonly Case[] = [
  { family: 'v4', encryption: 'plain' },
  { family: 'v4', encryption: 'required' },
  { family: 'v6', encryption: 'plain' },
  { family: 'v6', encryption: 'required' },
];

for (const kind of [libtorrent, qbittorrent, transmission] as const) {
  describe.skipIf(skipsFor(kind.name as PeerName, 'libtorrent'))(`uTP: tt and ${kind.name}`, () => {
    // Transmission 3.00 opens its UDP socket of IPv6 on addresses of 2000::/3 only, which this network does not have.
    const cases = kind === transmission ? CASES.filter(({ family }) => family === 'v4') : CASES;
    for (const each of cases) {
      const label = `IP${each.family}, ${each.encryption === 'plain' ? 'plain' : 'encrypted'}, 64 MiB`;
      test(`${kind.name} to tt: ${label}`, () => transfer(kind, tt, each), TRANSFER_TIMEOUT_MS + 30_000);
      test(`tt to ${kind.name}: ${label}`, () => transfer(tt, kind, each), TRANSFER_TIMEOUT_MS + 30_000);
    }
    const small = { family: 'v4', encryption: 'required', totalBytes: LOSSY_BYTES } as const;
    test(
      `${kind.name} to tt, which hears of two of its SYNs at once`,
      async () => {
        const { rule, held } = lateStart();
        await transfer(kind, tt, { ...small, path: rule });
        expect(held).toHaveLength(2);
      },
      TRANSFER_TIMEOUT_MS + 30_000,
    );
  });
}

/** A peer that is slow to answer, so that a second SYN is on the way when it looks. */
function lateStart(): { readonly rule: Rule; readonly held: Uint8Array[] } {
  const held: Uint8Array[] = [];
  const rule: Rule = (bytes, { kind }, isFromTarget) => {
    if (kind !== 'syn' || isFromTarget || held.length === 2) return [bytes];
    held.push(bytes);
    return held.length === 2 ? held : [];
  };
  return { rule, held };
}

/** One packet of the seed's first connection never arrives, however often it is sent. */
function oneLost(): { readonly rule: Rule; readonly lost: Uint8Array[]; readonly ids: Set<number> } {
  const lost: Uint8Array[] = [];
  const ids = new Set<number>();
  let doomed: number | undefined;
  const rule: Rule = (bytes, { kind, id, seq }, isFromTarget) => {
    if (kind !== 'data' || !isFromTarget) return [bytes];
    ids.add(id);
    doomed ??= (seq + DOOMED_AFTER) & 0xffff;
    if (ids.size > 1 || seq !== doomed) return [bytes];
    lost.push(bytes);
    return [];
  };
  return { rule, lost, ids };
}

describe.skipIf(skipsFor('libtorrent'))('uTP: a peer that gives up without a word', () => {
  // libtorrent 2.0.8 ends a connection, and tells nobody, when one packet was lost two or three times.
  test(
    'libtorrent to tt',
    async () => {
      const { rule, lost, ids } = oneLost();
      await transfer(libtorrent, tt, {
        family: 'v4',
        encryption: 'required',
        totalBytes: LOSSY_BYTES,
        path: rule,
      });
      expect(lost.length).toBeGreaterThanOrEqual(2);
      expect(ids.size).toBe(2);
    },
    TRANSFER_TIMEOUT_MS + 30_000,
  );
});

const hasNft = spawnSync('nft', ['--version']).error === undefined;

/** Only between these addresses of the test's own network. */
function lose(hosts: readonly HostPair[], isOn: boolean): void {
  const rules = hosts.flatMap(({ v4, v6 }) => [
    `add rule inet tt_loss input ip saddr ${v4} meta l4proto udp numgen random mod 100 < ${LOST_PERCENT} drop`,
    `add rule inet tt_loss input ip6 saddr ${v6} meta l4proto udp numgen random mod 100 < ${LOST_PERCENT} drop`,
  ]);
  const script = isOn
    ? [
        'add table inet tt_loss',
        'add chain inet tt_loss input { type filter hook input priority 0; }',
        ...rules,
      ]
    : ['delete table inet tt_loss'];
  const result = spawnSync('nft', ['-f', '-'], { input: `${script.join('\n')}\n`, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`nft: ${result.stderr}`);
}

describe.skipIf(!hasNft || skipsFor('libtorrent'))(`uTP with ${LOST_PERCENT} % of all datagrams lost`, () => {
  const hosts = [nextHosts(), nextHosts()] as const;
  beforeAll(() => lose(hosts, true));
  afterAll(() => lose(hosts, false));
  const lossy = { encryption: 'required', totalBytes: LOSSY_BYTES, hosts } as const;
  for (const [seeds, leeches, family] of [
    [libtorrent, tt, 'v4'],
    [tt, libtorrent, 'v4'],
    [tt, tt, 'v6'],
  ] as const) {
    test(
      `${seeds.name} to ${leeches.name}`,
      () => transfer(seeds, leeches, { ...lossy, family }),
      TRANSFER_TIMEOUT_MS + 30_000,
    );
  }
});
