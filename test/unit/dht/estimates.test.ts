// Estimators and survival against values computed elsewhere.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import {
  bernoulli,
  chapman,
  fromDistances,
  shareEstimate,
  studentT95,
  uniformity,
  upperGamma,
} from '../../../dht/crawl/estimates.ts';
import { recheckCount } from '../../../dht/crawl/recheck.ts';
import { createBased, followed, kaplanMeier, medianLengthMs, middleOf } from '../../../dht/crawl/survival.ts';
import { fromTwoLooks } from '../../../dht/crawl/two-looks.ts';

const SEED = Number(process.env['TT_SEED'] ?? 5);

describe('estimators', () => {
  it('Chapman: the formula of the books, an interval around it', () => {
    const estimate = chapman(100, 80, 40, 1, false);
    expect(estimate?.value).toBeCloseTo((101 * 81) / 41 - 1, 9);
    const variance = (101 * 81 * 60 * 40) / (41 ** 2 * 42);
    expect(Math.log((estimate?.high ?? 0) / (estimate?.value ?? 1))).toBeCloseTo(
      1.959964 * Math.sqrt(Math.log(1 + variance / (estimate?.value ?? 1) ** 2)),
      6,
    );
    // Nobody is fewer than who was seen.
    expect(chapman(10, 10, 10, 1, false)?.low).toBe(10);
    expect(chapman(10, 10, 0, 1)).toBeUndefined();
  });

  it('a count corrected by p and by the share of the zone', () => {
    const estimate = bernoulli(950, { hits: 95, of: 100 }, 1 / 16);
    expect(estimate?.value).toBeCloseTo(16_000, 6);
    expect(estimate?.low).toBeGreaterThan(14_000);
    expect(estimate?.high).toBeLessThan(18_000);
    expect(bernoulli(0, { hits: 1, of: 1 }, 1)).toBeUndefined();
    // That all of twenty were found again does not make it certain that nobody is missed.
    const found = bernoulli(1_000, { hits: 20, of: 20 }, 1);
    expect(found?.value).toBe(1_000);
    expect(found?.high).toBeGreaterThan(1_050);
  });

  it('two looks at a population that is not closed: who is there between them', () => {
    const looks = { n1: 1_000, part: { n1: 250, n2: 240, both: 230 }, share: 1 / 8 };
    const closed = fromTwoLooks({ ...looks, turnover: undefined });
    expect(closed.bernoulli).toEqual(bernoulli(1_000, { hits: 230, of: 240 }, 1 / 8));
    expect(closed.chapman?.value).toBeCloseTo(((251 * 241) / 231 - 1) * 4 * 8, 6);
    // The zone is what the estimate of the network rests on, not the part.
    const whole = chapman(1_000, 960, 920, 1 / 8);
    const width = (estimate: typeof whole): number =>
      Math.log((estimate?.high ?? 0) / (estimate?.value ?? 1));
    // With what the part says less surely of the rest.
    expect(width(closed.chapman) / width(whole)).toBeGreaterThan(1.02);
    expect(width(closed.chapman) / width(whole)).toBeLessThan(1.15);
    // A tenth had gone, halfway through what lay before; half of that time lay after.
    const turnover = { gone: { hits: 40, of: 400 }, beforeMs: 1_000, afterMs: 500 };
    const open = fromTwoLooks({ ...looks, turnover });
    for (const name of ['bernoulli', 'chapman'] as const) {
      expect((open[name]?.value ?? 0) / (closed[name]?.value ?? 1)).toBeCloseTo(0.9 * 0.95, 9);
      expect(width(open[name])).toBeGreaterThan(width(closed[name]));
    }
    // Nobody gone of forty is not certain.
    const none = { ...looks, turnover: { ...turnover, gone: { hits: 0, of: 40 } } };
    expect(fromTwoLooks(none).bernoulli?.value).toBeCloseTo(closed.bernoulli?.value ?? 0, 6);
    expect(width(fromTwoLooks(none).bernoulli)).toBeGreaterThan(width(closed.bernoulli) * 1.02);
    // Of the zone alone.
    expect(fromTwoLooks({ ...looks, turnover: undefined }, false).chapman?.value).toBeCloseTo(
      ((251 * 241) / 231 - 1) * 4,
      6,
    );
  });

  it('after a long look more are asked again, never more than an eighth for that alone', () => {
    const minute = 60_000;
    expect(recheckCount(30, minute, 0.01)).toBe(30);
    expect(recheckCount(3_000, minute, 0.01)).toBe(50);
    expect(recheckCount(10_000, minute, 0.01)).toBe(100);
    expect(recheckCount(1_000, 10 * minute, 0.01)).toBe(125);
    expect(recheckCount(10_000, 10 * minute, 0.01)).toBe(400);
    expect(recheckCount(10_000_000, 600 * minute, 0.01)).toBe(5_000);
    expect(recheckCount(10_000, 10 * minute, 0)).toBe(0);
  });

  it('distances of uniform ids give the number of ids', () => {
    const rng = seededRng(SEED);
    const nodes = 5_000;
    const lookups = Array.from({ length: 200 }, () =>
      Array.from({ length: nodes }, () => rng.next())
        .sort((x, y) => x - y)
        .slice(0, 8),
    );
    const estimate = fromDistances(lookups);
    expect(estimate?.low).toBeLessThan(nodes);
    expect(estimate?.high).toBeGreaterThan(nodes);
    expect(Math.abs((estimate?.value ?? 0) / nodes - 1)).toBeLessThan(0.12);
  });

  it('distributions agree with tables', () => {
    expect(studentT95(5)).toBeCloseTo(2.5706, 1);
    expect(studentT95(30)).toBeCloseTo(2.0423, 3);
    // Chi-square with 10 degrees of freedom exceeds 18.307 with a chance of 5 %.
    expect(upperGamma(5, 18.307 / 2)).toBeCloseTo(0.05, 4);
    expect(upperGamma(0.5, 3.841 / 2)).toBeCloseTo(0.05, 4);
    expect(shareEstimate({ hits: 0, of: 20 })).toMatchObject({ value: 0, low: 0 });
    expect(shareEstimate({ hits: 0, of: 20 })?.high).toBeCloseTo(0.1611, 3);
    expect(uniformity([25, 25, 25, 25])?.pValue).toBe(1);
    expect(uniformity([10, 40, 25, 25])?.pValue).toBeLessThan(0.001);
    expect(uniformity([1, 2])).toBeUndefined();
  });
});

describe('survival', () => {
  it('Kaplan-Meier on the data of its textbook example', () => {
    // Freireich 1963, 6-MP arm: remission in weeks, + for censored.
    const weeks = [6, 6, 6, 7, 10, 13, 16, 22, 23];
    const censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
    const steps = kaplanMeier([
      ...weeks.map((lengthMs) => ({ lengthMs, isCensored: false })),
      ...censored.map((lengthMs) => ({ lengthMs, isCensored: true })),
    ]);
    expect(steps.map(({ lengthMs, survival }) => [lengthMs, Number(survival.toFixed(3))])).toEqual([
      [6, 0.857],
      [7, 0.807],
      [10, 0.753],
      [13, 0.69],
      [16, 0.627],
      [22, 0.538],
      [23, 0.448],
    ]);
    expect(medianLengthMs(steps)).toBe(23);
    for (const { survival, low, high } of steps) {
      expect(low).toBeLessThan(survival);
      expect(high).toBeGreaterThan(survival);
    }
  });

  it('only sessions seen to begin in the first half count, and none for longer than half', () => {
    /** Looked at without pause: begin and end are what they are. */
    const session = (startMs: number, lastMs: number, isCreated = true, isCensored = false) => ({
      absentMs: isCreated ? startMs : undefined,
      ...{ firstMs: startMs, lastMs, goneMs: isCensored ? undefined : lastMs },
    });
    const lifetimes = createBased(
      [
        session(0, 900, false),
        session(10, 30),
        session(100, 990),
        session(600, 610),
        session(400, 700, true, true),
      ],
      0,
      1000,
    );
    expect(followed(lifetimes)).toBe(3);
    const plain = lifetimes.map(({ lengthMs, isCensored }) => `${lengthMs} ${isCensored}`);
    expect([...new Set(plain)]).toEqual(['20 false', '500 true', '300 true']);
  });

  it('begin and end are where they can have been, evenly; who ends before the first look after his begin is not missed', () => {
    const session = { absentMs: 100, firstMs: 200, lastMs: 260, goneMs: 300 };
    expect(middleOf(session)).toEqual({ startMs: 150, endMs: 280 });
    const lifetimes = createBased(Array(500).fill(session), 0, 1000);
    const mean = (of: (each: (typeof lifetimes)[number]) => number): number =>
      lifetimes.reduce((sum, each) => sum + of(each), 0) / lifetimes.length;
    expect(mean(({ lengthMs }) => lengthMs)).toBeCloseTo(130, 0);
    expect(mean(({ enterMs = 0 }) => enterMs)).toBeCloseTo(50, 0);
    expect(lifetimes.every(({ enterMs = 0 }) => enterMs >= 0 && enterMs <= 100)).toBe(true);
    expect(Math.max(...lifetimes.map(({ enterMs = 0 }) => enterMs))).toBeGreaterThan(99);

    // Looked for newcomers every 100 s, everybody once a second: of exponential lengths, mean 150, the shortest are never seen.
    const rng = seededRng(SEED);
    const seen = Array.from({ length: 60_000 }, () => {
      const startMs = rng.next() * 40_000;
      const endMs = startMs - Math.log(1 - rng.next()) * 150;
      const firstMs = Math.ceil(startMs / 100) * 100;
      return {
        ...{ absentMs: firstMs - 100, firstMs, lastMs: Math.floor(endMs), goneMs: Math.ceil(endMs) },
        isSeen: endMs > firstMs,
      };
    }).filter(({ isSeen }) => isSeen);
    const steps = kaplanMeier(createBased(seen, 0, 80_000));
    for (const length of [50, 100, 200, 400]) {
      const survival = steps.findLast(({ lengthMs }) => lengthMs <= length)?.survival ?? 1;
      expect(Math.abs(survival - Math.exp(-length / 150)), `${length}, seed ${SEED}`).toBeLessThan(0.015);
    }
  });

  it('an age at which nearly nobody was watched yet does not end everybody', () => {
    const late = Array.from({ length: 50 }, (_, i) => ({
      ...{ enterMs: 100, lengthMs: 200 + i, isCensored: false },
    }));
    const steps = kaplanMeier([{ enterMs: 10, lengthMs: 20, isCensored: false }, ...late]);
    expect(steps[0]).toMatchObject({ lengthMs: 200, atRisk: 50 });
    expect(steps.at(-1)?.survival).toBe(0);
  });
});
