// What the swarm must achieve, in small simulated swarms of the real code. `npm run sim` shows the same at full size.
import { describe, expect, it } from 'vitest';
import { inOrder, randomOrder, rarestFirst } from '../../core/pieces/policy.ts';
import { CORRUPT_PEER, runCorruptPeer } from './scenarios/corrupt-peer.ts';
import { FLASH_CROWD, runFlashCrowd } from './scenarios/flash-crowd.ts';
import { FREE_RIDER, runFreeRider } from './scenarios/free-rider.ts';
import { LONG_LINE, runLongLine } from './scenarios/long-line.ts';
import { RARITY, runRarity } from './scenarios/rarity.ts';
import { runStalledPeer, STALLED_PEER } from './scenarios/stalled-peer.ts';
import { median } from './statistics.ts';

const SEEDS = [1, 2, 3];
const TIMEOUT_MS = 120_000;

describe('simulation', () => {
  it(
    'runs the same again from the same seed, and otherwise from another',
    () => {
      const run = (seed: number): string =>
        runFreeRider({ ...FREE_RIDER, seed, contributors: 8, freeRiders: 2, totalBytes: 8 << 20 }).trace;
      expect(run(7)).toBe(run(7));
      expect(run(8)).not.toBe(run(7));
    },
    TIMEOUT_MS,
  );
});

describe('swarm of the real code', () => {
  it(
    'rarest first keeps the least replicated piece above random, and random above in-order',
    () => {
      const meanLeast = (pickPolicy: typeof rarestFirst): number =>
        median(
          SEEDS.map((seed) => {
            const size = { leechers: 20, totalBytes: 16 << 20, untilSeconds: 120 };
            return runRarity({ ...RARITY, ...size, seed, pickPolicy }).meanLeastCopies;
          }),
        );
      const rarest = meanLeast(rarestFirst);
      const random = meanLeast(randomOrder);
      expect(rarest).toBeGreaterThan(1.3 * random);
      expect(random).toBeGreaterThan(2 * meanLeast(inOrder));
    },
    TIMEOUT_MS,
  );

  it(
    'a free rider ends clearly later than a contributor with the same line',
    () => {
      const size = { contributors: 16, freeRiders: 5, totalBytes: 24 << 20 };
      const penalty = (areContributorsLeaving: boolean): number =>
        median(
          SEEDS.map((seed) => runFreeRider({ ...FREE_RIDER, ...size, seed, areContributorsLeaving }).penalty),
        );
      expect(penalty(false)).toBeGreaterThan(1.1);
      expect(penalty(true)).toBeGreaterThan(1.5);
    },
    TIMEOUT_MS,
  );

  it('stalled peers cannot hold a download at 99 %', () => {
    for (const seed of SEEDS) {
      for (const stallingSeeds of [1, 3]) {
        const result = runStalledPeer({ ...STALLED_PEER, seed, stallingSeeds });
        expect(result.lastPercentSeconds).toBeLessThan(2);
        // Four seeds of 1 MiB/s for 64 MiB.
        expect(result.seconds).toBeLessThan(18);
        expect(result.duplicateShare).toBeLessThan(0.02);
      }
      const late = runStalledPeer({ ...STALLED_PEER, seed, totalBytes: 8 << 20, stallAfterBlocks: 60 });
      // It stalls near the very end: one timeout of 2 s may pass before its blocks are fetched elsewhere.
      expect(late.seconds).toBeLessThan(5);
    }
  });

  it(
    'who spoils blocks is banned by all it fed, and nobody else, also where peers share pieces',
    () => {
      for (const [taintProbability, pieceLength] of [
        [1, 512 << 10],
        [0.1, 4 << 20],
        [0.01, 4 << 20],
      ] as const) {
        for (const seed of SEEDS) {
          const result = runCorruptPeer({ ...CORRUPT_PEER, seed, taintProbability, pieceLength });
          expect(result.finished).toBe(CORRUPT_PEER.leechers);
          expect(result.spoilersMet).toBeGreaterThan(0);
          expect(result.spoilersBanned).toBe(result.spoilersMet);
          expect(result.innocentBanned).toBe(0);
        }
      }
    },
    TIMEOUT_MS,
  );

  it('a far seed fills its line: 80 Mbit/s at 300 ms, and with loss', () => {
    expect(runLongLine({ ...LONG_LINE, roundTripMs: 50 }).ratio).toBeLessThan(1.03);
    expect(runLongLine(LONG_LINE).ratio).toBeLessThan(1.12);
    const lossy = runLongLine({
      ...LONG_LINE,
      bytesPerSec: 1e6,
      totalBytes: 32 << 20,
      lossProbability: 0.005,
    });
    expect(lossy.ratio).toBeLessThan(1.1);
    expect(lossy.duplicateShare).toBe(0);
  });

  it(
    'a flash crowd ends near the floor of size / seed rate + log2 N piece times',
    () => {
      const size = { leechers: 60, totalBytes: 16 << 20, pieceLength: 64 << 10, degree: 30 };
      const results = [1, 2].map((seed) => runFlashCrowd({ ...FLASH_CROWD, ...size, seed }));
      for (const result of results) {
        expect(result.finished).toBe(60);
        expect(result.ratio).toBeLessThan(1.3);
        expect(result.wastedShare).toBeLessThan(0.05);
      }
    },
    TIMEOUT_MS,
  );
});
