// One peer takes requests and stops sending in the middle: the others must end the download without it.
import { SimWorld } from '../world.ts';

export interface StalledPeerOptions {
  readonly seed: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly goodSeeds: number;
  readonly stallingSeeds: number;
  /** Blocks each of these sends before it falls silent. */
  readonly stallAfterBlocks: number;
}

export interface StalledPeerResult {
  readonly seed: number;
  readonly stallingSeeds: number;
  readonly seconds: number;
  /** Seconds from 99 % of the pieces to the last. */
  readonly lastPercentSeconds: number;
  readonly duplicateShare: number;
  readonly trace: string;
}

export const STALLED_PEER: StalledPeerOptions = {
  seed: 1,
  totalBytes: 64 << 20,
  pieceLength: 512 << 10,
  goodSeeds: 4,
  stallingSeeds: 1,
  stallAfterBlocks: 200,
};

export function runStalledPeer(options: StalledPeerOptions): StalledPeerResult {
  const world = new SimWorld(options);
  const line = { upBytesPerSec: 1 << 20, downBytesPerSec: 16 << 20, delayMs: 20 };
  const leecher = world.addNode(line);
  for (let i = 0; i < options.goodSeeds + options.stallingSeeds; i++) {
    const isStalling = i < options.stallingSeeds;
    const seed = world.addNode({
      ...line,
      isSeed: true,
      ...(isStalling ? { stallAfterBlocks: options.stallAfterBlocks } : {}),
    });
    world.connect(leecher, seed);
  }
  const nearlyAll = Math.floor(world.layout.pieceCount * 0.99);
  let nearlyAllAtMs = 0;
  world.run(600_000, () => {
    if (nearlyAllAtMs === 0 && leecher.swarm.have.count >= nearlyAll) nearlyAllAtMs = world.queue.nowMs;
    return leecher.completedAtMs !== undefined;
  });
  const endMs = leecher.completedAtMs ?? Number.POSITIVE_INFINITY;
  return {
    seed: options.seed,
    stallingSeeds: options.stallingSeeds,
    seconds: endMs / 1000,
    lastPercentSeconds: (endMs - nearlyAllAtMs) / 1000,
    duplicateShare: leecher.swarm.wasted.duplicate / options.totalBytes,
    trace: world.traceHash,
  };
}
