// What a crawl costs: queries per second of one core over loopback with the dataset written, the machine alone, and the memory of
// ten million nodes. `node test/bench/crawl.ts [loopback|machine|memory]`
import { Buffer } from 'node:buffer';
import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Rng, randomInt, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { mix } from '../../dht/base/mix.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { CLIENT_VERSION } from '../../dht/base/options.ts';
import { DEFAULT_CONFIG } from '../../dht/crawl/config.ts';
import { CrawlMachine } from '../../dht/crawl/crawl-machine.ts';
import { CrawlRun } from '../../dht/crawl/io/crawl-run.ts';
import { JournalFile } from '../../dht/crawl/io/journal-file.ts';
import { Pass, Vantage } from '../../dht/crawl/io/pass.ts';
import { addressText } from '../../dht/crawl/io/privacy.ts';
import { OptOut } from '../../dht/crawl/opt-out.ts';
import { POLITE, type ProbePolicy } from '../../dht/crawl/prober.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { DatasetStore } from '../../dht/dataset/io/store.ts';
import { storeSummary } from '../../dht/dataset/io/summarise.ts';
import { readQuery, writeReply } from '../../dht/sim/stub-replies.ts';
import { makeTempDir } from '../support/temp.ts';

const SEED = 1;
const LOOPBACK_NODES = Number(process.env['BENCH_NODES'] ?? 60_000);
/** Below the usual limits of open files. */
const NODES_PER_PROCESS = 15_000;
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

/** Ids and endpoints as replies list them: 26 bytes each. */
const ENTRY_BYTES = 26;
const REPLY_HEAD = 'd2:ip6:______1:rd2:id20:____________________5:nodes208:';
const ID_AT = REPLY_HEAD.indexOf('2:id20:') + '2:id20:'.length;
const REPLY_TAIL = 'e1:t4:____1:v4:bn011:y1:re';
const TID_AT = REPLY_HEAD.length + K * ENTRY_BYTES + 'e1:t4:'.length;
const TID_KEY = Buffer.from('1:t4:');

/**
 * A process of its own with many sockets, each a node: it must not share the core that is measured, and cost less than it. Every
 * reply lists eight neighbours out of a shuffled list of everybody.
 */
async function serve(first: number, count: number): Promise<void> {
  const rng = seededRng(SEED + first);
  const own = Buffer.alloc(count * ENTRY_BYTES);
  const template = Buffer.from(REPLY_HEAD + '_'.repeat(K * ENTRY_BYTES) + REPLY_TAIL, 'latin1');
  let everybody = Buffer.alloc(0);
  let members = 0;
  for (let i = 0; i < count; i++) {
    const at = first + i;
    const host = `127.${1 + (at >> 14)}.${(at >> 7) & 127}.${1 + (at & 127)}`;
    const socket = createSocket({ type: 'udp4', lookup: (name, _, done) => done(null, name, 4) });
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    Id160.random(rng).write(own, i * ENTRY_BYTES);
    (DhtAddress.of({ host, port: socket.address().port }) as DhtAddress).writeCompact(
      own,
      i * ENTRY_BYTES + 20,
    );
    socket.on('message', (bytes, from) => {
      const tidAt = bytes.indexOf(TID_KEY) + TID_KEY.length;
      const answer = Buffer.from(template);
      own.copy(answer, ID_AT, i * ENTRY_BYTES, i * ENTRY_BYTES + 20);
      const neighbours = randomInt(rng, members - K) * ENTRY_BYTES;
      everybody.copy(answer, REPLY_HEAD.length, neighbours, neighbours + K * ENTRY_BYTES);
      bytes.copy(answer, TID_AT, tidAt, tidAt + 4);
      socket.send(answer, from.port, from.address);
    });
  }
  process.once('message', (list) => {
    everybody = Buffer.from(list as string, 'base64');
    members = everybody.length / ENTRY_BYTES;
    process.send?.('ready');
  });
  process.send?.(own.toString('base64'));
}

/** What a child says next. */
function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('message', resolve));
}

async function serveAll(): Promise<{ readonly entry: DhtAddress; stop(): void }> {
  const children: ChildProcess[] = [];
  for (let first = 0; first < LOOPBACK_NODES; first += NODES_PER_PROCESS) {
    const count = Math.min(NODES_PER_PROCESS, LOOPBACK_NODES - first);
    children.push(
      fork(new URL(import.meta.url).pathname, ['serve', String(first), String(count)], { stdio: 'inherit' }),
    );
  }
  const parts = (await Promise.all(children.map(next))).map((part) => Buffer.from(part as string, 'base64'));
  const entry = DhtAddress.fromCompact(4, parts[0] as Buffer, 20);
  const entries: Uint8Array[] = parts.flatMap((part) =>
    Array.from({ length: part.length / ENTRY_BYTES }, (_, i) =>
      part.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES),
    ),
  );
  const rng = seededRng(SEED);
  for (let i = entries.length - 1; i > 0; i--) {
    const j = randomInt(rng, i + 1);
    [entries[i], entries[j]] = [entries[j] as Uint8Array, entries[i] as Uint8Array];
  }
  const everybody = Buffer.concat(entries).toString('base64');
  await Promise.all(
    children.map((child) => {
      child.send(everybody);
      return next(child);
    }),
  );
  return {
    entry,
    stop: () => {
      for (const child of children) child.kill();
    },
  };
}

interface Spent {
  readonly userMs: number;
  readonly systemMs: number;
  readonly wallMs: number;
}

function spent(): Spent {
  const { user, system } = process.cpuUsage();
  return { userMs: user / 1000, systemMs: system / 1000, wallMs: performance.now() };
}

/** Everything a crawl is: socket, decoder, machine, journal, hidden addresses, SQLite; then the summary. */
async function loopback(): Promise<void> {
  const net = await serveAll();
  const place = makeTempDir('tt-bench-crawl-');
  let begun = spent();
  let crawled = begun;
  const { summary } = await CrawlRun.run({
    directory: join(place.path, 'run'),
    tool: { version: 'bench', commit: undefined },
    config: { ...DEFAULT_CONFIG, mode: 'full', repeats: 0, recheckShare: 0, lookups: 1, policy: UNLIMITED },
    optOut: OptOut.none,
    optOutHash: undefined,
    key: new Uint8Array(32).fill(1),
    bind: '127.0.0.1',
    port: 0,
    entries: () => Promise.resolve([net.entry]),
    // Comes between the crawl and its summary.
    lookups: () => {
      crawled = spent();
      return Promise.resolve([]);
    },
    jsonl: undefined,
    signal: new AbortController().signal,
    timeMs: undefined,
    onStart: () => {
      begun = spent();
    },
  });
  const ended = spent();
  net.stop();
  place.remove();
  const value = (metric: string): number => summary.find((row) => row.metric === metric)?.value ?? 0;
  const sent = value('sent');
  const cpuMs = (to: Spent): number => to.userMs + to.systemMs - begun.userMs - begun.systemMs;
  const micros = (ms: number): string => ((ms * 1000) / sent).toFixed(1);
  const rate = (ms: number): number => Math.round((sent / ms) * 1000);
  say(
    [
      `loopback: ${value('verified')} of ${LOOPBACK_NODES} nodes verified, ${sent} queries`,
      `  ${rate(cpuMs(crawled))} queries per CPU second (${micros(crawled.userMs - begun.userMs)} us user, ${micros(crawled.systemMs - begun.systemMs)} us system each), ${rate(crawled.wallMs - begun.wallMs)}/s by the clock`,
      `  ${rate(cpuMs(ended))} queries per CPU second with the summary`,
    ].join('\n'),
  );
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

/** Node `i` of ten million: its id follows from its number, and its number from its address. */
const FIRST_HOST = 11 << 24;
const HOST_STEP = 19;
/** Answers a millisecond: what waits for its time is as much as at 20,000 queries a second. */
const MEMORY_RATE = 20;
/** Of these nodes none answers: one in four, and each is waited for as long as the rules say. */
const SILENT_OF = 4;
/** 20,000 a second, with as many in flight as `tt dht crawl` allows; turns as small as those of a socket. */
const MEMORY_POLICY: ProbePolicy = {
  ...UNLIMITED,
  total: { perSecond: 20_000, burst: 200 },
  maxInFlight: 1 << 17,
};

function idOfNode(i: number): Id160 {
  return new Id160(mix(i ^ 0x51ed270b), mix(i), i, ~i, i);
}

function addressOfNode(i: number): DhtAddress {
  return DhtAddress.v4(FIRST_HOST + i * HOST_STEP, 1024 + (i & 0x7fff));
}

/** What the process holds in memory; of it what is its own alone, where the system says so: the rest is Node's program file. */
function residentMiB(): string {
  const mebi = (bytes: number): number => Math.round(bytes / 2 ** 20);
  const { rss, heapTotal, arrayBuffers } = process.memoryUsage();
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const anonymous = /^RssAnon:\s+(\d+)/m.exec(status)?.[1];
  const own = anonymous === undefined ? '' : `, ${mebi(Number(anonymous) * 1024)} anonymous`;
  const most = mebi(process.resourceUsage().maxRSS * 1024);
  return `${mebi(rss)} MiB resident (most: ${most})${own}, ${mebi(arrayBuffers)} arrays, ${mebi(heapTotal)} heap`;
}

/**
 * What a crawl holds: everything of it but the socket, over ten million nodes of which each reply lists eight more and a quarter
 * is silent, with hidden addresses, journal, SQLite and summary. BENCH_VISITS ends it earlier or later: when a fifth of them is
 * visited all are known.
 */
async function memory(): Promise<void> {
  const visits = Number(process.env['BENCH_VISITS'] ?? 2_000_000);
  const place = makeTempDir('tt-bench-crawl-');
  const store = await DatasetStore.open(join(place.path, 'data.sqlite'), 'create');
  const journal = JournalFile.create(join(place.path, 'journal'));
  const rng = seededRng(SEED);
  const config = { ...DEFAULT_CONFIG, mode: 'full' as const, policy: MEMORY_POLICY };
  const pass = new Pass({
    runId: 'bench',
    pass: 1,
    zone: Zone.everything,
    ownId: Id160.random(rng),
    config,
    optOut: OptOut.none,
    text: addressText('hmac', new Uint8Array(32).fill(1)),
    rng,
    store,
    jsonl: undefined,
    vantage: new Vantage(),
  });
  const { machine } = pass;
  const asked: number[] = [];
  const questions: Uint8Array[] = [];
  pass.open(
    (datagram, to) => {
      asked.push((to.w0 - FIRST_HOST) / HOST_STEP);
      questions.push(Buffer.from(datagram));
    },
    6881,
    journal,
  );
  const template = Buffer.from(REPLY_HEAD + '_'.repeat(K * ENTRY_BYTES) + REPLY_TAIL, 'latin1');
  let listed = 1;
  let nowMs = 0;
  const cpuBefore = process.cpuUsage();
  machine.addKnown(idOfNode(0), addressOfNode(0), 0);
  machine.start(nowMs);
  while (!machine.isDone && machine.counts.visits < visits) {
    const nodes = asked.splice(0);
    nowMs += Math.max(1, nodes.length / MEMORY_RATE);
    const datagrams = questions.splice(0);
    for (const [k, node] of nodes.entries()) {
      if (node % SILENT_OF === 1) continue;
      const question = datagrams[k] as Uint8Array;
      const tidAt = Buffer.from(question.buffer, question.byteOffset, question.length).indexOf(TID_KEY);
      const answer = Buffer.from(template);
      idOfNode(node).write(answer, ID_AT);
      for (let i = 0; i < K; i++) {
        const at = REPLY_HEAD.length + i * ENTRY_BYTES;
        const other = listed < MEMORY_NODES ? listed++ : randomInt(rng, MEMORY_NODES);
        idOfNode(other).write(answer, at);
        addressOfNode(other).writeCompact(answer, at + 20);
      }
      answer.set(question.subarray(tidAt + TID_KEY.length, tidAt + TID_KEY.length + 4), TID_AT);
      machine.handleDatagram(answer, addressOfNode(node), nowMs);
    }
    machine.handleTimeout(nowMs);
    pass.flush(nowMs);
  }
  pass.store(nowMs);
  const { user, system } = process.cpuUsage(cpuBefore);
  const crawled = machine.counts.visits;
  say(
    `memory: ${machine.table.size} nodes known, ${crawled} visited at ${Math.round(crawled / ((user + system) / 1e6))} per CPU second (without a socket): ${residentMiB()}, tables ${Math.round(machine.table.bytes / 2 ** 20)} MiB`,
  );
  const summary = storeSummary(store, {
    runId: 'bench',
    zoneBits: 0,
    zonePrefix: '0'.repeat(40),
    distances: undefined,
    planted: undefined,
    secondPort: undefined,
    gone: undefined,
    repeatRange: undefined,
    traps: [],
  });
  say(`  after the summary (${summary.length} rows): ${residentMiB()}`);
  store.close();
  journal.close();
  place.remove();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const cases: Record<string, () => void | Promise<void>> = { loopback, machine, memory };
const [wanted, ...numbers] = process.argv.slice(2);
if (wanted === 'serve') await serve(Number(numbers[0]), Number(numbers[1]));
else if (wanted === undefined) for (const run of Object.values(cases)) await run();
else await cases[wanted]?.();
