// However dear a picture is, drawing takes its share of a core and no more.

import { describe, expect, it } from 'vitest';
import { PicturePace } from '../../../cli/output/picture-pace.ts';
import fc from '../../support/property.ts';

describe('pictures', () => {
  it('come as often as the view asks for while they are cheap', () => {
    const pace = new PicturePace(1_000);
    for (const tookMs of [60, 8, 7, 9, 19]) expect(pace.nextInMs(tookMs)).toBe(1_000);
  });

  it('become rarer when every one is dear, not when one is', () => {
    const pace = new PicturePace(1_000);
    expect(pace.nextInMs(40)).toBe(1_000);
    expect(pace.nextInMs(40)).toBe(2_000);
    expect(pace.nextInMs(8)).toBe(1_000);
    expect(pace.nextInMs(400)).toBe(1_000);
    expect(pace.nextInMs(400)).toBe(5_000);
  });

  it('take 2 % of a core at most, from the second on, as long as one takes no longer than 100 ms', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 2 }), (costs) => {
        const pace = new PicturePace(250);
        let spentMs = 0;
        let passedMs = 0;
        let before = costs[0] as number;
        pace.nextInMs(before);
        for (const tookMs of costs.slice(1)) {
          passedMs += pace.nextInMs(tookMs);
          // What two in a row have cost at least is what is usual.
          spentMs += Math.min(tookMs, before);
          before = tookMs;
        }
        expect(spentMs).toBeLessThanOrEqual(passedMs * 0.02 + 1e-6);
      }),
    );
  });
});
