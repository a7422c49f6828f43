// Everybody comes at once to one seed. The floor: the seed must send every byte once, and a piece needs log2 N hops, each one
// piece time, to reach N; uploads of all cannot carry more than they carry.
import type { ChokePolicy } from '../../../core/swarm/choke-policy.ts';
import { quantile } from '../statistics.ts';
import { SimWorld } from '../world.ts';

export interface FlashCrowdOptions {
  readonly seed: number;
  readonly leechers: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly seedUpBytesPerSec: number;
  readonly leecherUpBytesPerSec: number;
  readonly leecherDownBytesPerSec: number;
  readonly delayMs: number;
  /** Connections a leecher opens; it takes as many again. */
  readonly degree: number;
  readonly chokePolicy?: ChokePolicy;
}

export interface FlashCrowdResult {
  readonly seed: number;
  readonly leechers: number;
  readonly finished: number;
  readonly medianSeconds: number;
  readonly lastSeconds: number;
  /** size / seed rate + log2 N piece times. */
  readonly floorSeconds: number;
  readonly ratio: number;
  /** Payload that was not needed, of all that was received. */
  readonly wastedShare: number;
  readonly seedSentCopies: number;
  readonly events: number;
  readonly trace: string;
}

export const FLASH_CROWD: FlashCrowdOptions = {
  seed: 1,
  leechers: 200,
  totalBytes: 64 << 20,
  pieceLength: 256 << 10,
  seedUpBytesPerSec: 1 << 20,
  leecherUpBytesPerSec: 1 << 20,
  leecherDownBytesPerSec: 8 << 20,
  delayMs: 15,
  degree: 40,
};

export function runFlashCrowd(options: FlashCrowdOptions): FlashCrowdResult {
  const world = new SimWorld(options);
  const line = { downBytesPerSec: options.leecherDownBytesPerSec, delayMs: options.delayMs };
  const policy = options.chokePolicy === undefined ? {} : { chokePolicy: options.chokePolicy };
  const seed = world.addNode({ ...line, ...policy, upBytesPerSec: options.seedUpBytesPerSec, isSeed: true });
  const leechers = Array.from({ length: options.leechers }, () =>
    world.addNode({ ...line, ...policy, upBytesPerSec: options.leecherUpBytesPerSec }),
  );
  for (const leecher of leechers) world.connect(leecher, seed);
  world.connectRandomly(leechers, options.degree);
  const floorSeconds =
    options.totalBytes / options.seedUpBytesPerSec +
    (Math.log2(options.leechers) * options.pieceLength) / options.leecherUpBytesPerSec;
  let left = leechers.length;
  const isDone = (): boolean => {
    while (left > 0 && leechers[left - 1]?.completedAtMs !== undefined) left--;
    return left === 0;
  };
  world.run(floorSeconds * 20_000, isDone);
  const times = leechers.flatMap(({ completedAtMs }) =>
    completedAtMs === undefined ? [] : completedAtMs / 1000,
  );
  const received = leechers.reduce((sum, { swarm }) => sum + swarm.downloadedBytes, 0);
  const wasted = leechers.reduce((sum, { swarm }) => sum + swarm.wasted.duplicate, 0);
  const lastSeconds = times.length === leechers.length ? Math.max(...times) : Number.POSITIVE_INFINITY;
  return {
    seed: options.seed,
    leechers: leechers.length,
    finished: times.length,
    medianSeconds: quantile(times, 0.5),
    lastSeconds,
    floorSeconds,
    ratio: lastSeconds / floorSeconds,
    wastedShare: wasted / received,
    seedSentCopies: seed.swarm.uploadedBytes / options.totalBytes,
    events: world.queue.runCount,
    trace: world.traceHash,
  };
}
