// The books of a download: whatever happens in whatever order, every millisecond of the wall time is charged to one cause.

import { describe, expect, it } from 'vitest';
import { CAUSES, noTime, sumOf, type TimeCause } from '../../core/account/causes.ts';
import { shareOut } from '../../core/account/share-out.ts';
import { TimeAccount } from '../../core/account/time-account.ts';
import {
  ACCOUNT_STATES,
  ACCOUNT_VERSION,
  addRuns,
  parseAccount,
  type TransferAccount,
} from '../../core/account/transfer-account.ts';
import fc from '../support/property.ts';

const cause: fc.Arbitrary<TimeCause> = fc.constantFrom(...CAUSES.map(({ id }) => id));
const step = fc.record({
  kind: fc.constantFrom('charge', 'charge', 'charge', 'open', 'close'),
  cause,
  /** Clocks have fractions, and a look may come twice in one moment; a broken one steps back. */
  afterMs: fc.oneof(fc.double({ min: 0, max: 250, noNaN: true }), fc.constant(0), fc.constant(-3.5)),
});

const count = fc.nat(2 ** 40);
const account = fc
  .record({
    time: fc.record(Object.fromEntries(CAUSES.map(({ id }) => [id, fc.nat(10 ** 9)]))),
    state: fc.constantFrom(...ACCOUNT_STATES),
    name: fc.string({ unit: 'binary' }),
    directory: fc.string(),
    lastCause: cause,
    numbers: fc.array(count, { minLength: 20, maxLength: 20 }),
    availability: fc.double({ min: 0, max: 300, noNaN: true }),
  })
  .map(({ numbers, ...rest }): TransferAccount => {
    const number = (): number => numbers.pop() as number;
    const time = rest.time as Record<TimeCause, number>;
    return {
      ...rest,
      version: ACCOUNT_VERSION,
      infoHash: 'ab'.repeat(20),
      time,
      wallMs: sumOf(time),
      ...(rest.state === 'error' ? { error: 'no space' } : {}),
      runs: number(),
      startedAtMs: number(),
      updatedAtMs: number(),
      wantedBytes: number(),
      verifiedBytes: number(),
      connectedPeers: number(),
      knownPeers: number(),
      idleMs: number(),
      peakMemoryBytes: number(),
      processor: { userMs: number(), systemMs: number() },
      bytes: {
        downloaded: number(),
        uploaded: number(),
        duplicate: number(),
        failedHash: number(),
        unrequested: number(),
        protocolReceived: number(),
        protocolSent: number(),
      },
    };
  });

describe('a time account', () => {
  it('adds up to the wall time exactly, to the millisecond, through any openings and closings', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.array(step), (startMs, steps) => {
        const time = new TimeAccount();
        let nowMs = startMs;
        // What a stopwatch beside it says: whole milliseconds of the same readings.
        let wallMs = 0;
        let sinceMs: number | undefined;
        for (const each of steps) {
          nowMs += each.afterMs;
          const atMs = Math.floor(nowMs);
          if (each.kind === 'open') {
            sinceMs ??= atMs;
            time.open(nowMs);
          } else {
            if (sinceMs !== undefined && atMs > sinceMs) {
              wallMs += atMs - sinceMs;
              sinceMs = atMs;
            }
            time.charge(each.cause, nowMs);
            if (each.kind === 'close') {
              sinceMs = undefined;
              time.close();
            }
          }
          expect(sumOf(time.time)).toBe(wallMs);
          expect(time.wallMs).toBe(wallMs);
          expect(time.isOpen).toBe(sinceMs !== undefined);
        }
      }),
    );
  });
});

describe('an account on disk', () => {
  it('reads back as it was written, and still adds up after runs are added', () => {
    fc.assert(
      fc.property(account, account, (earlier, later) => {
        expect(parseAccount(JSON.stringify(earlier))).toEqual(earlier);
        const both = addRuns(earlier, later);
        expect(parseAccount(JSON.stringify(both))).toEqual(both);
        expect(both.wallMs).toBe(earlier.wallMs + later.wallMs);
        expect(sumOf(both.time)).toBe(both.wallMs);
        expect(both.bytes.downloaded).toBe(earlier.bytes.downloaded + later.bytes.downloaded);
        expect(both.state).toBe(later.state);
      }),
    );
  });

  it('is refused whatever is wrong with it, and nothing is thrown', () => {
    fc.assert(
      fc.property(account, fc.jsonValue(), fc.nat(), (good, bad, which) => {
        const keys = Object.keys(good).filter((key) => key !== 'error');
        const key = keys[which % keys.length] as keyof TransferAccount;
        const text = JSON.stringify({ ...good, [key]: bad });
        const parsed = parseAccount(text);
        if (parsed !== undefined) expect(sumOf(parsed.time)).toBe(parsed.wallMs);
        expect(parseAccount(JSON.stringify({ ...good, [key]: undefined }))).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseAccount(text)).toBeUndefined();
      }),
    );
    expect(parseAccount(JSON.stringify({ version: 1, time: noTime() }))).toBeUndefined();
  });
});

describe('shares of the processor', () => {
  it('sum up to what was used and follow the weights', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.array(fc.nat(1e9), { minLength: 1, maxLength: 20 }),
        (total, weights) => {
          const shares = shareOut(total, weights);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(total, 3);
          for (const [i, share] of shares.entries()) {
            expect(share).toBeGreaterThanOrEqual(0);
            if (weights[i] === 0 && weights.some((weight) => weight > 0)) expect(share).toBe(0);
          }
        },
      ),
    );
  });
});
