// `node test/fuzz/dht.ts [count] [seed]`: a million mutated datagrams through the DHT machine, by default.
import { fuzzDht } from './dht-fuzzer.ts';

const DEFAULT_COUNT = 1_000_000;

const count = Number(process.argv[2] ?? DEFAULT_COUNT);
const seed = Number(process.argv[3] ?? 1);
const startedAt = performance.now();
let peakBytes = 0;
const report = fuzzDht({
  seed,
  count,
  onProgress: () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    peakBytes = Math.max(peakBytes, heapUsed + arrayBuffers);
  },
});
const seconds = (performance.now() - startedAt) / 1000;
process.stdout.write(
  `${JSON.stringify({ seed, ...report, seconds: Number(seconds.toFixed(1)), peakMiB: Math.round(peakBytes / 2 ** 20) })}\n`,
);
