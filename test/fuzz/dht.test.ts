import { describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../dht/options.ts';
import { fuzzDht } from './dht-fuzzer.ts';

/** `node test/fuzz/dht.ts` runs a million; these keep the suite short. */
const COUNT = 60_000;

describe('the DHT machine under mutated datagrams', () => {
  it.each([1, 2])('throws nothing, sends nothing over 1024 bytes, stays bounded (seed %i)', (seed) => {
    const report = fuzzDht({ seed, count: COUNT, limits: seed === 1 ? NO_LIMITS : {} });
    expect(report.sent).toBeGreaterThan(1000);
    expect(report.largestReply).toBeLessThanOrEqual(1024);
    expect(report.storedHashes).toBeLessThanOrEqual(2000);
    expect(report.outstanding).toBeLessThanOrEqual(1024);
    if (seed === 1) expect(report.storedPeers).toBeGreaterThan(0);
  });
});
