// Orders of a crawl over several machines: together they are the zone, once each; messages of strangers are refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { DEFAULT_CONFIG } from '../../../dht/crawl/config.ts';
import { readOrder, readWorkerMessage } from '../../../dht/crawl/fleet/messages.ts';
import { Ledger, partsOf, plan } from '../../../dht/crawl/fleet/orders.ts';
import { Zone } from '../../../dht/crawl/zone.ts';

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
