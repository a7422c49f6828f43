// One program to be flooded: `responder.ts NAME HOST PORT NODES`, NODES as JSON [[host, port], ...] to put into its table.
// Limits per address are lifted: all queries come from one. Runs until it is killed.
import { createSocket } from 'node:dgram';
import { pause } from '../../support/wait.ts';

const ATTEMPTS = 8;
const ATTEMPT_EVERY_MS = 300;

type Nodes = readonly (readonly [host: string, port: number])[];

/** Again and again for a moment: the nodes may not be there yet. */
async function introduce(
  nodes: Nodes,
  add: (node: { readonly host: string; readonly port: number }) => void,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    for (const [host, port] of nodes) add({ host, port });
    await pause(ATTEMPT_EVERY_MS);
  }
}

async function ours(host: string, port: number, nodes: Nodes): Promise<void> {
  const { DhtNode } = await import('../../../dht/io/dht-node.ts');
  const { NO_LIMITS } = await import('../../../dht/base/options.ts');
  const node = await DhtNode.open({ ipv6: false, bindV4: host, port, bootstrap: [], limits: NO_LIMITS });
  await introduce(nodes, (one) => node.addNode(one));
}

async function npm(host: string, port: number, nodes: Nodes): Promise<void> {
  const { default: Client } = await import('bittorrent-dht');
  const client = new Client({ bootstrap: false });
  client.on('error', (error) => {
    throw error;
  });
  client.listen(port, host, () => {
    void introduce(nodes, (one) => client.addNode(one));
  });
}

/** What node:dgram alone costs: the same bytes back, of the length that a reply with 8 nodes has. */
function echo(host: string, port: number): void {
  const socket = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) });
  const reply = Buffer.alloc(ECHO_BYTES);
  socket.on('message', (bytes, from) => {
    bytes.copy(reply);
    socket.send(reply, from.port, from.address);
  });
  socket.bind(port, host);
}

const ECHO_BYTES = 287;
const [name, host, port, nodes] = process.argv.slice(2) as [string, string, string, string];
const list = JSON.parse(nodes) as Nodes;
if (name === 'tt') await ours(host, Number(port), list);
else if (name === 'bittorrent-dht') await npm(host, Number(port), list);
else if (name === 'udp-echo') echo(host, Number(port));
else throw new Error(`unknown responder ${name}`);
