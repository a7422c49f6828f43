// One crawl of a simulated world by the real crawler, its repeat, a few lookups, and every estimate beside the truth.
import { randomInt } from '../../core/base/clock.ts';
import { Id160 } from '../base/node-id.ts';
import { CLIENT_VERSION } from '../base/options.ts';
import { CrawlMachine } from '../crawl/crawl-machine.ts';
import { type Counted, type Estimate, fromDistances } from '../crawl/estimates.ts';
import { OptOut } from '../crawl/opt-out.ts';
import { PingRound } from '../crawl/ping-round.ts';
import { POLITE, type ProbeMethod, type ProbePolicy } from '../crawl/prober.ts';
import { recheckCount } from '../crawl/recheck.ts';
import { repeatZone } from '../crawl/repeat-zone.ts';
import { fromTwoLooks, LONG_LOOK_MS, type Turnover, type TwoLookEstimates } from '../crawl/two-looks.ts';
import type { Visit } from '../crawl/visit.ts';
import type { Zone } from '../crawl/zone.ts';
import { stream } from './chance.ts';
import type { CrawlWorld } from './crawl-world.ts';

export interface TrialOptions {
  readonly seed: number;
  readonly zone: Zone;
  readonly policy?: Partial<ProbePolicy>;
  readonly method?: ProbeMethod;
  readonly isTopology?: boolean;
  /** Random targets for the estimate from distances; 0 for none. */
  readonly lookups?: number;
  /** Independent second look; default true. */
  readonly repeats?: boolean;
  readonly onVisit?: (visit: Visit) => void;
  /** Virtual time at which the crawl is cut. */
  readonly untilMs?: number;
}

export interface PassOutcome {
  readonly machine: CrawlMachine;
  /** Verified nodes of the zone, as id and endpoint. */
  readonly verified: ReadonlySet<string>;
  /** Distinct addresses of them. */
  readonly addresses: number;
  /** Of those, not invented by a liar. */
  readonly trueNodes: number;
  /** Their numbers in the world. */
  readonly hosts: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  /** Of the answers of verified nodes. */
  readonly meanAnswerMs: number;
}

export interface TrialOutcome {
  readonly first: PassOutcome;
  readonly second: PassOutcome | undefined;
  /** True values: reachable nodes halfway through the first pass; those in the zone; those when it was over. */
  readonly nodes: number;
  readonly nodesInZone: number;
  readonly nodesAtEnd: number;
  /** Of those, found and verified by the first pass. */
  readonly p: number;
  readonly bernoulli: Estimate | undefined;
  readonly chapman: Estimate | undefined;
  /** The first of them without its correction for who came and went. */
  readonly uncorrected: Estimate | undefined;
  readonly distances: Estimate | undefined;
}

/** Faster than anybody should crawl a real network; virtual time is cheap. */
const TRIAL_POLICY: ProbePolicy = { ...POLITE, total: { perSecond: 2_000, burst: 64 } };
const ENTRIES = 8;
const DISTANCES = 8;

export function runPass(world: CrawlWorld, options: TrialOptions, pass: number): PassOutcome {
  const startMs = world.nowMs;
  const send = world.join();
  const verified = new Set<string>();
  const addresses = new Set<number>();
  const hosts: number[] = [];
  let answersMs = 0;
  const ids = stream(options.seed, 'ids', 100 + pass);
  const machine = new CrawlMachine(
    {
      family: 4,
      zone: options.zone,
      isTopology: options.isTopology ?? false,
      method: options.method ?? 'find_node',
      seed: options.seed * 31 + pass,
      rng: stream(options.seed, 'protocol', pass),
      ownId: Id160.random(ids),
      version: CLIENT_VERSION,
      readOnly: true,
      wantsBoth: false,
      policy: { ...TRIAL_POLICY, ...options.policy },
      optOut: OptOut.none,
      startMs,
    },
    {
      send,
      onListed: () => {},
      onSent: () => {},
      onVisit: (visit) => {
        options.onVisit?.(visit);
        if (!visit.isInZone || (visit.outcome !== 'ok' && visit.outcome !== 'stalled_late')) return;
        verified.add(`${visit.idObserved?.key} ${visit.address.w0} ${visit.address.port}`);
        addresses.add(visit.address.w0);
        answersMs += world.nowMs;
        const host = world.hostAt(visit.address);
        if (host >= 0) hosts.push(host);
      },
    },
  );
  const entries = world.stableHosts(ENTRIES * 16);
  const chance = stream(options.seed, 'workload', 200 + pass);
  for (let i = 0; i < ENTRIES; i++)
    machine.addBootstrap(world.address(entries[randomInt(chance, entries.length)] as number), world.nowMs);
  machine.start(world.nowMs);
  world.run(machine, () => machine.isDone, options.untilMs);
  const endMs = world.nowMs;
  world.drain();
  return {
    ...{ machine, verified, trueNodes: hosts.length, hosts, addresses: addresses.size, startMs, endMs },
    meanAnswerMs: answersMs / Math.max(1, verified.size),
  };
}

/** Some of the first look's nodes asked again, as a run does when its first look took long. */
function recheck(world: CrawlWorld, first: PassOutcome, options: TrialOptions): Counted & { atMs: number } {
  const chance = stream(options.seed, 'workload', 400);
  const share = recheckCount(first.verified.size, first.endMs - first.startMs, 0.01) / first.hosts.length;
  const sample = first.hosts.filter(() => chance.next() < share);
  const nodes = sample.map((host) => ({ id: world.id(host), address: world.address(host) }));
  const policy = { ...TRIAL_POLICY, ...options.policy };
  const own = {
    family: 4,
    version: CLIENT_VERSION,
    policy,
    rng: chance,
    ownId: Id160.random(chance),
  } as const;
  const round = new PingRound(own, nodes, world.join());
  const beginMs = world.nowMs;
  round.handleTimeout(beginMs);
  world.run(round, () => round.isDone);
  const atMs = (beginMs + world.nowMs) / 2;
  world.drain();
  return { hits: round.answered.filter((answered) => !answered).length, of: nodes.length, atMs };
}

/** Verified nodes that are not in a subnet set aside. */
export function countOf({ machine }: PassOutcome): number {
  return machine.counts.verified - machine.subnets.verifiedInTraps;
}

export function runTrial(world: CrawlWorld, options: TrialOptions): TrialOutcome {
  world.reseed(options.seed);
  const { zone, seed } = options;
  const first = runPass(world, options, 1);
  const lookMs = first.endMs - first.startMs;
  const isRepeated = options.repeats !== false;
  const gone = isRepeated && lookMs >= LONG_LOOK_MS ? recheck(world, first, options) : undefined;
  const nodesAtEnd = world.reachable(gone?.atMs ?? first.endMs);
  const part = repeatZone(zone, first.machine.counts.verified, seed * 31 + 1, lookMs);
  const second = isRepeated ? runPass(world, { ...options, zone: part }, 2) : undefined;
  const middleMs = (first.startMs + first.endMs) / 2;
  const inZone = world.reachable(middleMs, (id) => zone.has(id));
  let estimates: TwoLookEstimates | undefined;
  let uncorrected: Estimate | undefined;
  if (second !== undefined) {
    let both = 0;
    let n1 = 0;
    for (const host of first.hosts) if (part.has(world.id(host))) n1++;
    for (const node of second.verified) if (first.verified.has(node)) both++;
    const isPart = part !== zone;
    const trapped = Math.max(first.machine.subnets.verifiedInTraps, second.machine.subnets.verifiedInTraps);
    const turnover: Turnover | undefined =
      gone === undefined
        ? undefined
        : {
            gone,
            beforeMs: gone.atMs - first.meanAnswerMs,
            afterMs: second.meanAnswerMs - gone.atMs,
          };
    const looks = {
      n1: countOf(first),
      part: {
        n1: isPart ? n1 : countOf(first),
        n2: countOf(second),
        both: isPart ? both : Math.max(0, both - trapped),
      },
      share: zone.share,
    };
    estimates = fromTwoLooks({ ...looks, turnover });
    uncorrected = fromTwoLooks({ ...looks, turnover: undefined }).bernoulli;
  }
  const targets = stream(options.seed, 'workload', 300);
  const lookups = Array.from({ length: options.lookups ?? 0 }, () =>
    lookupDistances(world, Id160.random(targets)),
  );
  return {
    first,
    second,
    nodes: world.reachable(middleMs),
    nodesInZone: inZone,
    nodesAtEnd,
    p: first.trueNodes / Math.max(1, inZone),
    bernoulli: estimates?.bernoulli,
    chapman: estimates?.chapman,
    uncorrected,
    distances: fromDistances(lookups),
  };
}

/** What a lookup without error ends with: the nearest that can be reached. */
function lookupDistances(world: CrawlWorld, target: Id160): number[] {
  return world.nearestReachable(target, DISTANCES).map((host) => world.id(host).distanceFraction(target));
}
