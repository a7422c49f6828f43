// The DHT case: how many queries a node answers, flooded through one socket, limits lifted for everybody: libtorrent's node,
// npm's bittorrent-dht, ours, and a bare UDP echo as the ceiling of node:dgram.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextHosts } from '../../interop/support/network.ts';
import { PYTHON } from '../../interop/support/requirements.ts';
import { freePort } from '../../support/ports.ts';
import type { Kept, Program } from '../keeper.ts';
import type { Bench } from '../race.ts';
import type { Figures } from '../report.ts';
import type { FloodRequest, FloodResult } from './flooder.ts';

export const DHT_RESPONDERS = ['libtorrent', 'bittorrent-dht', 'udp-echo', 'tt'] as const;
export type DhtResponder = (typeof DHT_RESPONDERS)[number];
export const DHT_METHODS = ['find_node', 'get_peers'] as const;

/** In the table of everybody. */
const NODES = 64;
const OUTSTANDING = 64;
const SECONDS = 3;
const TIMEOUT_MS = 60_000;

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function responder(name: DhtResponder, host: string, port: number, nodes: object): Program {
  const args = [host, String(port), JSON.stringify(nodes)];
  return name === 'libtorrent'
    ? { name, argv: [PYTHON, file('responder.py'), ...args] }
    : { name, argv: [process.execPath, file('responder.ts'), name, ...args] };
}

export async function flood(
  bench: Bench,
  name: DhtResponder,
  method: (typeof DHT_METHODS)[number],
): Promise<Figures> {
  const { v4: host } = nextHosts();
  const { v4: nodeHost } = nextHosts();
  const port = await freePort();
  const ports = new Set<number>();
  while (ports.size < NODES) ports.add(await freePort());
  const nodes = [...ports].map((nodePort) => [nodeHost, nodePort]);
  const output = (label: string): string => join(bench.scratch.tmpfs, `dht-${label}`);
  const target = await bench.keeper.start(responder(name, host, port, nodes), output(name));
  let flooder: Kept | undefined;
  try {
    const request: FloodRequest = {
      host: nodeHost,
      ports: [...ports],
      target: { host, port, pid: target.pid },
      method,
      outstanding: OUTSTANDING,
      seconds: SECONDS,
      isNode: name !== 'udp-echo',
    };
    flooder = await bench.keeper.start(
      { name: 'flooder', argv: [process.execPath, file('flooder.ts'), JSON.stringify(request)] },
      output('flooder'),
    );
    const exit = await flooder.waitForExit(TIMEOUT_MS);
    if (exit.code !== 0) throw new Error(`${flooder.tail()}\n${target.tail()}`);
    const result = JSON.parse(flooder.stdout()) as FloodResult;
    return {
      perCpuS: result.replies / result.cpuSeconds,
      perS: result.replies / result.seconds,
      cpuUs: (result.cpuSeconds / result.replies) * 1e6,
      replyBytes: result.bytesPerReply,
      lost: result.lost,
    };
  } finally {
    await flooder?.kill();
    await target.kill();
  }
}
