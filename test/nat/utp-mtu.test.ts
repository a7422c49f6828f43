// uTP finds out how large its datagrams may be on real paths: links narrower than Ethernet's in the middle, that say so (ICMP) or drop
// without a word, and narrow interfaces of the host itself.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256OfTree } from '../support/hash.ts';
import { makeTempDir, type TempDir } from '../support/temp.ts';
import type { LabHost } from './lab/host.ts';
import { NatLab } from './lab/lab.ts';
import { runTt, spawnTt } from './support/tt.ts';

const PORT = 7002;
const BYTES = 6 << 20;
const START_MS = 20_000;
const TRANSFER_MS = 90_000;
const TEST_MS = 150_000;
/** IPv4 and UDP. */
const HEADERS_BYTES = 28;
const ETHERNET = 1500;

/** What passed the core to and from the narrow host, and was payload by its size. */
interface Counts {
  /** Datagrams of more than 1,000 bytes, as IP carries them. */
  readonly large: number;
  /** Of more than the link takes. */
  readonly tooLarge: number;
  readonly fragments: number;
}

describe.each([1400, 1280])('a path of %d bytes', (mtu) => {
  let lab: NatLab;
  let dir: TempDir;
  let torrent: string;
  let narrow: LabHost;
  let wide: LabHost;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: [], publics: 2 });
    [wide, narrow] = [lab.public(0), lab.public(1)];
    dir = makeTempDir('tt-nat-mtu-');
    const data = join(dir.path, 'data.bin');
    writeFileSync(
      data,
      Uint8Array.from({ length: BYTES }, (_, i) => ((i * 2_654_435_761) >>> 13) & 0xff),
    );
    torrent = join(dir.path, 'data.torrent');
    const created = await runTt(wide, ['create', data, '-o', torrent]);
    expect(created.code, created.stderr).toBe(0);
  });
  afterAll(async () => {
    await lab?.close();
    dir?.remove();
  });

  async function watch(): Promise<() => Promise<Counts>> {
    const { address } = narrow;
    const rules = [
      ['large', 'meta length > 1000'],
      ['too_large', `meta length > ${mtu}`],
      ['fragments', 'ip frag-off & 0x3fff != 0'],
    ].flatMap(([name, what]) => [
      `add counter inet mtu ${name}`,
      `add rule inet mtu seen ip daddr ${address} meta l4proto udp ${what} counter name ${name}`,
      `add rule inet mtu seen ip saddr ${address} meta l4proto udp ${what} counter name ${name}`,
    ]);
    await lab.inCore(
      [
        'nft -f - <<X',
        'table inet mtu',
        'delete table inet mtu',
        'add table inet mtu',
        // Before fragments are put together again, which connection tracking would do.
        'add chain inet mtu seen { type filter hook prerouting priority -500; }',
        ...rules,
        'X',
      ].join('\n'),
    );
    return async () => {
      const text = await lab.inCore('nft -j list counters table inet mtu');
      const { nftables } = JSON.parse(text) as {
        nftables: { counter?: { name: string; packets: number } }[];
      };
      const of = (name: string): number =>
        nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? -1;
      return { large: of('large'), tooLarge: of('too_large'), fragments: of('fragments') };
    };
  }

  async function transfer(from: LabHost, to: LabHost): Promise<Counts> {
    const common = ['--no-tcp', '--no-dht', '--no-lsd', '--no-pex', '--no-port-map'];
    const counts = await watch();
    const seed = spawnTt(from, [
      ...['seed', join(dir.path, 'data.bin'), '--torrent', torrent, '--port', `${PORT}`, '--events'],
      ...common,
    ]);
    try {
      await seed.waitForLine(/"seeding"/, START_MS);
      const out = makeTempDir('tt-nat-mtu-out-');
      try {
        const leech = await runTt(
          to,
          ['download', torrent, '-o', out.path, '--peer', `${from.address}:${PORT}`, ...common],
          { timeoutMs: TRANSFER_MS },
        );
        expect(leech.code, `${leech.stderr}\n${seed.tail()}`).toBe(0);
        expect(sha256OfTree(join(out.path, 'data.bin'))).toBe(sha256OfTree(join(dir.path, 'data.bin')));
      } finally {
        out.remove();
      }
    } finally {
      await seed.stop('SIGINT');
    }
    return counts();
  }

  /** As many as it takes with datagrams that fill the path. */
  const fewest = Math.floor(BYTES / (mtu - HEADERS_BYTES));

  const CASES = [
    ['where routers say what is too large', () => narrowMiddle(true)],
    ['where routers drop it without a word', () => narrowMiddle(false)],
    ['where the narrow link is our own', () => narrowEnd()],
  ] as const;
  for (const [name, prepare] of CASES) {
    it(
      `is found ${name}`,
      async () => {
        await prepare();
        const { large, tooLarge, fragments } = await transfer(narrow, wide);
        process.stderr.write(
          `uTP on ${mtu}, ${name}: ${large} large, ${tooLarge} too large, ${fragments} fragments\n`,
        );
        // Not stuck at what every path takes.
        expect(large).toBeGreaterThan(0.7 * fewest);
        // Each size that fails is tried at most three times, on each of the few connections that may have been made.
        expect(tooLarge).toBeLessThan(60);
        expect(fragments).toBeLessThan(120);
      },
      TEST_MS,
    );
  }

  /** Links in the middle take less than the interfaces of both hosts. @param says whether the router tells senders (ICMP) */
  async function narrowMiddle(says: boolean): Promise<void> {
    await lab.inCore(
      [
        ...[0, 1].map((index) => `ip link set ${lab.coreInterfaceOf(index)} mtu ${mtu}`),
        ...silence(!says),
      ].join('\n'),
    );
    await setEnd(ETHERNET);
  }

  async function narrowEnd(): Promise<void> {
    await lab.inCore(
      [
        ...[0, 1].map((index) => `ip link set ${lab.coreInterfaceOf(index)} mtu 1500`),
        ...silence(false),
      ].join('\n'),
    );
    await setEnd(mtu);
  }

  const silence = (isOn: boolean): string[] => [
    'nft -f - <<X',
    'table inet quiet',
    'delete table inet quiet',
    ...(isOn
      ? [
          'add table inet quiet',
          'add chain inet quiet out { type filter hook output priority 0; }',
          'add rule inet quiet out icmp type destination-unreachable drop',
        ]
      : []),
    'X',
  ];

  /** What an earlier case taught the kernels is forgotten. */
  async function setEnd(bytes: number): Promise<void> {
    await narrow.shell(`ip link set wan mtu ${bytes}\nip route flush cache`);
    await wide.shell('ip route flush cache');
  }
});
