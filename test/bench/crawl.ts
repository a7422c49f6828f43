// What a crawl costs: queries per second of one core over loopback with the dataset written, the machine alone, and the memory of
// ten million nodes. `node --expose-gc test/bench/crawl.ts [loopback|machine|memory]...`
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { type Rng, randomInt, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/address.ts';
import { DEFAULT_CONFIG } from '../../dht/crawl/config.ts';
import { CrawlMachine } from '../../dht/crawl/crawl-machine.ts';
import { CrawlRun } from '../../dht/crawl/io/crawl-run.ts';
import { OptOut } from '../../dht/crawl/opt-out.ts';
import { POLITE, type ProbePolicy } from '../../dht/crawl/prober.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { Id160 } from '../../dht/node-id.ts';
import { CLIENT_VERSION } from '../../dht/options.ts';
import { readQuery, writeReply } from '../../dht/sim/stub-replies.ts';
import { makeTempDir } from '../support/temp.ts';

const SEED = 1;
const LOOPBACK_NODES = 15_000;
const MACHINE_NODES = 200_000;
const MEMORY_NODES = 10_000_000;
const K = 8;
/** As fast as it goes. */
const UNLIMITED: ProbePolicy = {
  ...POLITE,
  total: { perSecond: 1e6, burst: 256 },
  perHost: { perSecond: 1e6, burst: 1e6 },
  perSubnet: { perSecond: 1e6, burst: 1e6 },
  maxInFlight: 1_024,
};

interface Member {
  readonly id: Id160;
  readonly address: DhtAddress;
}

function reply(
  members: readonly Member[],
  at: number,
  datagram: Uint8Array,
  asker: DhtAddress,
  rng: Rng,
): Uint8Array | undefined {
  const query = readQuery(datagram);
  if (query === undefined) return undefined;
  const nodes = Array.from({ length: K }, () => members[randomInt(rng, members.length)] as Member);
  return writeReply(query, { id: (members[at] as Member).id, nodes, peers: [], token: undefined }, asker);
}

/** A process of its own: it must not share the core that is measured. */
async function serve(): Promise<void> {
  const rng = seededRng(SEED);
  const members: Member[] = [];
  for (let i = 0; i < LOOPBACK_NODES; i++) {
    const host = `127.${1 + (i >> 14)}.${(i >> 7) & 127}.${1 + (i & 127)}`;
    const socket = createSocket({ type: 'udp4', lookup: (name, _, done) => done(null, name, 4) });
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    members.push({
      id: Id160.random(rng),
      address: DhtAddress.of({ host, port: socket.address().port }) as DhtAddress,
    });
    const asker = new Map<number, DhtAddress>();
    socket.on('message', (bytes, from) => {
      let to = asker.get(from.port);
      if (to === undefined) {
        to = DhtAddress.of({ host: from.address, port: from.port }) as DhtAddress;
        asker.set(from.port, to);
      }
      const answer = reply(members, i, bytes, to, rng);
      if (answer !== undefined) socket.send(Buffer.from(answer), from.port, from.address);
    });
  }
  const { host, port } = (members[0] as Member).address;
  process.send?.({ host, port });
}

async function loopback(): Promise<void> {
  const child = fork(new URL(import.meta.url).pathname, ['serve'], { stdio: 'inherit' });
  const entry = await new Promise<{ host: string; port: number }>((resolve) =>
    child.once('message', (message) => resolve(message as { host: string; port: number })),
  );
  const place = makeTempDir('tt-bench-crawl-');
  let before = process.cpuUsage();
  let startedMs = performance.now();
  const { summary } = await CrawlRun.run({
    directory: join(place.path, 'run'),
    tool: { version: 'bench', commit: undefined },
    config: {
      ...DEFAULT_CONFIG,
      mode: 'full',
      repeats: 1,
      recheckShare: 0,
      lookups: 0,
      ipPrivacy: 'raw',
      policy: UNLIMITED,
    },
    optOut: OptOut.none,
    optOutHash: undefined,
    key: undefined,
    bind: '127.0.0.1',
    port: 0,
    entries: () => Promise.resolve([DhtAddress.of(entry) as DhtAddress]),
    lookups: undefined,
    jsonl: undefined,
    signal: new AbortController().signal,
    timeMs: undefined,
    onStart: () => {
      before = process.cpuUsage();
      startedMs = performance.now();
    },
  });
  const used = process.cpuUsage(before);
  const seconds = (used.user + used.system) / 1e6;
  const sent = summary.find(({ metric }) => metric === 'sent')?.value ?? 0;
  const verified = summary.find(({ metric }) => metric === 'verified')?.value ?? 0;
  const wall = (performance.now() - startedMs) / 1000;
  say(
    `loopback: ${verified} of ${LOOPBACK_NODES} nodes verified; ${Math.round(sent / seconds)} queries per CPU second with journal, SQLite and summary (${Math.round(sent / wall)}/s wall)`,
  );
  child.kill();
  place.remove();
}

function machineOf(send: (datagram: Uint8Array, to: DhtAddress) => void, policy: ProbePolicy): CrawlMachine {
  const rng = seededRng(SEED + 1);
  return new CrawlMachine(
    {
      family: 4,
      zone: Zone.everything,
      isTopology: false,
      method: 'find_node',
      seed: SEED,
      rng,
      ownId: Id160.random(rng),
      version: CLIENT_VERSION,
      readOnly: true,
      wantsBoth: false,
      policy,
      optOut: OptOut.none,
      startMs: 0,
    },
    { send, onListed: () => {}, onSent: () => {}, onVisit: () => {} },
  );
}

/** No socket, no disk: the ceiling. */
function machine(): void {
  const rng = seededRng(SEED);
  const members = Array.from(
    { length: MACHINE_NODES },
    (_, i): Member => ({
      id: Id160.random(rng),
      address: DhtAddress.v4((20 << 24) | (i << 6), 6881),
    }),
  );
  const numbers = new Map(members.map(({ address }, i) => [address.w0, i]));
  const asker = DhtAddress.v4(30 << 24, 6881);
  let outbox: { datagram: Uint8Array; to: DhtAddress }[] = [];
  const crawler = machineOf((datagram, to) => outbox.push({ datagram: datagram.slice(), to }), UNLIMITED);
  crawler.addBootstrap((members[0] as Member).address, 0);
  let nowMs = 0;
  let repliesMs = 0;
  const before = process.cpuUsage();
  crawler.start(nowMs);
  while (!crawler.isDone) {
    nowMs += 1;
    const batch = outbox;
    outbox = [];
    const startedMs = performance.now();
    const answers = batch.map(({ datagram, to }) => ({
      from: to,
      bytes: reply(members, numbers.get(to.w0) as number, datagram, asker, rng)?.slice() as Uint8Array,
    }));
    repliesMs += performance.now() - startedMs;
    for (const { bytes, from } of answers) crawler.handleDatagram(bytes, from, nowMs);
    crawler.handleTimeout(nowMs);
  }
  const used = process.cpuUsage(before);
  const seconds = (used.user + used.system) / 1e6 - repliesMs / 1000;
  say(
    `machine: ${Math.round(crawler.prober.sent / seconds)} visits per CPU second, ${crawler.counts.verified} verified`,
  );
}

function memory(): void {
  const collect = globalThis.gc ?? (() => {});
  collect();
  const beforeBytes = process.memoryUsage.rss();
  const crawler = machineOf(() => {}, UNLIMITED);
  const rng = seededRng(SEED);
  const startedMs = performance.now();
  for (let i = 0; i < MEMORY_NODES; i++) {
    const word = (rng.next() * 2 ** 32) | 0;
    crawler.addKnown(
      new Id160((rng.next() * 2 ** 32) | 0, word, i, ~i, i),
      DhtAddress.v4((11 << 24) + i * 19, 1024 + (i & 0x7fff)),
      0,
    );
  }
  const seconds = (performance.now() - startedMs) / 1000;
  collect();
  const rss = process.memoryUsage.rss();
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  say(
    `memory: ${crawler.table.size} nodes known and queued in ${seconds.toFixed(1)} s: resident ${mib(rss)} (${mib(rss - beforeBytes)} more than before), tables ${mib(crawler.table.bytes)}`,
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const cases: Record<string, () => void | Promise<void>> = { serve, loopback, machine, memory };
const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : ['loopback', 'machine', 'memory']) await cases[name]?.();
