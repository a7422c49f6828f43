// Some seeds spoil blocks. Everybody must finish, the spoilers must be banned by those they fed, and nobody else ever.
import { SimWorld } from '../world.ts';

export interface CorruptPeerOptions {
  readonly seed: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly leechers: number;
  readonly honestSeeds: number;
  readonly corruptSeeds: number;
  readonly taintProbability: number;
}

export interface CorruptPeerResult {
  readonly seed: number;
  readonly finished: number;
  readonly seconds: number;
  /** (leecher, spoiler) pairs: banned, of those where a spoiler's block was received. */
  readonly spoilersBanned: number;
  readonly spoilersMet: number;
  readonly innocentBanned: number;
  readonly failedShare: number;
  readonly trace: string;
}

export const CORRUPT_PEER: CorruptPeerOptions = {
  seed: 1,
  totalBytes: 32 << 20,
  pieceLength: 512 << 10,
  leechers: 8,
  honestSeeds: 3,
  corruptSeeds: 2,
  taintProbability: 0.1,
};

export function runCorruptPeer(options: CorruptPeerOptions): CorruptPeerResult {
  const world = new SimWorld(options);
  const line = { upBytesPerSec: 1 << 20, downBytesPerSec: 8 << 20, delayMs: 20 };
  const leechers = Array.from({ length: options.leechers }, () => world.addNode(line));
  const spoilers = new Set<string>();
  for (let i = 0; i < options.honestSeeds + options.corruptSeeds; i++) {
    const isCorrupt = i < options.corruptSeeds;
    const taint = isCorrupt ? { taintProbability: options.taintProbability } : {};
    const seed = world.addNode({ ...line, isSeed: true, ...taint });
    if (isCorrupt) spoilers.add(seed.host);
    for (const leecher of leechers) world.connect(leecher, seed);
  }
  for (const left of leechers)
    for (const right of leechers) if (left.index < right.index) world.connect(left, right);
  world.run(1_200_000, () => leechers.every(({ completedAtMs }) => completedAtMs !== undefined));
  const bans = leechers.flatMap(({ banned }) => banned);
  const spoilersBanned = bans.filter((host) => spoilers.has(host)).length;
  return {
    seed: options.seed,
    finished: leechers.filter(({ completedAtMs }) => completedAtMs !== undefined).length,
    seconds: Math.max(
      ...leechers.map(({ completedAtMs }) => (completedAtMs ?? Number.POSITIVE_INFINITY) / 1000),
    ),
    spoilersBanned,
    spoilersMet: leechers.reduce((sum, { tainters }) => sum + tainters.size, 0),
    innocentBanned: bans.length - spoilersBanned,
    failedShare:
      leechers.reduce((sum, { swarm }) => sum + swarm.wasted.failedHash, 0) /
      (options.totalBytes * options.leechers),
    trace: world.traceHash,
  };
}
