// A DHT of plain UDP sockets that count what they are asked: small enough for hundreds in one process, honest enough for a crawl.
import { createSocket, type Socket } from 'node:dgram';
import { type Rng, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { compareDistance, Id160 } from '../../dht/base/node-id.ts';
import { readQuery, writeReply } from '../../dht/sim/stub-replies.ts';

export interface CountedNode {
  readonly id: Id160;
  readonly address: DhtAddress;
  /** Listed by everybody, and nobody there. */
  readonly isDead: boolean;
  queries: number;
}

export interface CountingNet {
  readonly nodes: readonly CountedNode[];
  readonly alive: readonly CountedNode[];
  readonly queries: number;
  /** HOST:PORT of a live node. */
  readonly entry: string;
  close(): void;
}

const HOST = '127.0.0.1';
const K = 8;

function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, HOST, () => resolve(socket));
  });
}

/** Entries of a reply by which nobody is left untold: e^-16 of the nodes, where the usual eight leave e^-8. */
export const MANY_ENTRIES = 16;

/** @param dead how many of them are listed only, @param entries nodes that a reply lists */
export async function countingNet(
  count: number,
  dead: number,
  seed: number,
  entries = K,
): Promise<CountingNet> {
  const rng: Rng = seededRng(seed);
  const sockets = await Promise.all(Array.from({ length: count }, bound));
  const nodes = sockets.map((socket, i): CountedNode => {
    const address = DhtAddress.of({ host: HOST, port: socket.address().port }) as DhtAddress;
    return { id: Id160.random(rng), address, isDead: i >= count - dead, queries: 0 };
  });
  const net = { queries: 0 };
  for (const [i, socket] of sockets.entries()) {
    const node = nodes[i] as CountedNode;
    socket.on('message', (bytes, from) => {
      node.queries++;
      net.queries++;
      if (node.isDead) return;
      const query = readQuery(bytes);
      const target = query?.view(query.target);
      const asker = DhtAddress.of({ host: from.address, port: from.port });
      if (query === undefined || asker === undefined) return;
      const wanted = target === undefined ? node.id : Id160.read(target, 0);
      const nearest = nodes
        .filter((other) => other !== node)
        .sort((x, y) => compareDistance(wanted, x.id, y.id))
        .slice(0, entries);
      const reply = {
        id: node.id,
        nodes: target === undefined ? undefined : nearest,
        peers: [],
        token: undefined,
      };
      socket.send(writeReply(query, reply, asker), from.port, from.address);
    });
  }
  const alive = nodes.filter(({ isDead }) => !isDead);
  return {
    nodes,
    alive,
    get queries() {
      return net.queries;
    },
    entry: `${HOST}:${alive[0]?.address.port}`,
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}
