// How many queries a second the DHT machine answers on one core, without sockets: the ceiling of what a node can do.
// `node test/bench/dht-machine.ts [seconds]`
import { parseArgs } from 'node:util';
import { randomBytes, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { NO_LIMITS } from '../../dht/base/options.ts';
import { Composer } from '../../dht/krpc/krpc-compose.ts';
import { getPeersQuery, pingQuery, targetQuery } from '../../dht/krpc/queries.ts';
import { DhtMachine } from '../../dht/machine.ts';

const TABLE_NODES = 400;
const DISTINCT_QUERIES = 4096;
const SEED = 1;

const { positionals } = parseArgs({ allowPositionals: true });
const seconds = Number(positionals[0] ?? 2);
const rng = seededRng(SEED);

let bytesOut = 0;
const machine = new DhtMachine(
  { rng, limits: NO_LIMITS, table: { requireValidIds: false }, maintenance: { enabled: false } },
  { send: (datagram) => (bytesOut += datagram.length) },
  1000,
);
for (let i = 0; i < TABLE_NODES; i++) {
  const address = DhtAddress.v4(((11 << 24) + i * 256) | 0, 6881);
  machine.insertVerified({ id: randomBytes(rng, 20), address }, 1000, 50);
}

const frame = { ownId: Id160.random(rng), readOnly: false, version: new Uint8Array(0) };
const out = new Composer();
const tid = Uint8Array.of(97, 97);
const target = (): Id160 => Id160.random(rng);
const noOptions = { noSeeds: false, scrape: false, want: undefined };
const kinds: readonly (readonly [string, () => Uint8Array])[] = [
  ['ping', () => pingQuery(out, frame, tid)],
  ['find_node', () => targetQuery(out, frame, 'find_node', target(), undefined, tid)],
  ['get_peers', () => getPeersQuery(out, frame, target(), noOptions, tid)],
];

const contacts = machine.contacts().length;
process.stdout.write(`table of ${contacts} nodes, ${seconds} s each, one core\n`);
for (const [name, compose] of kinds) {
  const queries = Array.from({ length: DISTINCT_QUERIES }, () => compose().slice());
  const senders = Array.from({ length: 64 }, (_, i) => DhtAddress.v4((20 << 24) | (i << 8), 6881));
  const endAt = performance.now() + seconds * 1000;
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  bytesOut = 0;
  let count = 0;
  while (performance.now() < endAt) {
    for (let i = 0; i < 1024; i++, count++)
      machine.handleDatagram(
        queries[count % DISTINCT_QUERIES] as Uint8Array,
        senders[count % 64] as DhtAddress,
        2000,
      );
  }
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6;
  const wall = (performance.now() - startedAt) / 1000;
  const rate = Math.round(count / cpuSeconds);
  process.stdout.write(
    `${name.padEnd(10)} ${rate} answers per CPU second (${Math.round(count / wall)}/s wall), ${Math.round(bytesOut / count)} bytes each\n`,
  );
}
