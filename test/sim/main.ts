// `npm run sim -- [scenario ...] [--seed N] [--seeds COUNT] [--json]`: swarms of the real code in virtual time, as tables.
// `npm run sim -- utp`: uTP on lines of all kinds, see utp.ts. `npm run sim -- dht ...`: the same for the DHT, see dht.ts.
// `npm run sim -- nat ...`: who can reach whom, see nat.ts.
import { parseArgs } from 'node:util';
import { inOrder, randomOrder, rarestFirst } from '../../core/pieces/policy.ts';
import { SEEDING_RANKS, titForTat } from '../../core/swarm/choke-policy.ts';
import { simulateDht } from './dht.ts';
import { simulateNat } from './nat.ts';
import { CORRUPT_PEER, runCorruptPeer } from './scenarios/corrupt-peer.ts';
import { FLASH_CROWD, runFlashCrowd } from './scenarios/flash-crowd.ts';
import { FREE_RIDER, runFreeRider } from './scenarios/free-rider.ts';
import { LONG_LINE, runLongLine } from './scenarios/long-line.ts';
import { RARITY, runRarity } from './scenarios/rarity.ts';
import { runStalledPeer, STALLED_PEER } from './scenarios/stalled-peer.ts';
import { formatTable, median } from './statistics.ts';
import { simulateUtp } from './utp.ts';

type Row = Record<string, string | number>;

interface Scenario {
  readonly title: string;
  /** Seeds run unless told otherwise. */
  readonly seedCount: number;
  readonly run: (seeds: readonly number[]) => Row[];
}

const SAMPLE_EVERY = 8;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  rarity: {
    title: 'Copies of the least replicated piece among 40 leechers, by picking order',
    seedCount: 3,
    run: (seeds) =>
      [rarestFirst, randomOrder, inOrder].flatMap((pickPolicy) =>
        seeds.map((seed) => {
          const result = runRarity({ ...RARITY, seed, pickPolicy });
          return {
            policy: result.policy,
            seed,
            'mean least': result.meanLeastCopies,
            'one copy of all, s': result.independentAfterSeconds,
            'all done, s': result.lastSeconds,
            [`least copies every ${SAMPLE_EVERY} s`]: result.leastCopies
              .filter((_, second) => second % SAMPLE_EVERY === 0)
              .slice(0, 12)
              .join(' '),
            trace: result.trace,
          };
        }),
      ),
  },
  'free-rider': {
    title: '30 contributors and 10 free riders with the same line at one seed',
    seedCount: 3,
    run: (seeds) =>
      [false, true].flatMap((areContributorsLeaving) => {
        const rows = seeds.map((seed) => {
          const result = runFreeRider({ ...FREE_RIDER, seed, areContributorsLeaving });
          return {
            'contributors that are done': areContributorsLeaving ? 'leave' : 'stay and give',
            seed: String(seed),
            'contributor, s': result.contributorMedianSeconds,
            'free rider, s': result.freeRiderMedianSeconds,
            penalty: result.penalty,
            trace: result.trace,
          };
        });
        const middle = { ...(rows[0] as (typeof rows)[0]), seed: 'median', trace: '' };
        for (const column of ['contributor, s', 'free rider, s', 'penalty'] as const) {
          middle[column] = median(rows.map((row) => row[column]));
        }
        return [...rows, middle];
      }),
  },
  stalled: {
    title: 'Four good seeds, and others that stop in the middle',
    seedCount: 3,
    run: (seeds) =>
      [0, 1, 3].flatMap((stallingSeeds) =>
        seeds.map((seed) => {
          const result = runStalledPeer({ ...STALLED_PEER, seed, stallingSeeds });
          return {
            'stalling seeds': stallingSeeds,
            seed,
            'done, s': result.seconds,
            'last 1 %, s': result.lastPercentSeconds,
            'duplicate share': result.duplicateShare,
            trace: result.trace,
          };
        }),
      ),
  },
  corrupt: {
    title: 'Eight leechers, three honest seeds, two that spoil blocks',
    seedCount: 3,
    run: (seeds) =>
      [
        { taintProbability: 1, pieceMib: 0.5 },
        { taintProbability: 0.01, pieceMib: 0.5 },
        // So long that several peers share one: guilt must be found block by block.
        { taintProbability: 0.1, pieceMib: 4 },
        { taintProbability: 0.01, pieceMib: 4 },
      ].flatMap(({ taintProbability, pieceMib }) =>
        seeds.map((seed) => {
          const pieceLength = pieceMib * (1 << 20);
          const totalBytes = 64 << 20;
          const result = runCorruptPeer({ ...CORRUPT_PEER, seed, taintProbability, pieceLength, totalBytes });
          return {
            'blocks spoilt': taintProbability,
            'piece, MiB': pieceMib,
            seed,
            finished: result.finished,
            'done, s': result.seconds,
            'spoilers met': result.spoilersMet,
            'spoilers banned': result.spoilersBanned,
            'innocent banned': result.innocentBanned,
            'failed share': result.failedShare,
            trace: result.trace,
          };
        }),
      ),
  },
  'long-line': {
    title: 'One seed far away, 128 MiB; ratio to size / rate + one round trip',
    seedCount: 1,
    run: (seeds) =>
      [1, 10, 100].flatMap((megabytesPerSec) =>
        [50, 300].flatMap((roundTripMs) =>
          seeds.map((seed) => {
            const result = runLongLine({
              ...LONG_LINE,
              seed,
              roundTripMs,
              bytesPerSec: megabytesPerSec * 1e6,
            });
            return {
              'MB/s': megabytesPerSec,
              'round trip, ms': roundTripMs,
              seed,
              'done, s': result.seconds,
              ratio: result.ratio,
              trace: result.trace,
            };
          }),
        ),
      ),
  },
  'flash-crowd': {
    title: '200 leechers and one seed, all at once; floor = size / seed rate + log2 N piece times',
    seedCount: 1,
    run: (seeds) => [
      ...seeds.map((seed) => flashRow('round-robin', runFlashCrowd({ ...FLASH_CROWD, seed }))),
    ],
  },
  'seeding-ranks': {
    title: '60 leechers and one seed, by the seed ranking of the choker',
    seedCount: 1,
    run: (seeds) =>
      SEEDING_RANKS.flatMap((rank) =>
        seeds.map((seed) =>
          flashRow(
            rank,
            runFlashCrowd({
              ...FLASH_CROWD,
              seed,
              leechers: 60,
              totalBytes: 32 << 20,
              pieceLength: 128 << 10,
              chokePolicy: titForTat(rank),
            }),
          ),
        ),
      ),
  },
};

function flashRow(rank: string, result: ReturnType<typeof runFlashCrowd>): Row {
  return {
    'seed ranking': rank,
    leechers: result.leechers,
    seed: result.seed,
    'median, s': result.medianSeconds,
    'last, s': result.lastSeconds,
    'floor, s': result.floorSeconds,
    ratio: result.ratio,
    'duplicate share': result.wastedShare,
    'copies sent by the seed': result.seedSentCopies,
    trace: result.trace,
  };
}

if (process.argv[2] === 'dht') process.exit(simulateDht(process.argv.slice(3)));
if (process.argv[2] === 'utp') process.exit(simulateUtp(process.argv.slice(3)));
if (process.argv[2] === 'nat') process.exit(simulateNat(process.argv.slice(3)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, seeds: { type: 'string' }, json: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => SCENARIOS[name] === undefined);
if (unknown.length > 0) {
  console.error(`unknown scenario ${unknown.join(', ')}; there are: ${Object.keys(SCENARIOS).join(', ')}`);
  process.exit(2);
}
const firstSeed = Number(values.seed ?? 1);
const results: Record<string, Row[]> = {};
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const count = Number(values.seeds ?? (values.seed === undefined ? scenario.seedCount : 1));
  const startedAtMs = performance.now();
  const rows = scenario.run(Array.from({ length: count }, (_, index) => firstSeed + index));
  results[name] = rows;
  if (values.json) continue;
  const tookSeconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  console.log(`\n${name}: ${scenario.title} (${tookSeconds} s)\n${formatTable(rows)}`);
}
if (values.json) console.log(JSON.stringify(results, null, 2));
