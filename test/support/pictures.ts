// `npm run pictures`: the screens of the README, as text, from the real drawing code and a made-up session; always the same.
// `--check` only compares, and fails when a picture is stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { file, modelRig, peer, session, torrent } from './screen-rig.ts';

const folder = fileURLToPath(new URL('../../docs/screens/', import.meta.url));
const MIB = 1 << 20;
const SECONDS = 240;

/** A download whose speed rose, dipped and settled. */
function speedAt(second: number): number {
  return (
    MIB * (12 * Math.min(1, second / 40) + 2 * Math.sin(second / 9) - (second > 120 && second < 140 ? 6 : 0))
  );
}

const clients = ['qBittorrent 5.1.2', 'Transmission 4.0.6', 'libtorrent 2.0.11', 'tt 0.1.0', 'aria2 1.37.0'];
const reasons = ['regular', 'optimistic', undefined, 'free-slot', 'allowed-fast'] as const;
const peers = clients.map((client, i) =>
  peer({
    client,
    address: `198.51.100.${20 + i}:6881`,
    transport: i === 2 ? 'utp' : 'tcp',
    isIncoming: i === 3,
    amChoking: reasons[i] === undefined,
    unchokeReason: reasons[i],
    downRateBytesPerSec: (5 - i) * 0.9 * MIB,
    upRateBytesPerSec: reasons[i] === undefined ? 0 : (i + 1) * 90_000,
    pieceCount: 1000 - i * 120,
  }),
);
const pieces = new Uint8Array(125).map((_, i) => (i < 30 ? 0xff : ((i * 73) % 256) & ((i * 29) % 256)));
const pieceAvailability = new Uint8Array(1000).map((_, i) => (i > 940 && i < 950 ? 0 : i > 800 ? 2 : 5));
const main = torrent({
  peers,
  pieces,
  pieceAvailability,
  openPieces: [310, 311, 402, 555, 556, 700],
  verifiedPieces: 412,
  verifiedBytes: 412 * MIB,
  etaMs: 42_000,
});
const second = torrent({
  infoHash: 'b'.repeat(40),
  name: 'Big Buck Bunny',
  state: 'seeding',
  etaMs: undefined,
  verifiedBytes: 1000 * MIB,
  downRateBytesPerSec: 0,
  ratio: 1.84,
});
const third = torrent({
  infoHash: 'c'.repeat(40),
  name: '漢字かな.tar',
  state: 'paused',
  etaMs: undefined,
  downRateBytesPerSec: 0,
  upRateBytesPerSec: 0,
  peers: [],
});

function rig(torrents: readonly ReturnType<typeof torrent>[]): ReturnType<typeof modelRig> {
  const made = modelRig();
  for (let at = 0; at <= SECONDS; at++) {
    const moving = { ...torrents[0], downRateBytesPerSec: Math.max(0, speedAt(at)) } as ReturnType<
      typeof torrent
    >;
    made.model.setSnapshot(session([moving, ...torrents.slice(1)], { atMs: at * 1000 }));
  }
  return made;
}

function picture(
  torrents: readonly ReturnType<typeof torrent>[],
  keys: string,
  columns: number,
  rows: number,
): string {
  const made = rig(torrents);
  made.press(...keys);
  return `${made
    .rows(columns, rows)
    .map((row) => row.trimEnd())
    .join('\n')}\n`;
}

const files = Array.from({ length: 12 }, (_, i) => file(i, { priority: i === 3 ? 7 : i === 5 ? 0 : 4 }));
const PICTURES: Readonly<Record<string, string>> = {
  'overview-80x24.txt': picture([main], '', 80, 24),
  'overview-120x40.txt': picture([main], '', 120, 40),
  'pieces-80x24.txt': picture([main], '2', 80, 24),
  'peers-120x40.txt': picture([main], '3', 120, 16),
  'files-80x24.txt': picture([{ ...main, files }], '4', 80, 24),
  'trackers-80x24.txt': picture([main], '5', 80, 16),
  'list-80x24.txt': picture([main, second, third], '', 80, 14),
  'help-80x24.txt': picture([main], '?', 80, 36),
};

const isCheck = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(PICTURES)) {
  const path = `${folder}${name}`;
  if (!isCheck) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`docs/screens/${name} is stale: run \`npm run pictures\` and commit the result`);
    process.exitCode = 1;
  }
}
