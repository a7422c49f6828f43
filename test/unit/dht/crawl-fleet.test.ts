// Orders of a crawl over several machines: together they are the zone, once each; messages of strangers are refused.

import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { DEFAULT_CONFIG } from '../../../dht/crawl/config.ts';
import { type Beat, readBeat, readOrder, readWorkerMessage } from '../../../dht/crawl/fleet/messages.ts';
import { Ledger, partsOf, plan } from '../../../dht/crawl/fleet/orders.ts';
import { GONE_MS, Roster, SILENT_MS } from '../../../dht/crawl/fleet/roster.ts';
import { FleetTally } from '../../../dht/crawl/fleet/tally.ts';
import { Zone } from '../../../dht/crawl/zone.ts';
import fc from '../../support/property.ts';

const ATTEMPT = '0123456789abcdef'.repeat(2);

describe('orders', () => {
  it('cut a zone into parts that hold every id of it once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 1, max: 64 }),
        fc.nat(),
        (bits, count, seed) => {
          const rng = seededRng(seed);
          const zone = new Zone(Zone.everything.randomId(rng), bits);
          const parts = partsOf(zone, count);
          expect(parts.length).toBeGreaterThanOrEqual(count);
          for (let i = 0; i < 20; i++) {
            const id = zone.randomId(rng);
            expect(parts.filter((part) => part.has(id))).toHaveLength(1);
          }
        },
      ),
    );
  });

  it('give every part to every vantage point', () => {
    const orders = plan(Zone.everything, 4, ['east', 'west']);
    expect(orders.map(({ order }) => order)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const vantage of ['east', 'west'])
      expect(new Set(orders.filter((each) => each.vantage === vantage).map(({ zone }) => zone)).size).toBe(4);
  });

  it('count the first whole attempt, and it alone', () => {
    const ledger = new Ledger(2);
    expect(ledger.judge(0, 'a', false)).toBe('discard');
    expect(ledger.judge(0, 'b', true)).toBe('merge');
    ledger.done.set(0, 'b');
    expect(ledger.judge(0, 'b', true)).toBe('again');
    expect(ledger.judge(0, 'a', true)).toBe('discard');
    expect(ledger.judge(2, 'c', true)).toBe('discard');
    expect(ledger.isComplete).toBe(false);
    expect(new Ledger(1, [[0, 'b']]).isComplete).toBe(true);
  });
});

describe('messages', () => {
  const order = {
    runId: 'r',
    order: 3,
    pass: 1,
    zone: 'a/4',
    startedUnixMs: 5,
    config: DEFAULT_CONFIG,
    optOut: ['192.0.2.0/24', '2001:db8::/32'],
  };
  const rows = { kind: 'rows', order: 3, attempt: ATTEMPT, number: 0, table: 'visit', rows: [{ a: 1 }] };
  const end = {
    kind: 'end',
    order: 3,
    attempt: ATTEMPT,
    worker: 'w',
    messageCount: 1,
    ownId: '00',
    port: 9,
    traps: [],
  };

  it('are read as they were written', () => {
    expect(readOrder(JSON.parse(JSON.stringify(order)))).toEqual({ ok: true, value: order });
    for (const message of [rows, end])
      expect(readWorkerMessage(JSON.parse(JSON.stringify(message)))).toEqual({ ok: true, value: message });
  });

  it.each([
    ['an attempt that names a file elsewhere', { ...rows, attempt: '../../etc/passwd' }],
    ['an attempt too short', { ...end, attempt: 'ab' }],
    ['an order of a fraction', { ...rows, order: 1.5 }],
    ['rows that are numbers', { ...rows, rows: [1] }],
    ['an endless batch', { ...rows, rows: Array(5000).fill({}) }],
    ['a kind nobody knows', { ...end, kind: 'start' }],
    ['a trap of text', { ...end, traps: ['x'] }],
  ])('are refused: %s', (_, message) => {
    expect(readWorkerMessage(message).ok).toBe(false);
  });

  it('of any JSON never throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        readOrder(value);
        readWorkerMessage(value);
      }),
    );
  });

  const { policy } = DEFAULT_CONFIG;
  it.each([
    { zone: 'zz/9' },
    { pass: 0 },
    { runId: '' },
    { startedUnixMs: -1 },
    { config: null },
    { optOut: undefined },
    { optOut: ['not a prefix'] },
    { optOut: Array(10_000).fill('192.0.2.0/24') },
    { config: { ...DEFAULT_CONFIG, query: 'announce_peer' } },
    { config: { ...DEFAULT_CONFIG, policy: { ...policy, total: { perSecond: 1e9, burst: 1 } } } },
    { config: { ...DEFAULT_CONFIG, policy: { ...policy, perHost: { perSecond: 0, burst: 1 } } } },
    { config: { ...DEFAULT_CONFIG, policy: { ...policy, tries: 1000 } } },
    { config: { ...DEFAULT_CONFIG, policy: { ...policy, maxInFlight: 1e9 } } },
    { config: { ...DEFAULT_CONFIG, bootstrap: [{}] } },
  ])('are no order with %o', (wrong) => {
    expect(readOrder({ ...order, ...wrong }).ok).toBe(false);
  });
});

const WORK = { runId: 'r', order: 3, zone: 'a/4', visits: 12, queueLeft: 5, verified: 9, sent: 14 };
const BEAT: Beat = { worker: 'one:1', vantage: 'east', isThere: true, done: 2, sent: 100, work: WORK };

describe('beats', () => {
  it('are read as they were written, and nothing else is', () => {
    for (const beat of [BEAT, { ...BEAT, isThere: false }, { ...BEAT, work: undefined }])
      expect(readBeat(JSON.parse(JSON.stringify(beat)))).toEqual({ ok: true, value: beat });
    const bad = [
      null,
      [],
      {},
      { ...BEAT, worker: 7 },
      { ...BEAT, worker: 'x'.repeat(200) },
      { ...BEAT, done: -1 },
      { ...BEAT, sent: 0.5 },
      { ...BEAT, work: 7 },
      { ...BEAT, work: null },
      { ...BEAT, work: { ...WORK, verified: '9' } },
      { ...BEAT, work: { ...WORK, order: 1e9 } },
    ];
    for (const beat of bad) expect(readBeat(beat).ok, JSON.stringify(beat)).toBe(false);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        readBeat(value);
      }),
    );
  });

  it('tell who is there, how fast, who fell silent, who left, who works for another run', () => {
    const roster = new Roster('r');
    roster.hear(BEAT, 1_000);
    roster.hear({ ...BEAT, worker: 'two:2', work: { ...WORK, runId: 'other' } }, 1_000);
    for (let second = 1; second <= 10; second++)
      roster.hear({ ...BEAT, sent: 100 + second * 40 }, 1_000 + second * 1_000);
    const [one, two] = roster.workers(11_500);
    expect(one).toMatchObject({ name: 'one:1', silentMs: 500, done: 2, work: WORK, isElsewhere: false });
    expect(one?.queriesPerSec).toBeCloseTo(40, 6);
    expect(two).toMatchObject({ silentMs: 10_500, work: undefined, isElsewhere: true, queriesPerSec: 0 });
    const silent = roster.workers(11_000 + SILENT_MS)[0];
    expect(silent).toMatchObject({ silentMs: SILENT_MS, work: WORK, queriesPerSec: 0 });
    roster.hear({ ...BEAT, isThere: false }, 12_000);
    expect(roster.workers(12_000).map(({ name }) => name)).toEqual(['two:2']);
  });

  it('of invented workers push out the most silent, and no more are kept', () => {
    const roster = new Roster('r');
    for (let i = 0; i < 3_000; i++) roster.hear({ ...BEAT, worker: `w${i}` }, i);
    const names = roster.workers(3_000).map(({ name }) => name);
    expect(names).toHaveLength(1_024);
    expect(names).toContain('w2999');
    expect(names).not.toContain('w0');
  });
});

describe('what a coordinator has counted', () => {
  const visit = (node: number, outcome = 'ok') => ({
    ...{ outcome, is_in_zone: true, id_observed: `id${node}`, ip: 'x', port: node },
    ...{ client: node % 2 === 0 ? 'tt' : null, tries: 2 },
  });

  it('is an estimate as soon as a part was seen from two vantage points', () => {
    const tally = new FleetTally();
    for (let node = 0; node < 100; node++) tally.visit(1, visit(node));
    tally.visit(1, visit(100, 'timeout'));
    tally.endPart('0/2', 1);
    expect([tally.visits, tally.verified, tally.sent]).toEqual([101, 100, 202]);
    expect([...tally.clients]).toEqual([
      ['tt', 50],
      ['unsigned', 50],
    ]);
    expect(tally.estimate(1 / 4)).toBeUndefined();
    // Of another part.
    for (let node = 200; node < 250; node++) tally.visit(2, visit(node));
    tally.endPart('4/2', 2);
    expect(tally.seenTwice).toBe(0);
    for (let node = 5; node < 105; node++) tally.visit(2, visit(node));
    tally.endPart('0/2', 2);
    expect(tally.seenTwice).toBe(1);
    const one = tally.estimate(1 / 4);
    expect(one?.p).toBeCloseTo(0.95, 9);
    expect(one?.value).toBeCloseTo((100 / 0.95) * 4, 6);
    for (let node = 200; node < 250; node++) tally.visit(1, visit(node));
    tally.endPart('4/2', 1);
    const two = tally.estimate(1 / 4);
    expect(two?.value).toBeCloseTo((150 / (145 / 150)) * 2, 6);
    const width = (estimate: typeof one): number => (estimate?.high ?? 0) / (estimate?.low ?? 1);
    expect(width(two)).toBeLessThan(width(one));
    expect(GONE_MS).toBeGreaterThan(SILENT_MS);
  });
});
