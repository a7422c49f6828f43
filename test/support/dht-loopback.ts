// A DHT of a few real nodes on loopback, in this process: every tt under test enters it with --bootstrap, and nothing else.
import { isIPv6 } from '../../core/base/endpoint.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { idForAddress } from '../../dht/base/bep42.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import { waitFor } from './wait.ts';

export interface LoopbackDht {
  readonly nodes: readonly DhtNode[];
  /** HOST:PORT of the first node. */
  readonly entry: string;
  readonly bootstrap: readonly ['--bootstrap', string];
  close(): Promise<void>;
}

const JOIN_TIMEOUT_MS = 20_000;

/** At an address that counts as public a node's id must fit it from the start (BEP 42): nobody is there yet to say so. */
function idFor(host: string): { readonly nodeId?: Uint8Array } {
  const address = DhtAddress.of({ host, port: 1 });
  return address?.scope === 'global'
    ? { nodeId: idForAddress(address, { next: Math.random }).toBytes() }
    : {};
}

/** @param hosts one node on each; repeat an address for several */
export async function loopbackDht(hosts: readonly string[]): Promise<LoopbackDht> {
  const nodes: DhtNode[] = [];
  let first: { host: string; port: number } | undefined;
  for (const host of hosts) {
    const family = isIPv6(host) ? 6 : 4;
    const node = await DhtNode.open({
      ipv4: family === 4,
      ipv6: family === 6,
      ...(family === 4 ? { bindV4: host } : { bindV6: host }),
      bootstrap: first === undefined ? [] : [first],
      ...idFor(host),
    });
    nodes.push(node);
    // One after the other: who enters meets all who are there, and they take him in.
    if (first !== undefined) await node.ready;
    first ??= { host, port: node.port(family) as number };
  }
  // At public addresses a newcomer that asks is believed after minutes only: they are told of each other.
  for (const one of nodes) {
    for (const [i, host] of hosts.entries()) {
      const other = nodes[i] as DhtNode;
      const port = other.port(isIPv6(host) ? 6 : 4) as number;
      if (other !== one) one.addNode({ host, port });
    }
  }
  const isJoined = (node: DhtNode): boolean =>
    node.machine.snapshot(node.now()).families.some(({ good }) => good >= Math.min(8, hosts.length - 1));
  await waitFor(() => nodes.every(isJoined), { what: 'a DHT on loopback', timeoutMs: JOIN_TIMEOUT_MS });
  const { host, port } = first as { host: string; port: number };
  const entry = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    nodes,
    entry,
    bootstrap: ['--bootstrap', entry],
    close: async () => {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}
