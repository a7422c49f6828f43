// Second tries that wait for their turn.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import { CLIENT_VERSION } from '../../../dht/base/options.ts';
import { NO_CLAIM, NodeTable } from '../../../dht/crawl/node-table.ts';
import { POLITE, Prober } from '../../../dht/crawl/prober.ts';
import { readQuery, writeReply } from '../../../dht/sim/stub-replies.ts';

const SEED = Number(process.env['TT_SEED'] ?? 5);

function rig() {
  const rng = seededRng(SEED);
  const table = new NodeTable(4);
  const sent: { node: number; tries: number; datagram: Uint8Array }[] = [];
  const done: string[] = [];
  let last = { node: -1, tries: 0 };
  const prober = new Prober(
    table,
    {
      ownId: Id160.random(rng),
      version: CLIENT_VERSION,
      readOnly: true,
      want: undefined,
      // One every 200 ms.
      policy: { ...POLITE, tryMs: 1_000, total: { perSecond: 5, burst: 1 } },
      rng,
    },
    {
      onSent: (node, tries) => {
        last = { node, tries };
      },
      send: (datagram) => sent.push({ ...last, datagram: datagram.slice() }),
      onDone: ({ node, outcome, answeredTry }) => done.push(`${node} ${outcome} ${answeredTry}`),
    },
  );
  const nodes = [1, 2, 3].map((host) =>
    table.add(new Id160(0, 0, 0, 0, 0), DhtAddress.v4((20 << 24) | (host << 8), 6881), NO_CLAIM, 0),
  );
  const answer = (node: number, nowMs: number): boolean => {
    const query = readQuery(sent.findLast((each) => each.node === node)?.datagram as Uint8Array);
    if (query === undefined) throw new Error('no query');
    const reply = { id: Id160.random(rng), nodes: [], peers: [], token: undefined };
    return prober.handleDatagram(
      writeReply(query, reply, table.address(node)).slice(),
      table.address(node),
      nowMs,
    );
  };
  const tries = (): string[] => sent.map((each) => `${each.node} ${each.tries}`);
  return { prober, nodes, tries, done, answer };
}

describe('a second try', () => {
  it('leaves when the pace lets it, in the order of the waits', () => {
    const { prober, nodes, tries } = rig();
    for (const [i, node] of nodes.entries()) prober.ask(node, 'ping', undefined, i * 200);
    prober.ask(nodes[0] as number, 'ping', undefined, 1_399);
    for (let nowMs = 1_400; nowMs < 2_300; nowMs += 10) prober.handleTimeout(nowMs);
    expect(tries().slice(0, 7)).toEqual(['0 1', '1 1', '2 1', '0 1', '0 2', '1 2', '2 2']);
  });

  it('that waits for its turn is not made to whoever has the place of a node that answered meanwhile', () => {
    const { prober, nodes, tries, done, answer } = rig();
    const [a, b, c] = nodes as [number, number, number];
    prober.ask(a, 'ping', undefined, 0);
    prober.ask(c, 'ping', undefined, 990);
    prober.handleTimeout(1_000);
    expect(tries()).toEqual(['0 1', '2 1']);
    expect(answer(a, 1_050)).toBe(true);
    prober.ask(b, 'ping', undefined, 1_190);
    for (let nowMs = 1_200; nowMs < 1_900; nowMs += 50) prober.handleTimeout(nowMs);
    expect(tries()).toEqual(['0 1', '2 1', '1 1']);
    expect(answer(b, 1_950)).toBe(true);
    expect(done).toEqual(['0 ok 1', '1 ok 1']);
  });
});
