// A crawl as its screen sees it, made up: how far it is decides everything else, so that tests and pictures agree.
import { CrawlModel } from '../../cli/crawl/crawl-screen.ts';
import { CrawlCounts } from '../../dht/crawl/crawl-counts.ts';
import type { CrawlProgress } from '../../dht/crawl/io/crawl-setup.ts';

/** Of a hundred nodes. */
const COUNTRIES = { RU: 19, US: 14, CN: 13, BR: 9, IN: 8, DE: 7, FR: 6, UA: 5, JP: 4, AU: 3, ZA: 2, XK: 1 };
const CLIENTS = ['libtorrent 2.0', 'uTorrent', 'libtorrent 2.0', 'Transmission', 'tt'];
const KNOWN = Object.values(COUNTRIES).reduce((sum, count) => sum + count, 0);

export interface CrawlMoment {
  /** Visits of this look. */
  readonly visits: number;
  readonly listed?: number;
  readonly phase?: CrawlProgress['phase'];
  readonly elapsedMs?: number;
  readonly hasPlaces?: boolean;
  readonly traps?: number;
  /** Verified by the first look; this one is the second. */
  readonly firstVerified?: number;
}

/** A fifth of the nodes is dead; of what the second look finds the first had missed one in fifty. */
export function crawlProgress(moment: CrawlMoment): CrawlProgress {
  const { visits, listed = visits + 100, traps = 0, firstVerified } = moment;
  const phase = moment.phase ?? (firstVerified === undefined ? 'crawl' : 'repeat');
  const counts = new CrawlCounts();
  counts.listed = listed;
  for (let i = 0; i < visits; i++) {
    const hasAnswered = i % 5 !== 0;
    counts.count({
      outcome: hasAnswered ? 'ok' : 'timeout',
      isInZone: true,
      isClaimedInZone: true,
      tries: hasAnswered ? 1 : 2,
      answeredTry: hasAnswered ? (i % 97 === 0 ? 2 : 1) : undefined,
      roundTripMs: hasAnswered ? 40 + (i % 41) * 9 : undefined,
      client: CLIENTS[i % CLIENTS.length],
      bep42: 'valid',
    });
  }
  const share = (count: number): number => Math.round((counts.responded * count) / 100);
  const countries = new Map(Object.entries(COUNTRIES).map(([code, count]) => [code, share(count)] as const));
  const systems = new Map(
    Object.values(COUNTRIES).map((count, i) => [`AS${64_500 + i} Example ${i}`, share(count)] as const),
  );
  return {
    runId: 'run',
    phase,
    pass: firstVerified === undefined ? 1 : 2,
    elapsedMs: moment.elapsedMs ?? visits * 10,
    counts,
    verified: counts.verified,
    queueLeft: Math.max(0, listed - visits - 7),
    inFlight: Math.min(7, listed - visits),
    sent: visits + Math.ceil(visits / 5),
    zoneBits: 12,
    traps,
    places:
      moment.hasPlaces === true
        ? { countries, systems, looked: Math.round((share(KNOWN) * 100) / KNOWN) }
        : undefined,
    overlap:
      firstVerified === undefined
        ? undefined
        : {
            of: counts.verified,
            hits: Math.floor(counts.verified * 0.98),
            firstVerified,
            zoneBits: 12,
          },
  };
}

const NODES = 4_800;
const MOMENTS = 120;

/** A first look at a zone of 4,800 endpoints, the last picture two thirds through; or a second look after it. */
export function crawlModel(options: {
  readonly hasColor: boolean;
  readonly hasPlaces: boolean;
  readonly isSecond?: boolean;
}): CrawlModel {
  const { hasColor, hasPlaces, isSecond = false } = options;
  const model = new CrawlModel({
    hasColor,
    title: 'tt dht crawl a3f/12',
    quit: () => {},
    interrupt: () => {},
  });
  for (let i = 1; i <= MOMENTS; i++) {
    const share = (i / MOMENTS) * 0.68;
    const visits = Math.round(NODES * share);
    const listed = Math.min(NODES, Math.round(visits + NODES * 0.55 * Math.sqrt(share)));
    const elapsedMs = (isSecond ? 11_000 : 0) + i * 60 + 20 * Math.round(Math.sin(i / 5));
    const second = isSecond ? { firstVerified: 3_790 } : {};
    model.update(
      crawlProgress({ visits, listed, elapsedMs, hasPlaces, ...second }),
      (MOMENTS * 1.47 - i) * 60,
    );
  }
  return model;
}
