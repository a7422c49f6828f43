// Records what the DHT nodes of real clients say, every kind of message once or twice, as a fixture for the decoder:
//   node test/interop/run.ts -- node test/interop/record-dht.ts fixtures/captures/dht-clients.jsonl
// Queries are what libtorrent, aria2 and Transmission send to nodes of ours; replies and errors are what they answer to a
// prober that asks them everything. All on a loopback of its own.
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BencodeDict, decodeBencode } from '../../core/base/bencode.ts';
import { encodeBencode } from '../../core/base/bencode-encode.ts';
import { toHex, utf8 } from '../../core/base/bytes.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import type { DhtItem } from '../../dht/base/results.ts';
import { KrpcMessage } from '../../dht/krpc/krpc.ts';
import { Composer } from '../../dht/krpc/krpc-compose.ts';
import { scanKrpc } from '../../dht/krpc/krpc-scan.ts';
import { announceQuery, getPeersQuery, pingQuery, putQuery, targetQuery } from '../../dht/krpc/queries.ts';
import { immutableItem, signItem } from '../../dht/storage/items.ts';
import { preparePayload, singleFile } from '../bench/payloads.ts';
import { loopbackDht } from '../support/dht-loopback.ts';
import { makeTempDir } from '../support/temp.ts';
import { pause, waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import type { Client, Endpoint } from './support/client.ts';
import { type LibtorrentClient, libtorrent } from './support/libtorrent.ts';
import { nextHosts } from './support/network.ts';
import { transmission } from './support/transmission.ts';

const OUR_NODES = 10;
/** Of each kind from each client. */
const MOST_ALIKE = 2;
/** libtorrent hears no more than five queries a second from one address. */
const ASK_EVERY_MS = 300;
const REPLY_TIMEOUT_MS = 1_500;
/** It also sends no more than a few kilobytes a second, and is silent after that. */
const ATTEMPTS = 4;
const LISTEN_MS = 60_000;
const PAYLOAD_BYTES = 1 << 20;

interface Recorded {
  readonly client: string;
  readonly kind: string;
  readonly hex: string;
}

/** What tells one message of a kind from another: an implied port, a family, values beside nodes. */
const TELLING = [
  'e',
  'implied_port',
  'nodes',
  'nodes6',
  'noseed',
  'p',
  'ro',
  'samples',
  'scrape',
  'seed',
  'token',
  'v',
  'values',
  'want',
];
const keysOf = (dict: BencodeDict | undefined): string[] =>
  TELLING.filter((name) => dict?.get(name) !== undefined);

const recorded: Recorded[] = [];
const alike = new Map<string, number>();
/** Names of clients by their addresses. */
const names = new Map<string, string>();

/** @param asked what a reply answers */
function record(host: string, bytes: Uint8Array, asked?: string): void {
  const client = names.get(host);
  const decoded = decodeBencode(bytes, { allowUnsorted: true });
  if (client === undefined || !decoded.ok) return;
  const dict = decoded.value.value as BencodeDict;
  const y = new TextDecoder().decode(dict.bytes('y'));
  const query = dict.bytes('q');
  const what = y === 'q' ? new TextDecoder().decode(query) : (asked ?? 'something');
  const kind = y === 'q' ? what : `${y === 'r' ? 'reply' : 'error'} to ${what}`;
  const body = dict.dict(y === 'q' ? 'a' : 'r');
  const key = [client, kind, ...keysOf(dict), ...keysOf(body)].join(' ');
  const count = alike.get(key) ?? 0;
  if (count >= MOST_ALIKE || (y !== 'q' && asked === undefined)) return;
  alike.set(key, count + 1);
  recorded.push({ client, kind, hex: toHex(bytes) });
}

/** Asks one client everything there is to ask. */
async function probe({ endpoint }: Client): Promise<void> {
  const socket = createSocket('udp4');
  const { v4 } = nextHosts();
  await new Promise<void>((resolve) => socket.bind(0, v4, resolve));
  const frame = {
    ownId: Id160.random({ next: Math.random }),
    readOnly: false,
    version: new Uint8Array(0),
  };
  const out = new Composer();
  let tidCount = 0;
  const ask = async (what: string, compose: (tid: Uint8Array) => Uint8Array): Promise<KrpcMessage> => {
    await pause(ASK_EVERY_MS);
    const tid = Uint8Array.of(0x74, 0x30 + tidCount++);
    const message = new KrpcMessage();
    let listener: (bytes: Uint8Array) => void = () => {};
    const answered = new Promise<void>((resolve) => {
      listener = (bytes) => {
        // As it came, readable for us or not: that is what the fixture is to tell.
        const decoded = decodeBencode(bytes, { allowUnsorted: true });
        if (!decoded.ok) return;
        const dict = decoded.value.value as BencodeDict;
        if (dict.bytes('q') !== undefined || toHex(dict.bytes('t') ?? tid) !== toHex(tid)) return;
        record(endpoint.host, bytes, what);
        scanKrpc(bytes, message);
        resolve();
      };
      socket.on('message', listener);
    });
    const query = Buffer.from(compose(tid));
    let isAnswered = false;
    for (let attempt = 0; attempt < ATTEMPTS && !isAnswered; attempt++) {
      socket.send(query, endpoint.port, endpoint.host);
      isAnswered = await Promise.race([answered.then(() => true), pause(REPLY_TIMEOUT_MS).then(() => false)]);
    }
    socket.off('message', listener);
    return message;
  };
  const key = Id160.random({ next: Math.random });
  const plain = { noSeeds: false, scrape: false, want: undefined };
  await ask('ping', (tid) => pingQuery(out, frame, tid));
  await ask('find_node', (tid) => targetQuery(out, frame, 'find_node', key, undefined, tid));
  await ask('find_node', (tid) => targetQuery(out, frame, 'find_node', key, 'both', tid));
  const peers = await ask('get_peers', (tid) => getPeersQuery(out, frame, key, plain, tid));
  const told = { port: 4321, impliedPort: false, isSeed: false };
  const badToken = utf8('none');
  const token = peers.copy(peers.token) ?? badToken;
  await ask('announce_peer', (tid) => announceQuery(out, frame, key, told, token, tid));
  await ask('announce_peer', (tid) => announceQuery(out, frame, key, told, badToken, tid));
  await ask('get_peers', (tid) => getPeersQuery(out, frame, key, plain, tid));
  await ask('get_peers', (tid) => getPeersQuery(out, frame, key, { ...plain, scrape: true }, tid));
  await ask('sample_infohashes', (tid) => targetQuery(out, frame, 'sample_infohashes', key, undefined, tid));
  const seed = new Uint8Array(32).fill(9);
  const signed = (text: string, seq: bigint): DhtItem => signItem({ seed, v: encodeBencode(text), seq });
  for (const item of [immutableItem(encodeBencode('recorded')), signed('first', 2n), signed('older', 1n)]) {
    const target = Id160.of(item.target);
    const got = await ask('get', (tid) => targetQuery(out, frame, 'get', target, undefined, tid));
    const itemToken = got.copy(got.token) ?? badToken;
    await ask('put', (tid) => putQuery(out, frame, item, undefined, itemToken, tid));
    await ask('get', (tid) => targetQuery(out, frame, 'get', target, undefined, tid));
  }
  await ask('an unknown method', (tid) =>
    encodeBencode({ a: { id: frame.ownId.toBytes() }, q: 'no_such_method', t: tid, y: 'q' }),
  );
  socket.close();
}

async function main(path: string): Promise<void> {
  using scratch = makeTempDir('tt-record-dht-');
  const hosts = Array.from({ length: OUR_NODES }, () => nextHosts().v4);
  const net = await loopbackDht(hosts);
  for (const { machine } of net.nodes) {
    const handle = machine.handleDatagram.bind(machine);
    machine.handleDatagram = (bytes, from, nowMs) => {
      record(from.host, bytes);
      return handle(bytes, from, nowMs);
    };
  }
  const dht: Endpoint[] = hosts.map((host, i) => ({ host, port: net.nodes[i]?.port(4) as number }));
  const payload = await preparePayload(singleFile(PAYLOAD_BYTES), join(scratch.path, 'payload'));
  const { infoHash, name, torrentFile, dir } = payload;
  const clients: Client[] = [];
  for (const [i, kind] of [libtorrent, aria2, transmission].entries()) {
    const own = nextHosts();
    names.set(own.v4, kind.name);
    const common = { family: 'v4', encryption: 'preferred', hosts: own, dht } as const;
    const client = await kind.start({ ...common, stateDir: join(scratch.path, `${kind.name}-${i}`) });
    clients.push(client);
    await client.seed({ infoHash, name, torrentFile }, dir);
  }
  const lt = clients[0] as LibtorrentClient;
  await waitFor(async () => ((await lt.call('dht_state')) as { nodes: number }).nodes > 2, {
    what: 'libtorrent to enter',
    timeoutMs: LISTEN_MS,
  });
  await lt.call('dht_put', { value: 'recorded' });
  await lt.call('dht_get', { target: 'ab'.repeat(20) });
  const first = dht[0] as Endpoint;
  await lt.call('dht_sample', { host: first.host, port: first.port, target: 'cd'.repeat(20) });
  await Promise.all([pause(LISTEN_MS), ...clients.map(probe)]);
  await Promise.all(clients.map((client) => client.stop()));
  await net.close();
  recorded.sort((x, y) => (`${x.client} ${x.kind}` < `${y.client} ${y.kind}` ? -1 : 1));
  writeFileSync(path, `${recorded.map((one) => JSON.stringify(one)).join('\n')}\n`);
  for (const { client, kind } of recorded) process.stdout.write(`${client}: ${kind}\n`);
}

await main(process.argv[2] as string);
