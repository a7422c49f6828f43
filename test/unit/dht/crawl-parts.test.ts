// The parts of a crawl one by one: zones, queues, the journal, nodes and addresses, warnings.
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import { clientName } from '../../../dht/crawl/client-name.ts';
import { cursorStart } from '../../../dht/crawl/crawl-machine.ts';
import { DueQueue } from '../../../dht/crawl/due-queue.ts';
import { IdQueue } from '../../../dht/crawl/id-queue.ts';
import { addressText } from '../../../dht/crawl/io/privacy.ts';
import { uuidv7 } from '../../../dht/crawl/io/run-header.ts';
import { runWarnings } from '../../../dht/crawl/io/run-warnings.ts';
import { JournalBuffer, JournalReader, type JournalRecord } from '../../../dht/crawl/journal.ts';
import { NodeTable } from '../../../dht/crawl/node-table.ts';
import { rangeOf, repeatZone } from '../../../dht/crawl/repeat-zone.ts';
import { Zone } from '../../../dht/crawl/zone.ts';
import { VISIT_TABLE, type VisitRow } from '../../../dht/dataset/visit-table.ts';

const SEED = Number(process.env['TT_SEED'] ?? 5);

describe('zones', () => {
  it('are read, shown and tell who is in them', () => {
    const parsed = Zone.parse('a3f/10');
    if (!parsed.ok) throw new Error(parsed.reason.what);
    const zone = parsed.value;
    expect(zone.toString()).toBe('a3c/10');
    const rng = seededRng(SEED);
    for (let i = 0; i < 50; i++) {
      const id = zone.randomId(rng);
      expect(zone.has(id)).toBe(true);
      expect(zone.hasWords(id.a, id.b, id.c, id.d, id.e)).toBe(true);
      const other = Id160.random(rng);
      expect(zone.hasWords(other.a, other.b, other.c, other.d, other.e)).toBe(zone.has(other));
    }
    const [low, high] = rangeOf(zone);
    expect(low).toBe(`a3c${'0'.repeat(37)}`);
    expect(high).toBe(`a3f${'f'.repeat(37)}`);
    for (const bad of ['', 'a', 'g/4', 'a/5', 'ab/200', '/3']) expect(Zone.parse(bad).ok, bad).toBe(false);
  });

  it('a second look takes all of a small zone, and a part of a large one', () => {
    const zone = new Zone(Id160.random(seededRng(SEED)), 3);
    expect(repeatZone(zone, 5_000, 1, 30_000)).toBe(zone);
    const part = repeatZone(zone, 70_000, 1, 140_000);
    expect(part.bits).toBe(7);
    expect(zone.has(part.prefix)).toBe(true);
    // Half round from where the first look began: as much time before it as after it.
    const begun = Math.floor(cursorStart(1) * 16);
    expect((part.prefix.a << 3) >>> 28).toBe((begun + 8) % 16);
    // What took an hour is not looked at for another hour, as long as p can be known.
    expect(repeatZone(zone, 5_000, 1, 3_600_000).bits).toBe(3 + 5);
    expect(repeatZone(zone, 500, 1, 3_600_000).bits).toBe(3 + 2);
    expect(repeatZone(zone, 150, 1, 3_600_000)).toBe(zone);
  });
});

describe('the queue', () => {
  it('hands out the nearest list after the cursor, round the end, whatever was put in when', () => {
    const rng = seededRng(SEED);
    for (const share of [0, 0.37, 0.99999]) {
      const table = new NodeTable(4);
      const queue = new IdQueue(table, 4, share);
      const lists = new Map<number, number[]>();
      const listOf = (node: number): number => (table.head(node) << 4) >>> 16;
      for (let step = 0; step < 4_000; step++) {
        // Nearly empty for half of the time.
        if (rng.next() < (step % 1_000 < 500 ? 0.5 : 0.7)) {
          const node = table.add(Id160.random(rng), DhtAddress.v4(step, 1), 0, 0);
          queue.push(node);
          lists.set(listOf(node), [...(lists.get(listOf(node)) ?? []), node]);
          continue;
        }
        const from = queue.cursor;
        const distance = (list: number): number => (list - from + 65_536) % 65_536;
        const [list] = [...lists.keys()].sort((x, y) => distance(x) - distance(y));
        const expected = list === undefined ? -1 : (lists.get(list)?.pop() as number);
        if (list !== undefined && lists.get(list)?.length === 0) lists.delete(list);
        expect(queue.pop()).toBe(expected);
      }
    }
  });
});

describe('what is due', () => {
  it('comes out in the order it went in, round the ring and while it grows', () => {
    const rng = seededRng(SEED);
    const queue = new DueQueue();
    const expected: [number, number, number][] = [];
    expect(queue.nextMs).toBe(Number.POSITIVE_INFINITY);
    let made = 0;
    // Half full and empty by turns, so that it grows wherever its first entry is.
    for (let step = 0; step < 20_000; step++) {
      if (rng.next() < (step % 8_000 < 4_000 ? 0.9 : 0.2)) {
        const entry: [number, number, number] = [made & 0x1ffff, 2 ** 32 - 1 - made, made++ / 4];
        queue.push(...entry);
        expected.push(entry);
      } else if (expected.length > 0) {
        const [slot, generation, dueMs] = expected.shift() as [number, number, number];
        if (queue.slot !== slot || queue.generation !== generation || queue.nextMs !== dueMs)
          expect([queue.slot, queue.generation, queue.nextMs]).toEqual([slot, generation, dueMs]);
        queue.shift();
      }
    }
    for (; expected.length > 0; expected.shift()) queue.shift();
    expect(queue.nextMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the journal', () => {
  const columns = { visit: Object.keys(VISIT_TABLE.columns), edge: [], sample: [] };
  /** Of each kind, short and long, at the bounds of their forms. */
  const VALUES = [
    null,
    true,
    false,
    0,
    127,
    128,
    2 ** 40,
    -1,
    0.25,
    '',
    'value',
    'ü',
    'x'.repeat(65),
    'ü'.repeat(80),
  ];
  const row = Object.fromEntries(columns.visit.map((name, i) => [name, VALUES[i % VALUES.length]])) as never;

  it('comes back whole, and is cut where it was torn, wherever that is', () => {
    const rng = seededRng(SEED);
    const buffer = new JournalBuffer();
    const id = Id160.random(rng);
    const address = DhtAddress.of({ host: '192.0.2.7', port: 6881 }) as DhtAddress;
    const ends: number[] = [0];
    const pieces: Uint8Array[] = [];
    const add = (write: () => void): void => {
      write();
      pieces.push(buffer.take().slice());
      ends.push((ends.at(-1) as number) + (pieces.at(-1) as Uint8Array).length);
    };
    add(() => buffer.pass(1, 12.5, id));
    add(() => buffer.listed(id, address, -1, 99));
    add(() => buffer.sent(7, 1, 123_456.7));
    const echo = { host: '198.51.100.9', keepsPort: true };
    const visit = {
      row: row as VisitRow,
      edges: [],
      samples: [],
      listed: [1, 70_000],
      deepestBits: -1,
      echo,
    };
    add(() => buffer.visit(visit));
    add(() => buffer.end(77));
    const whole = Buffer.concat(pieces);
    for (let cut = 0; cut <= whole.length; cut++) {
      const records: JournalRecord[] = [];
      const reader = new JournalReader(4, columns);
      const middle = Math.floor(cut / 2);
      expect(reader.read(whole.subarray(0, middle), (record) => records.push(record)).ok).toBe(true);
      expect(reader.read(whole.subarray(middle, cut), (record) => records.push(record)).ok).toBe(true);
      expect(records.length).toBe(ends.filter((end) => end > 0 && end <= cut).length);
      expect(reader.goodBytes).toBe(ends.findLast((end) => end <= cut));
      if (cut < whole.length) continue;
      expect(records.map(({ kind }) => kind)).toEqual(['pass', 'listed', 'sent', 'visit', 'end']);
      expect(records[1]).toMatchObject({ referrer: -1, queuedMs: 99, address: { port: 6881 } });
      expect(records[2]).toEqual({ kind: 'sent', node: 7, tries: 1, atMs: 123_456 });
      expect(records[3]).toEqual({ kind: 'visit', visit });
    }
  });

  it('damaged in the middle is refused, never believed', () => {
    const rng = seededRng(SEED);
    for (let i = 0; i < 200; i++) {
      const reader = new JournalReader(4, columns);
      const result = reader.read(randomBytes(rng, 64), () => {});
      expect(typeof result.ok).toBe('boolean');
    }
    // A visit whose payload says more than it holds, or less.
    for (const [length, payload] of [
      [3, [5, 200, 1]],
      [1, [9]],
    ] as const) {
      const record = Uint8Array.of(3, 0, 0, 0, length, ...payload);
      expect(new JournalReader(4, columns).read(record, () => {})).toMatchObject({ ok: false });
    }
    expect(new JournalReader(4, columns).read(Uint8Array.of(2, 255, 0, 0, 0, 0, 0), () => {})).toMatchObject({
      ok: false,
    });
  });
});

describe('nodes and addresses', () => {
  it('the table finds what was put in, over many chunks and both families', () => {
    for (const family of [4, 6] as const) {
      const table = new NodeTable(family);
      const rng = seededRng(SEED);
      const word = (): number => (rng.next() * 2 ** 32) | 0;
      const made = Array.from({ length: 70_000 }, (_, i) => ({
        id: Id160.random(rng),
        address:
          family === 4 ? DhtAddress.v4(i * 7, 1 + (i % 65_000)) : DhtAddress.v6(word(), word(), i, 1, 9),
      }));
      // One verdict for all: an expectation for each of them would be most of the time.
      const added = made.map(({ id, address }, i) => table.add(id, address, i - 1, i));
      expect(added.findIndex((node, i) => node !== i)).toBe(-1);
      const wrong = made.findIndex(
        ({ id, address }, i) =>
          table.find(address) !== i || !table.id(i).equals(id) || !table.address(i).equals(address),
      );
      expect(wrong).toBe(-1);
      expect(table.find(DhtAddress.v4(3, 3))).toBe(-1);
    }
  });

  it('clients by v; addresses as privacy wants them; run ids that sort by time', () => {
    expect(clientName(Uint8Array.of(0x4c, 0x54, 1, 2))).toBe('libtorrent');
    expect(clientName(Uint8Array.of(0x7a, 0x7a))).toBe('unknown');
    expect(clientName(undefined)).toBeUndefined();
    const key = new Uint8Array(32).fill(1);
    const v4 = DhtAddress.of({ host: '192.0.2.77', port: 1 }) as DhtAddress;
    const v6 = DhtAddress.of({ host: '2001:db8:1:2::3', port: 1 }) as DhtAddress;
    const hidden = addressText('hmac', key);
    expect(hidden.ip(v4)).toBe(createHmac('sha256', key).update('192.0.2.77').digest('hex').slice(0, 16));
    expect(addressText('prefix', undefined).ip(v4)).toBe('192.0.2.0/24');
    expect(addressText('prefix', undefined).ip(v6)).toBe('2001:db8:1::/48');
    expect(addressText('raw', undefined).ip(v6)).toBe('2001:db8:1:2::3');
    expect(uuidv7(0x0123456789ab, new Uint8Array(10).fill(255))).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
  });
});

describe('warnings of a run', () => {
  const none = { isCut: false, minutes: 0, traps: [], loss: 0, turnover: undefined };

  it('say what a reader must know, and nothing when there is nothing', () => {
    expect(runWarnings(none)).toEqual([]);
    expect(runWarnings({ ...none, minutes: 4.9, loss: 0.1 })).toEqual([]);
    expect(runWarnings({ ...none, loss: undefined })).toEqual([]);
    expect(runWarnings({ ...none, isCut: true })).toEqual([expect.stringMatching(/was cut/)]);
    expect(runWarnings({ ...none, traps: [{ listed: 90 }] })).toEqual([
      expect.stringMatching(/^Traps: 1 subnet lists .* \(90 so far\); it was/),
    ]);
    expect(runWarnings({ ...none, traps: [{ listed: 90 }, { listed: 10 }] })).toEqual([
      expect.stringMatching(/^Traps: 2 subnets list .* \(100 so far\); they were/),
    ]);
    expect(runWarnings({ ...none, minutes: 125.4 })).toEqual([
      expect.stringMatching(/^The first look took 125 min.* nobody knows how many.* too high/),
    ]);
    const turnover = { gone: { hits: 12, of: 400 }, beforeMs: 1, afterMs: 1 };
    expect(runWarnings({ ...none, minutes: 125.4, turnover })).toEqual([
      expect.stringMatching(/^The first look took 125 min.* when 3.0 % of its nodes had gone/),
    ]);
    // A cut run has no estimates from two looks.
    expect(runWarnings({ ...none, minutes: 125.4, isCut: true })).toHaveLength(1);
    expect(runWarnings({ ...none, loss: 0.25 })).toEqual([expect.stringMatching(/25 % of round trips/)]);
  });
});
