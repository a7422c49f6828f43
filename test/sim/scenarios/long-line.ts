// One seed far away: how well the request pipeline fills a line of high delay, with and without loss.
import { SimWorld } from '../world.ts';

export interface LongLineOptions {
  readonly seed: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly bytesPerSec: number;
  readonly roundTripMs: number;
  readonly lossProbability: number;
}

export interface LongLineResult {
  readonly seconds: number;
  /** Of size / rate + one round trip. */
  readonly ratio: number;
  readonly duplicateShare: number;
  readonly trace: string;
}

export const LONG_LINE: LongLineOptions = {
  seed: 1,
  totalBytes: 128 << 20,
  pieceLength: 1 << 20,
  bytesPerSec: 10e6,
  roundTripMs: 300,
  lossProbability: 0,
};

export function runLongLine(options: LongLineOptions): LongLineResult {
  const world = new SimWorld(options);
  const line = {
    upBytesPerSec: options.bytesPerSec,
    downBytesPerSec: options.bytesPerSec,
    delayMs: options.roundTripMs / 4,
    lossProbability: options.lossProbability,
  };
  const leecher = world.addNode(line);
  world.connect(leecher, world.addNode({ ...line, isSeed: true }));
  world.run(600_000, () => leecher.completedAtMs !== undefined);
  const seconds = (leecher.completedAtMs ?? Number.POSITIVE_INFINITY) / 1000;
  return {
    seconds,
    ratio: seconds / (options.totalBytes / options.bytesPerSec + options.roundTripMs / 1000),
    duplicateShare: leecher.swarm.wasted.duplicate / options.totalBytes,
    trace: world.traceHash,
  };
}
