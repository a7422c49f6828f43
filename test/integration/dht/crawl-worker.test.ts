// A worker with an engine of the test's own: whom it leaves alone, what it sends on, and what it does with an order that is none.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DhtAddress } from '../../../dht/base/address.ts';
import { type CrawlConfig, DEFAULT_CONFIG } from '../../../dht/crawl/config.ts';
import { type Beat, type Order, readBeat, readWorkerMessage } from '../../../dht/crawl/fleet/messages.ts';
import { work } from '../../../dht/crawl/io/fleet-worker.ts';
import { OptOut } from '../../../dht/crawl/opt-out.ts';
import { type CountingNet, countingNet } from '../../support/crawl-net.ts';

const NODES = 30;
const RUN = '0193a0b0-7e57-7000-8000-000000000000';

let net: CountingNet;
beforeAll(async () => {
  net = await countingNet(NODES, 0, 3);
});
afterAll(() => net.close());

const config: CrawlConfig = { ...DEFAULT_CONFIG, mode: 'full' };
const order: Order = {
  runId: RUN,
  order: 0,
  pass: 1,
  zone: '0/0',
  startedUnixMs: Date.now(),
  config,
  optOut: [],
};

function list(text: string): OptOut {
  const parsed = OptOut.parse(text);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return parsed.value;
}

interface Worked {
  readonly done: number;
  readonly queries: number;
  /** Of the visits, in the order of their arrival. */
  readonly outcomes: string[];
  readonly troubles: string[];
  readonly answers: string[];
}

/** Hands one order to a worker, and waits until it has answered for it. */
async function give(value: unknown, optOut = OptOut.none): Promise<Worked> {
  const stop = new AbortController();
  const outcomes: string[] = [];
  const troubles: string[] = [];
  const answers: string[] = [];
  const beats: Beat[] = [];
  const before = net.queries;
  let taken = false;
  const answer = (what: string): void => {
    answers.push(what);
    stop.abort();
  };
  const done = await work({
    engine: {
      heartbeatMs: 1_000,
      sendBeat: (beat) => {
        const read = readBeat(JSON.parse(JSON.stringify(beat)));
        if (!read.ok) throw new Error(read.reason.what);
        beats.push(read.value);
      },
      takeOrder: () => {
        if (taken) return Promise.resolve(undefined);
        taken = true;
        return Promise.resolve({
          value,
          done: () => Promise.resolve(answer('done')),
          working: () => {},
          giveBack: (afterMs) => answer(`back after ${afterMs}`),
        });
      },
      sendRows: (_run, _id, sent) => {
        const message = readWorkerMessage(JSON.parse(JSON.stringify(sent)));
        if (!message.ok) throw new Error(message.reason.what);
        if (message.value.kind === 'rows' && message.value.table === 'visit')
          outcomes.push(...message.value.rows.map((row) => String(row['outcome'])));
        return Promise.resolve();
      },
    },
    name: 'w',
    vantage: 'default',
    optOut,
    bind: () => '127.0.0.1',
    entries: () => {
      const [host, port] = net.entry.split(':') as [string, string];
      return Promise.resolve([DhtAddress.of({ host, port: Number(port) }) as DhtAddress]);
    },
    signal: stop.signal,
    idleMs: undefined,
    onOrder: () => {},
    onDone: () => {},
    onTrouble: (why) => troubles.push(why),
  });
  return { done, queries: net.queries - before, outcomes, troubles, answers };
}

it('crawls what nobody opted out of', async () => {
  const { done, outcomes, answers } = await give(order);
  expect([done, answers]).toEqual([1, ['done']]);
  expect(outcomes.filter((outcome) => outcome === 'ok').length).toBeGreaterThan(NODES * 0.9);
});

it.each([
  ["the order's list", { ...order, optOut: ['127.0.0.0/8'] }, OptOut.none],
  ['its own list', order, list('127.0.0.1')],
  ['both', { ...order, optOut: ['127.0.0.0/8', '2001:db8::/32'] }, list('192.0.2.0/24')],
])('sends nothing to who is in %s', async (_, given, own) => {
  const { done, queries, outcomes } = await give(given, own);
  expect({ done, queries, outcomes }).toEqual({ done: 1, queries: 0, outcomes: ['optout'] });
});

it.each([
  ['no opt-out list', { ...order, optOut: undefined }, /opt-out/],
  ['a list of nonsense', { ...order, optOut: ['everybody'] }, /opt-out/],
  ['no bounds', { ...order, config: { ...config, policy: {} } }, /pace/],
])('an order with %s is not carried out, by nobody', async (_, given, why) => {
  const { done, queries, troubles, answers } = await give(given);
  expect({ done, queries, answers }).toEqual({ done: 0, queries: 0, answers: ['done'] });
  expect(troubles).toEqual([expect.stringMatching(why)]);
});
