// Contributors and free riders with the same line at one seed: what not uploading costs.
import { type ChokePolicy, titForTat } from '../../../core/swarm/choke-policy.ts';
import { median } from '../statistics.ts';
import { SimWorld } from '../world.ts';

export interface FreeRiderOptions {
  readonly seed: number;
  readonly contributors: number;
  readonly freeRiders: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  /** Contributors leave when they have everything: otherwise the free riders live on their gifts. */
  readonly areContributorsLeaving: boolean;
  readonly chokePolicy?: ChokePolicy;
}

export interface FreeRiderResult {
  readonly seed: number;
  readonly policy: string;
  readonly contributorMedianSeconds: number;
  readonly freeRiderMedianSeconds: number;
  /** How many times as long. */
  readonly penalty: number;
  readonly unfinished: number;
  readonly trace: string;
}

export const FREE_RIDER: FreeRiderOptions = {
  seed: 1,
  contributors: 30,
  freeRiders: 10,
  totalBytes: 48 << 20,
  pieceLength: 256 << 10,
  areContributorsLeaving: false,
};

const UP = 256 << 10;
/** Fast enough not to be what everybody waits for: the trade between leechers decides. */
const SEED_UP = 4 * UP;
const DOWN = 2 << 20;
const MAX_SECONDS = 3600;

export function runFreeRider(options: FreeRiderOptions): FreeRiderResult {
  const world = new SimWorld(options);
  const policy = options.chokePolicy ?? titForTat();
  const line = { upBytesPerSec: UP, downBytesPerSec: DOWN, delayMs: 20, chokePolicy: policy };
  const seed = world.addNode({ ...line, upBytesPerSec: SEED_UP, isSeed: true });
  const contributors = Array.from({ length: options.contributors }, () => world.addNode(line));
  const freeRiders = Array.from({ length: options.freeRiders }, () =>
    world.addNode({ ...line, uploadSlots: 0 }),
  );
  const leechers = [...contributors, ...freeRiders];
  for (const leecher of leechers) world.connect(leecher, seed);
  world.connectRandomly(leechers, 20);
  const staying = new Set(options.areContributorsLeaving ? contributors : []);
  let nextCheckMs = 0;
  world.run(MAX_SECONDS * 1000, () => {
    if (world.queue.nowMs < nextCheckMs) return false;
    nextCheckMs = world.queue.nowMs + 500;
    for (const node of staying) {
      if (node.completedAtMs === undefined) continue;
      staying.delete(node);
      node.leave();
    }
    return leechers.every(({ completedAtMs }) => completedAtMs !== undefined);
  });
  const seconds = (nodes: typeof leechers): number[] =>
    nodes.map(({ completedAtMs }) => (completedAtMs ?? Number.POSITIVE_INFINITY) / 1000);
  const contributorMedianSeconds = median(seconds(contributors));
  const freeRiderMedianSeconds = median(seconds(freeRiders));
  return {
    seed: options.seed,
    policy: policy.name,
    contributorMedianSeconds,
    freeRiderMedianSeconds,
    penalty: freeRiderMedianSeconds / contributorMedianSeconds,
    unfinished: leechers.filter(({ completedAtMs }) => completedAtMs === undefined).length,
    trace: world.traceHash,
  };
}
