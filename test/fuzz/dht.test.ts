import { describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../dht/base/options.ts';
import { liveBytes } from '../support/live-memory.ts';
import { fuzzDht } from './dht-fuzzer.ts';

/** A million in all. `node test/fuzz/dht.ts [count] [seed]` runs more, or others. */
const COUNT = 500_000;
/** A million takes some 15 s; this is for machines that are far slower. */
const PATIENCE_MS = 300_000;
const MAX_GROWTH_BYTES = 2 ** 20;

describe('the DHT machine under mutated datagrams', () => {
  it.each([1, 2])(
    'throws nothing, sends nothing over 1024 bytes, stays bounded (seed %i)',
    (seed) => {
      let halfwayBytes = 0;
      let endBytes = 0;
      const report = fuzzDht({
        seed,
        count: COUNT,
        limits: seed === 1 ? NO_LIMITS : {},
        onProgress: (done) => {
          if (halfwayBytes === 0 && done >= COUNT / 2) halfwayBytes = liveBytes();
          else if (endBytes === 0 && done >= COUNT * 0.99) endBytes = liveBytes();
        },
      });
      expect(halfwayBytes).toBeGreaterThan(0);
      expect(endBytes - halfwayBytes).toBeLessThan(MAX_GROWTH_BYTES);
      expect(report.sent).toBeGreaterThan(1000);
      expect(report.largestReply).toBeLessThanOrEqual(1024);
      expect(report.storedHashes).toBeLessThanOrEqual(2000);
      expect(report.outstanding).toBeLessThanOrEqual(1024);
      if (seed === 1) expect(report.storedPeers).toBeGreaterThan(0);
    },
    PATIENCE_MS,
  );
});
