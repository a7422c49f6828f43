// The DHT from here: does it answer, how quickly, how well does a lookup go; and what its nodes see of us, which tells the kind
// of address translation. A node of its own for some seconds, that asks and never answers (BEP 43).
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isIPv6 } from '../../core/base/endpoint.ts';
import type { BootstrapResult, DhtSnapshot, LookupResult, PingResult } from '../../dht/base/results.ts';
import { DhtNode, type DhtNodeOptions } from '../../dht/io/dht-node.ts';
import { formatMs } from '../dht/describe.ts';
import { nodeOptions } from '../dht/node-options.ts';
import { formatCount } from '../terminal/units.ts';
import { localAddresses } from './addresses.ts';
import { natFacts, type SeenAs } from './nat-kind.ts';
import {
  bad,
  type DoctorContext,
  type DoctorFact,
  type DoctorSection,
  good,
  notChecked,
  note,
} from './section.ts';

const ID_BYTES = 20;
/** With so many a lookup has somewhere to start. */
const ENOUGH_NODES = 8;
const POLL_MS = 25;
/** Of the whole time: what joining may take, and the lookup after it. The rest is for the questions about our address. */
const JOIN_SHARE = 0.5;
const LOOKUP_SHARE = 0.8;
/** Nodes asked how they see us. */
const MOST_ASKED = 12;
/** A lookup of ours takes about a second where all is well. */
const SLOW_LOOKUP_MS = 5_000;

const DHT = 'DHT';
const NAT = 'Address translation';

/** What was seen of one family. */
export interface DhtHealth {
  readonly family: 4 | 6;
  readonly snapshot: DhtSnapshot['families'][number];
  readonly joined: BootstrapResult | undefined;
  readonly lookup: LookupResult['reports'][number] | undefined;
}

function skipped(why: string): readonly DoctorSection[] {
  return [
    { id: 'nat', title: NAT, facts: [notChecked('nat4', 'Translation', why)] },
    { id: 'dht', title: DHT, facts: [notChecked('dht', 'Network', why)] },
  ];
}

/** What a family's health means. Pure. */
export function healthFacts({ family, snapshot, joined, lookup }: DhtHealth): DoctorFact[] {
  const id = `dht${family}`;
  const name = `IPv${family}`;
  if (snapshot.good === 0 && (lookup?.replies ?? 0) === 0) return [];
  const size =
    snapshot.networkSize === undefined ? '' : `, a network of about ${Math.round(snapshot.networkSize)}`;
  const within = joined === undefined ? '' : ` after ${formatMs(joined.elapsedMs)}`;
  const facts = [
    good(id, name, `${formatCount(snapshot.good, 'good node')}${within}${size}`, {
      good: snapshot.good,
      nodes: snapshot.nodes,
      networkSize: snapshot.networkSize === undefined ? null : Math.round(snapshot.networkSize),
      bootstrapMs: joined === undefined ? null : Math.round(joined.elapsedMs),
      usedRouters: joined?.usedRouters ?? null,
    }),
  ];
  if (lookup === undefined)
    return [...facts, notChecked(`${id}-lookup`, 'lookup', 'no time was left for it')];
  const value = `${formatMs(lookup.elapsedMs)}, ${formatCount(lookup.hops, 'hop')}, ${lookup.replies} of ${formatCount(lookup.queries, 'query', 'queries')} answered`;
  const data = {
    elapsedMs: Math.round(lookup.elapsedMs),
    hops: lookup.hops,
    queries: lookup.queries,
    replies: lookup.replies,
    timeouts: lookup.timeouts,
  };
  facts.push(
    lookup.elapsedMs <= SLOW_LOOKUP_MS
      ? good(`${id}-lookup`, 'lookup', value, data)
      : note(
          `${id}-lookup`,
          'lookup',
          value,
          'Datagrams are lost on the way: is the line saturated, or the router short of UDP entries?',
          data,
        ),
  );
  return facts;
}

/** Pure. @param queriesOut 0: no address to ask was known, since names may fail to resolve */
export function silenceFact(queriesOut: number): DoctorFact {
  if (queriesOut === 0) {
    const advice =
      'Names of the entry nodes do not resolve: look at the name service, or give --bootstrap HOST:PORT.';
    return bad('dht', 'Network', 'nobody to ask', advice, 'network', { queriesOut });
  }
  const advice =
    'Is UDP blocked by a firewall or the network? Try --bootstrap HOST:PORT with a node that is surely there.';
  const value = `none of ${formatCount(queriesOut, 'query', 'queries')} was answered`;
  return bad('dht', 'Network', value, advice, 'network', { queriesOut });
}

class DhtExam {
  readonly #node: DhtNode;
  readonly #context: DoctorContext;
  readonly #startedAtMs: number;

  constructor(node: DhtNode, context: DoctorContext) {
    this.#node = node;
    this.#context = context;
    this.#startedAtMs = context.nowMs();
  }

  #leftMs(share = 1): number {
    const { deadlineMs, nowMs } = this.#context;
    return Math.max(0, this.#startedAtMs + (deadlineMs - this.#startedAtMs) * share - nowMs());
  }

  snapshot(): DhtSnapshot {
    return this.#node.machine.snapshot(this.#node.now());
  }

  async join(): Promise<BootstrapResult | undefined> {
    let joined: BootstrapResult | undefined;
    let hasEnded = false;
    void this.#node.ready.then((result) => {
      joined = result;
      hasEnded = true;
    });
    const isEnough = (): boolean =>
      this.snapshot().families.every(({ good: count }) => count >= ENOUGH_NODES);
    while (!hasEnded && !isEnough() && this.#leftMs(JOIN_SHARE) > 0 && !this.#context.signal.aborted) {
      await sleep(POLL_MS);
    }
    return joined;
  }

  /** A lookup of a random place. */
  async lookup(): Promise<LookupResult | undefined> {
    return this.#operate<LookupResult>(LOOKUP_SHARE, (done) =>
      this.#node.run((machine, nowMs) => machine.findNode(randomBytes(ID_BYTES), { onDone: done }, nowMs)),
    );
  }

  /** Asks nodes at as many different addresses as there are how they see us. */
  async seenAs(family: 4 | 6): Promise<readonly SeenAs[]> {
    const contacts = this.#node.machine.contacts().filter(({ address }) => address.family === family);
    const hosts = new Set<string>();
    const [first, again] = [[] as (typeof contacts)[number][], [] as (typeof contacts)[number][]];
    for (const contact of contacts) {
      (hosts.has(contact.address.host) ? again : first).push(contact);
      hosts.add(contact.address.host);
    }
    const asked = [...first, ...again].slice(0, MOST_ASKED);
    const answers = await Promise.all(
      asked.map(({ address }) =>
        this.#operate<PingResult>(1, (done) =>
          this.#node.run((machine, nowMs) => machine.ping(address, done, nowMs)),
        ),
      ),
    );
    return answers
      .map((answer) => answer?.seenAs)
      .filter((seen) => seen !== undefined)
      .map(({ host, port }) => ({ host, port }));
  }

  async #operate<R>(
    share: number,
    start: (done: (result: R) => void) => { cancel(): void },
  ): Promise<R | undefined> {
    const { signal } = this.#context;
    return new Promise<R | undefined>((resolve) => {
      const finish = (result: R | undefined): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        resolve(result);
      };
      const giveUp = (): void => {
        this.#node.run(() => operation.cancel());
        finish(undefined);
      };
      const timer = setTimeout(giveUp, this.#leftMs(share));
      signal.addEventListener('abort', giveUp, { once: true });
      const operation = start(finish);
    });
  }
}

async function examine(node: DhtNode, context: DoctorContext): Promise<readonly DoctorSection[]> {
  const exam = new DhtExam(node, context);
  const joined = await exam.join();
  const lookup = exam.snapshot().families.some(({ good: count }) => count > 0)
    ? await exam.lookup()
    : undefined;
  const snapshot = exam.snapshot();
  const nat: DoctorFact[] = [];
  for (const { family } of snapshot.families) {
    const localHosts = localAddresses()
      .map(({ host }) => host)
      .filter((host) => isIPv6(host) === (family === 6));
    const reports = await exam.seenAs(family);
    // A family nobody answered in has nothing to say of translation.
    if (reports.length === 0 && snapshot.families.length > 1) continue;
    nat.push(...natFacts({ family, localHosts, localPort: node.port(family) ?? 0, reports }));
  }
  if (nat.length === 0) nat.push(notChecked('nat4', 'Translation', 'no DHT node told what address it sees'));
  nat.push(
    notChecked(
      'filtering',
      'Filtering',
      'it takes somebody else to knock: a running download tells in its panel 5',
    ),
  );
  const dht = snapshot.families.flatMap((family) =>
    healthFacts({
      family: family.family,
      snapshot: family,
      joined,
      lookup: lookup?.reports.find((report) => report.family === family.family),
    }),
  );
  if (dht.length === 0) dht.push(silenceFact(snapshot.statistics.queriesOut));
  else if (snapshot.roundTripP10Ms !== undefined && snapshot.roundTripP90Ms !== undefined) {
    const { roundTripP10Ms: low, roundTripP90Ms: high } = snapshot;
    dht.push(
      good('dht-round-trip', 'Round trips', `${formatMs(low)} to ${formatMs(high)} (10 % to 90 %)`, {
        p10Ms: Math.round(low),
        p90Ms: Math.round(high),
      }),
    );
  }
  return [
    { id: 'nat', title: NAT, facts: nat },
    { id: 'dht', title: DHT, facts: dht },
  ];
}

/** @param port what a download would listen on; 0 when that is unknown. Taken for UDP: any other will do. */
export async function examineDht(context: DoctorContext, port: number): Promise<readonly DoctorSection[]> {
  const { settings, flags, bindAddresses, log } = context;
  if (context.isOffline) return skipped('--offline');
  if (!settings.dht) return skipped('the DHT is switched off (tt config shows where)');
  if (settings.proxy !== '') return skipped('UDP cannot go through the proxy');
  const options: DhtNodeOptions = {
    ...nodeOptions({ settings, flags, bindAddresses, log }),
    // The kept id belongs to the node that runs for long, and a guest keeps nothing.
    nodeId: randomBytes(ID_BYTES),
    followAddress: true,
    readOnly: true,
  };
  const open = (at: number): Promise<DhtNode> => DhtNode.open({ ...options, port: at });
  const node = port === 0 ? await open(0) : await open(port).catch(() => open(0));
  try {
    return await examine(node, context);
  } finally {
    await node.close();
  }
}
