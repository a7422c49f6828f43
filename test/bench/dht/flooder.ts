// Asks one node as fast as it answers: `flooder.ts REQUEST`, a JSON FloodRequest. First it is the network the node lives in,
// nodes that answer its pings and lookups; then it floods, a fixed number of queries in flight, and prints one FloodResult.
import { createSocket, type Socket } from 'node:dgram';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import { KrpcMessage } from '../../../dht/krpc/krpc.ts';
import { Composer } from '../../../dht/krpc/krpc-compose.ts';
import { scanKrpc } from '../../../dht/krpc/krpc-scan.ts';
import { getPeersQuery, targetQuery } from '../../../dht/krpc/queries.ts';
import { readQuery, writeReply } from '../../../dht/sim/stub-replies.ts';
import { cpuSeconds } from '../probes.ts';

export interface FloodRequest {
  readonly host: string;
  /** Of the nodes of the network. */
  readonly ports: readonly number[];
  readonly target: { readonly host: string; readonly port: number; readonly pid: number };
  readonly method: 'find_node' | 'get_peers';
  readonly outstanding: number;
  readonly seconds: number;
  /** The target speaks KRPC: replies without 8 nodes do not count. False for an echo. */
  readonly isNode: boolean;
}

export interface FloodResult {
  readonly replies: number;
  readonly seconds: number;
  /** Of the target, meanwhile. */
  readonly cpuSeconds: number;
  readonly bytesPerReply: number;
  readonly lost: number;
}

const DISTINCT_QUERIES = 4096;
const NODES_IN_REPLY = 8;
const NODE_BYTES = 26;
/** Without an answer for so long a query is sent again: a closed loop must not run dry. */
const LOST_AFTER_MS = 250;
/** Warm-up before the clock starts; longer than the responders get to know the network. */
const WARM_MS = 3_000;
const READY_TIMEOUT_MS = 20_000;
const ASK_EVERY_MS = 100;
const SEED = 1;
const TOKEN = new Uint8Array(4);

const request = JSON.parse(process.argv[2] as string) as FloodRequest;
const { target } = request;
const rng = seededRng(SEED);

function open(port: number, onMessage: (bytes: Buffer, socket: Socket) => void): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: 1 << 20,
    lookup: (host, _options, done) => done(null, host, 4),
  });
  socket.on('message', (bytes) => onMessage(bytes, socket));
  return new Promise((resolve) => socket.bind(port, request.host, () => resolve(socket)));
}

/** Nodes that answer as nodes do: with each other's names. */
async function network(): Promise<void> {
  const members = request.ports.map((port) => ({
    id: Id160.random(rng),
    address: DhtAddress.of({ host: request.host, port }) as DhtAddress,
  }));
  const asker = DhtAddress.of(target) as DhtAddress;
  for (const [i, { id, address }] of members.entries()) {
    await open(address.port, (bytes, socket) => {
      const query = readQuery(bytes);
      if (query === undefined) return;
      const nodes = Array.from({ length: NODES_IN_REPLY }, (_, n) => members[(i + n * 7) % members.length]);
      const named = query.method === 'ping' ? undefined : (nodes as typeof members);
      const token = query.method === 'get_peers' ? TOKEN : undefined;
      socket.send(
        Buffer.from(writeReply(query, { id, nodes: named, peers: [], token }, asker)),
        asker.port,
        asker.host,
      );
    });
  }
}

const frame = { ownId: Id160.random(rng), readOnly: true, version: new Uint8Array(0) };
const out = new Composer();
const noOptions = { noSeeds: false, scrape: false, want: undefined } as const;
/** The transaction id stands at a fixed place before the end: all are of one length. */
const queries = Array.from({ length: DISTINCT_QUERIES }, () => {
  const key = Id160.read(randomBytes(rng, 20), 0);
  const tid = new Uint8Array(2);
  const query =
    request.method === 'find_node'
      ? targetQuery(out, frame, 'find_node', key, undefined, tid)
      : getPeersQuery(out, frame, key, noOptions, tid);
  return Buffer.from(query);
});
const tidAt = (queries[0] as Buffer).length - '1:y1:qe'.length - 2;

const message = new KrpcMessage();
/** The number of the query that this answers as it should; -1 for anything else. */
function answered(bytes: Buffer): number {
  if (!request.isNode) return bytes.readUInt16BE(tidAt);
  if (scanKrpc(bytes, message) !== 'ok' || message.kind !== 'reply') return -1;
  if (message.length(message.nodes) < NODES_IN_REPLY * NODE_BYTES) return -1;
  return message.length(message.tid) === 2 ? bytes.readUInt16BE(message.tid.start) : -1;
}

let next = 0;
let replies = 0;
let bytesIn = 0;
let lost = 0;
let isOver = false;
const sentAtMs = new Float64Array(request.outstanding);

function ask(socket: Socket, slot: number): void {
  const query = queries[next++ % DISTINCT_QUERIES] as Buffer;
  query.writeUInt16BE(slot, tidAt);
  sentAtMs[slot] = performance.now();
  socket.send(query, target.port, target.host);
}

async function main(): Promise<void> {
  if (request.isNode) await network();
  const flooder = await open(0, (bytes, socket) => {
    const slot = answered(bytes);
    if (slot < 0 || slot >= request.outstanding || isOver) return;
    replies++;
    bytesIn += bytes.length;
    ask(socket, slot);
  });
  const startedMs = performance.now();
  // One query at a time until it answers in full: its table has filled.
  for (ask(flooder, 0); replies === 0; ask(flooder, 0)) {
    if (performance.now() - startedMs > READY_TIMEOUT_MS) throw new Error('the node never gave 8 nodes');
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  for (let slot = 1; slot < request.outstanding; slot++) ask(flooder, slot);
  const lookAfterLost = setInterval(() => {
    const before = performance.now() - LOST_AFTER_MS;
    for (let slot = 0; slot < request.outstanding; slot++) {
      if ((sentAtMs[slot] as number) > before) continue;
      lost++;
      ask(flooder, slot);
    }
  }, ASK_EVERY_MS);
  await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  const cpuBefore = cpuSeconds(target.pid);
  const fromMs = performance.now();
  replies = 0;
  bytesIn = 0;
  lost = 0;
  await new Promise((resolve) => setTimeout(resolve, request.seconds * 1000));
  const result: FloodResult = {
    replies,
    seconds: (performance.now() - fromMs) / 1000,
    cpuSeconds: cpuSeconds(target.pid) - cpuBefore,
    bytesPerReply: bytesIn / replies,
    lost,
  };
  isOver = true;
  clearInterval(lookAfterLost);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

await main();
