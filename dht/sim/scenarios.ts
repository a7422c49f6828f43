// Every experiment of the DHT simulator by name: what the simulation command and `tt lab dht` offer.
import type { Scenario } from './scenario.ts';
import { runBootstrap } from './scenarios/bootstrap.ts';
import { runChurn } from './scenarios/churn.ts';
import { runCrawlTruth } from './scenarios/crawl.ts';
import { runCrawlChurn } from './scenarios/crawl-churn.ts';
import { runCrawlMachines } from './scenarios/crawl-machines.ts';
import { runCrawlSessions } from './scenarios/crawl-sessions.ts';
import { runCrawlStudy } from './scenarios/crawl-study.ts';
import { runDead } from './scenarios/dead.ts';
import { runEclipse } from './scenarios/eclipse.ts';
import { runHops } from './scenarios/hops.ts';
import { runLatency } from './scenarios/latency.ts';
import { runNats } from './scenarios/nat.ts';
import { runRecall } from './scenarios/recall.ts';
import { runScale } from './scenarios/scale.ts';
import { runSybils } from './scenarios/sybil.ts';

export const DHT_SCENARIOS: readonly Scenario[] = [
  { name: 'hops', title: 'hops to the closest node by network size and table width', run: runHops },
  { name: 'dead', title: 'what dead entries cost, pruned and not', run: runDead },
  { name: 'latency', title: 'lookup times by policy and share of dead entries', run: runLatency },
  { name: 'churn', title: 'dead entries and upkeep by client and length of sessions', run: runChurn },
  { name: 'recall', title: 'announces found by others, by age', run: runRecall },
  { name: 'bootstrap', title: 'time from nothing to a useful table', run: runBootstrap },
  { name: 'nat', title: 'hosts behind translators in tables and lookups', run: runNats },
  { name: 'sybil', title: 'nodes that claim to be next to every target', run: runSybils },
  { name: 'eclipse', title: 'a ring of ids around one key', run: runEclipse },
  { name: 'crawl', title: 'what a crawl estimates beside what is true', run: runCrawlTruth },
  {
    name: 'crawl-churn',
    title: 'the same while nodes come and go, by how long a look lasts',
    run: runCrawlChurn,
  },
  {
    name: 'crawl-machines',
    title: 'the same in a network of real nodes: clients, translators, sybils',
    run: runCrawlMachines,
  },
  {
    name: 'crawl-sessions',
    title: 'when a monitor says that nodes came and went, beside when they did',
    run: runCrawlSessions,
  },
  {
    name: 'study',
    title: 'what long snapshots, small zones and counting by address cost',
    run: runCrawlStudy,
  },
  { name: 'scale', title: 'speed and memory of a large network', run: runScale },
];
