// What a crawl holds of ten million nodes: the table, its index, its times, and the space that V8 takes for garbage.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { randomInt, seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { mix } from '../../../dht/base/mix.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import { EndpointIndex, type EndpointWords } from '../../../dht/crawl/endpoint-index.ts';
import { hashAddress } from '../../../dht/crawl/hash.ts';
import { GIVEN, NO_CLAIM, NodeState, NodeTable } from '../../../dht/crawl/node-table.ts';
import { SteadyTimes } from '../../../dht/crawl/steady-times.ts';

const SEED = Number(process.env['TT_SEED'] ?? 5);
const MEBI = 2 ** 20;

function addressOf(family: 4 | 6, i: number): DhtAddress {
  // Hosts with a few ports each; of IPv6 they differ in one word of four.
  const host = mix(i >>> 2);
  const port = 1 + (i & 3);
  if (family === 4) return DhtAddress.v4(host, port);
  const words: [number, number, number, number] = [0x2001_0db8, 0, 0, 0];
  words[i % 4] = host;
  return DhtAddress.v6(...words, port);
}

describe('the node table', () => {
  it.each([4, 6] as const)(
    'IPv%i: finds every endpoint and no other, and keeps what it was told',
    (family) => {
      const rng = seededRng(SEED);
      const table = new NodeTable(family);
      const known = new Map<string, number>();
      const ids: Id160[] = [];
      const nexts: number[] = [];
      const states: NodeState[] = [];
      let nowMs = 0;
      for (let i = 0; i < 40_000; i++) {
        const address = addressOf(family, i);
        const text = `${address.host} ${address.port}`;
        if (table.find(address) !== (known.get(text) ?? -1))
          expect(table.find(address), text).toBe(known.get(text) ?? -1);
        if (known.has(text)) continue;
        nowMs += rng.next() < 0.001 ? 100_000 : 7;
        const node = table.add(Id160.random(rng), address, [NO_CLAIM, GIVEN, i][i % 3] as number, nowMs);
        known.set(text, node);
        ids.push(table.id(node));
        const next = i % 5 === 0 ? -1 : randomInt(rng, 2 ** 29 - 1);
        const state = (i % 8) as NodeState;
        // In either order: they share a word.
        if (i % 2 === 0) table.setNext(node, next);
        table.setState(node, state);
        if (i % 2 === 1) table.setNext(node, next);
        nexts.push(next);
        states.push(state);
        if (table.queuedMs(node) !== nowMs) expect(table.queuedMs(node), `${i}`).toBe(nowMs);
      }
      expect(table.size).toBe(known.size);
      for (const [text, node] of known) {
        const [host, port] = text.split(' ') as [string, string];
        const address = DhtAddress.of({ host, port: Number(port) }) as DhtAddress;
        const all = [
          table.find(address),
          table.next(node),
          table.state(node),
          table.id(node).equals(ids[node] as Id160),
        ];
        const wanted = [node, nexts[node], states[node], true];
        if (String(all) !== String(wanted)) expect(all, text).toEqual(wanted);
        if (!table.address(node).equals(address)) expect(table.address(node)).toEqual(address);
      }
      for (let i = 80_000; i < 120_000; i++)
        if (table.find(addressOf(family, i)) >= 0) expect(known.has(addressOf(family, i).host)).toBe(true);
    },
  );

  it('a node without state, link or referrers has none of its neighbours', () => {
    const table = new NodeTable(4);
    const node = table.add(new Id160(1, 2, 3, 4, 5), DhtAddress.v4(1, 1), NO_CLAIM, 0);
    expect([table.state(node), table.next(node), table.referrers(node)]).toEqual([NodeState.queued, -1, 0]);
    for (let i = 0; i < 70_000; i++) table.refer(node);
    expect(table.referrers(node)).toBe(65_535);
    table.setState(node, NodeState.outside);
    table.setNext(node, 2 ** 29 - 2);
    expect([table.state(node), table.next(node)]).toEqual([NodeState.outside, 2 ** 29 - 2]);
    table.setNext(node, -1);
    expect([table.state(node), table.next(node)]).toEqual([NodeState.outside, -1]);
  });

  it('takes 44 bytes a node over IPv4, at any size', () => {
    const table = new NodeTable(4);
    const id = new Id160(1, 2, 3, 4, 5);
    let most = 0;
    for (let i = 0; i < 10 * 65_536; i++) {
      table.add(id, DhtAddress.v4(i, 6881), 0, i / 20);
      // Chunks are full: what is left is the share of the index.
      if (i > 6 * 65_536 && (i + 1) % 65_536 === 0) most = Math.max(most, table.bytes / table.size);
    }
    expect(most).toBeLessThan(44);
  });
});

describe('the index of endpoints', () => {
  it('numbers may need more bits than they began with', () => {
    const endpointOf = (node: number): EndpointWords => ({
      w0: mix(node),
      w1: 0,
      w2: 0,
      w3: 0,
      port: node & 7,
    });
    const index = new EndpointIndex({
      isAt: (node, { w0, port }) => w0 === mix(node) && port === (node & 7),
      hashOf: (node) => hashAddress(mix(node), 0, 0, 0, node & 7),
    });
    const numbers = [2 ** 24, 2 ** 25, 2 ** 28].flatMap((bound) =>
      Array.from({ length: 4_000 }, (_, i) => bound - 2_000 + i),
    );
    for (const number of numbers) index.add(number);
    const wrong = numbers.filter((number) => index.find(endpointOf(number)) !== number);
    expect(wrong).toEqual([]);
    expect(index.find(endpointOf(1))).toBe(-1);
  });
});

describe('steady times', () => {
  it('come back to the millisecond, over pauses, steps back and the longest run', () => {
    const rng = seededRng(SEED);
    const times = new SteadyTimes();
    let ms = 0;
    const kept: [ms: number, kept: number][] = [];
    for (let i = 0; i < 20_000; i++) {
      ms += i % 1_000 === 0 ? 65_536 : i % 777 === 0 ? -Math.min(ms, 5_000) : rng.next() * 40;
      if (i === 15_000) ms = 2 ** 32 - 1_000_000;
      kept.push([ms, times.add(i, ms)]);
    }
    const wrong = kept.filter(([at, value], i) => value > 0xffff || times.msOf(i, value) !== Math.floor(at));
    expect(wrong, `seed ${SEED}`).toEqual([]);
  });
});

describe('the space of young objects', () => {
  /** Makes what lives for a while, as V8 takes for a reason to grow; says how large the space became. */
  function grown(binds: boolean): number {
    const code = `
      import { boundYoungHeap, youngHeapBytes } from ${JSON.stringify(new URL('../../../dht/crawl/io/young-heap.ts', import.meta.url).href)};
      let kept = [];
      for (let i = 0; i < 5e6; i++) {
        kept.push({ i });
        if (kept.length > 2e5) kept = [];
        if (${binds} && i % 1e4 === 0) boundYoungHeap();
      }
      process.stdout.write(String(youngHeapBytes()));
    `;
    return Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }));
  }

  it('stays small once a crawl has begun', () => {
    const [bound, unbound] = [grown(true), grown(false)];
    expect(bound).toBeGreaterThanOrEqual(8 * MEBI);
    expect(bound).toBeLessThanOrEqual(32 * MEBI);
    expect(unbound).toBeGreaterThan(bound);
  });
});
