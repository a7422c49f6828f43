// How well a picking order spreads pieces: the least replicated piece over time, and what is lost when the only seed leaves.
import type { PickPolicy } from '../../../core/pieces/policy.ts';
import { quantile } from '../statistics.ts';
import { SimWorld } from '../world.ts';

export interface RarityOptions {
  readonly seed: number;
  readonly leechers: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly pickPolicy: PickPolicy;
  /** The seed leaves when it has sent so many copies of everything; Infinity = it stays. */
  readonly seedLeavesAfterCopies: number;
  readonly untilSeconds: number;
}

export interface RarityResult {
  readonly policy: string;
  readonly seed: number;
  /** Copies of the least replicated piece among the leechers, one sample a second. */
  readonly leastCopies: readonly number[];
  /** Mean of `leastCopies` until everybody was done, or the end. */
  readonly meanLeastCopies: number;
  /** When no piece depended on the seed any more; NaN = never. */
  readonly independentAfterSeconds: number;
  readonly finished: number;
  readonly lastSeconds: number;
  readonly trace: string;
}

export const RARITY: Omit<RarityOptions, 'pickPolicy'> = {
  seed: 1,
  leechers: 40,
  totalBytes: 32 << 20,
  pieceLength: 128 << 10,
  seedLeavesAfterCopies: Number.POSITIVE_INFINITY,
  untilSeconds: 600,
};

const SEED_UP = 2 << 20;
const LEECHER_UP = 512 << 10;
const SAMPLE_MS = 1000;

export function runRarity(options: RarityOptions): RarityResult {
  const world = new SimWorld(options);
  // Without BEP 6 there is no advice of the seed: the order of picking alone decides.
  const line = { downBytesPerSec: 4 << 20, delayMs: 20, pickPolicy: options.pickPolicy, hasFast: false };
  const seed = world.addNode({ ...line, upBytesPerSec: SEED_UP, isSeed: true });
  const leechers = Array.from({ length: options.leechers }, () =>
    world.addNode({ ...line, upBytesPerSec: LEECHER_UP }),
  );
  for (const leecher of leechers) world.connect(leecher, seed);
  world.connectRandomly(leechers, 16);
  const leastCopies: number[] = [];
  let isSeedThere = true;
  const sample = (): void => {
    leastCopies.push(world.leastCopies());
    if (isSeedThere && seed.swarm.uploadedBytes >= options.seedLeavesAfterCopies * options.totalBytes) {
      isSeedThere = false;
      seed.leave();
    }
    world.queue.after(SAMPLE_MS, sample);
  };
  sample();
  const isDone = (): boolean => leechers.every(({ completedAtMs }) => completedAtMs !== undefined);
  let nextCheckMs = 0;
  world.run(options.untilSeconds * 1000, () => {
    if (world.queue.nowMs < nextCheckMs) return false;
    nextCheckMs = world.queue.nowMs + SAMPLE_MS;
    return isDone();
  });
  const times = leechers.flatMap(({ completedAtMs }) =>
    completedAtMs === undefined ? [] : completedAtMs / 1000,
  );
  const independent = leastCopies.findIndex((copies) => copies > 0);
  return {
    policy: options.pickPolicy.name,
    seed: options.seed,
    leastCopies,
    meanLeastCopies: leastCopies.reduce((sum, copies) => sum + copies, 0) / leastCopies.length,
    independentAfterSeconds: independent < 0 ? Number.NaN : (independent * SAMPLE_MS) / 1000,
    finished: times.length,
    lastSeconds: times.length === leechers.length ? quantile(times, 1) : Number.POSITIVE_INFINITY,
    trace: world.traceHash,
  };
}
