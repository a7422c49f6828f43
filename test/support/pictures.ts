// `npm run pictures`: the screens of the README, as text and as SVG, from the real drawing code and a made-up session; always the same.
// `--check` only compares, and fails when a picture is stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripStyle } from '../../cli/terminal/style.ts';
import { crawlModel } from './crawl-picture.ts';
import {
  dhtPicture,
  file,
  heldRelay,
  modelRig,
  natFamily,
  peer,
  portMapping,
  session,
  torrent,
} from './screen-rig.ts';
import { svgOfScreen } from './svg.ts';

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
const transports = ['tcp', 'utp', 'utp', 'tcp', 'utp'] as const;
const ways = [
  { rung: 'direct', ms: 38 },
  { rung: 'punch', ms: 420 },
  { rung: 'direct', ms: 64 },
  { rung: 'reverse', ms: 183 },
  { rung: 'splice', ms: 912 },
] as const;
const peers = clients.map((client, i) =>
  peer({
    client,
    address: `198.51.100.${20 + i}:6881`,
    transport: transports[i] as (typeof transports)[number],
    reached: ways[i] as (typeof ways)[number],
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

const complete = torrent({
  ...main,
  state: 'seeding',
  etaMs: undefined,
  pieces: new Uint8Array(125).fill(0xff),
  openPieces: [],
  verifiedPieces: 1000,
  verifiedBytes: 1000 * MIB,
  downloadedBytes: 1000.03 * MIB,
  uploadedBytes: 612 * MIB,
  ratio: 0.61,
  completedAtMs: 97_400,
  downRateBytesPerSec: 0,
  upRateBytesPerSec: 4.2 * MIB,
});

type Torrents = readonly ReturnType<typeof torrent>[];

const nat = {
  families: [
    natFamily(),
    natFamily({
      family: 6,
      state: 'eim',
      external: { host: '2001:db8:4::7', port: 6891 },
      mappings: [
        portMapping({ internalPort: 6891, state: 'none', protocol: undefined, externalPort: undefined }),
      ],
    }),
  ],
  announcedPort: 40_123,
  isMappingOn: true,
  classifiedAfterMs: 1_200,
};

const listen = [{ transport: 'tcp', host: '0.0.0.0', port: 6891, incomingCount: 3 }] as const;

function rig(torrents: Torrents, hasColor: boolean): ReturnType<typeof modelRig> {
  const made = modelRig({ hasColor });
  for (let at = 0; at <= SECONDS; at++) {
    const first = torrents[0] as ReturnType<typeof torrent>;
    const speed = Math.max(0, speedAt(at));
    const moving =
      first.state === 'seeding'
        ? { ...first, upRateBytesPerSec: speed / 3 }
        : { ...first, downRateBytesPerSec: speed };
    const dht = dhtPicture({
      roundTripP10Ms: 38 + 6 * Math.sin(at / 20),
      roundTripP90Ms: 260 + 90 * Math.sin(at / 11) + 400 * Math.exp(-at / 15),
    });
    made.model.setSnapshot(
      session([moving, ...torrents.slice(1)], { atMs: at * 1000, dht, nat, relays: [heldRelay()], listen }),
    );
  }
  return made;
}

interface Picture {
  readonly torrents: Torrents;
  readonly keys: string;
  readonly columns: number;
  readonly rows: number;
  /** An SVG beside the text: for the few that a page shows. */
  readonly hasSvg?: boolean;
}

const files = Array.from({ length: 12 }, (_, i) => file(i, { priority: i === 3 ? 7 : i === 5 ? 0 : 4 }));
const all = [main, second, third];
const PICTURES: Readonly<Record<string, Picture>> = {
  'overview-80x24': { torrents: [main], keys: '', columns: 80, rows: 24 },
  'overview-120x40': { torrents: [main], keys: '', columns: 120, rows: 40, hasSvg: true },
  'overview-200x60': { torrents: [main], keys: '', columns: 200, rows: 60 },
  'complete-80x24': { torrents: [complete], keys: '', columns: 80, rows: 24 },
  'pieces-80x24': { torrents: [main], keys: '2', columns: 80, rows: 24, hasSvg: true },
  'peers-120x40': { torrents: [main], keys: '3', columns: 120, rows: 16, hasSvg: true },
  'files-80x24': { torrents: [{ ...main, files }], keys: '4', columns: 80, rows: 24 },
  'trackers-80x24': { torrents: [main], keys: '5', columns: 80, rows: 24 },
  'trackers-120x40': { torrents: [main], keys: '5', columns: 120, rows: 32, hasSvg: true },
  'list-80x24': { torrents: all, keys: '', columns: 80, rows: 14 },
  'list-120x40': { torrents: all, keys: '', columns: 120, rows: 14, hasSvg: true },
  'help-80x24': { torrents: [main], keys: '?', columns: 80, rows: 36 },
};

function plain({ torrents, keys, columns, rows }: Picture): string {
  const made = rig(torrents, false);
  made.press(...keys);
  return `${made
    .rows(columns, rows)
    .map((row) => row.trimEnd())
    .join('\n')}\n`;
}

function colored({ torrents, keys, columns, rows }: Picture, title: string): string {
  const made = rig(torrents, true);
  made.press(...keys);
  return svgOfScreen(made.model.frame(columns, rows), columns, title);
}

/** The screen of a crawl: first and second look, with a database of places and without. */
const CRAWLS = [
  { name: 'crawl-80x24', hasPlaces: true, columns: 80, rows: 24 },
  { name: 'crawl-120x40', hasPlaces: true, columns: 120, rows: 40, hasSvg: true },
  { name: 'crawl-200x60', hasPlaces: true, columns: 200, rows: 60 },
  { name: 'crawl-second-80x24', hasPlaces: false, isSecond: true, columns: 80, rows: 24 },
] as const;

const isCheck = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
const wanted = new Map<string, string>();
for (const [name, picture] of Object.entries(PICTURES)) {
  wanted.set(`${name}.txt`, plain(picture));
  if (picture.hasSvg === true) wanted.set(`${name}.svg`, colored(picture, `tt: ${name.split('-')[0]}`));
}
for (const { name, columns, rows, ...options } of CRAWLS) {
  const lines = crawlModel({ ...options, hasColor: false }).frame(columns, rows);
  wanted.set(`${name}.txt`, `${lines.map((row) => stripStyle(row).trimEnd()).join('\n')}\n`);
  if ('hasSvg' in options)
    wanted.set(
      `${name}.svg`,
      svgOfScreen(crawlModel({ ...options, hasColor: true }).frame(columns, rows), columns, 'tt: crawl'),
    );
}
for (const [name, text] of wanted) {
  const path = `${folder}${name}`;
  if (!isCheck) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`docs/screens/${name} is stale: run \`npm run pictures\` and commit the result`);
    process.exitCode = 1;
  }
}
