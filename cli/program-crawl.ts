// The part of the command tree that measures the DHT. Data only, like program.ts.

import type { CommandSpec, FlagSpec } from './contract/spec.ts';
import { DHT_FLAGS, TIMEOUT_FLAG } from './flags.ts';

export const POLITENESS_FLAGS: readonly FlagSpec[] = [
  { flags: '--rate <queries>', summary: 'queries per second in all (default: 500)' },
  { flags: '--rate-per-ip <queries>', summary: 'to one address (default: 1, burst 4)' },
  { flags: '--rate-per-subnet <queries>', summary: 'to one /24 or /48 (default: 8)' },
  {
    flags: '--opt-out <file>',
    summary: 'prefixes of those who do not want to be asked, one a line',
    completes: 'file',
  },
  {
    flags: '--ip-privacy <how>',
    summary: 'addresses in the dataset: keyed hash, /24 or /48, or as they are (default: hmac)',
    choices: ['hmac', 'prefix', 'raw'],
  },
];

const FLEET_FLAGS: readonly FlagSpec[] = [
  {
    flags: '--engine <where>',
    summary: 'nats://HOST:PORT: orders and rows go through JetStream; this tt gathers (default: local)',
  },
  { flags: '--worker', summary: 'crawl what the engine orders until stopped; --rate is per worker' },
  { flags: '--vantage <name>', summary: 'of a worker: where it stands (default: default)' },
  {
    flags: '--vantages <names>',
    summary: 'every part is crawled once from each, like eu,us: their overlap tells what one misses',
  },
  { flags: '--parts <count>', summary: 'orders the zone is cut into (default: 16)' },
];

export const DATASET_FLAGS: readonly FlagSpec[] = [
  {
    flags: '--out <dir>',
    summary: 'folder of the dataset (default: crawl-DATE-MODE here)',
    completes: 'directory',
  },
  {
    flags: '--jsonl <file>',
    summary: 'the rows as a stream too, one JSON object a line; - for stdout',
    completes: 'file',
  },
];

export const MMDB_FLAG: FlagSpec = {
  flags: '--mmdb <file>',
  summary: 'say AS and country of the nodes, from this MaxMind database (repeatable; none comes with tt)',
  completes: 'file',
  repeat: true,
};

export const CRAWL_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'crawl',
    summary: 'measure the DHT: ask every node of a zone once, and say how many there are',
    details:
      'Writes a documented dataset (docs/dataset.md). Asks each node once, 500 queries a second at most, and announces nothing. Stopped or killed, it goes on with --resume.',
    flagGroups: [
      {
        title: 'Crawl',
        flags: [
          {
            flags: '--mode <mode>',
            summary: 'one zone, the whole id space, or every routing table of a zone (default: zone)',
            choices: ['zone', 'full', 'topology'],
          },
          {
            flags: '--zone <prefix/bits>',
            summary: 'ids that begin so, like a3f/12 (default: a random /12)',
          },
          {
            flags: '--seed <number>',
            summary: 'fixes targets and order (default: random, kept in the dataset)',
          },
          {
            flags: '--query <name>',
            summary: 'what nodes are asked (default: find_node)',
            choices: ['find_node', 'get_peers', 'sample_infohashes'],
          },
          { flags: '--want-both', summary: 'ask for nodes of both families (BEP 32)' },
          {
            flags: '--no-repeat',
            summary: 'no independent second look, so no measured p and no capture-recapture',
          },
          { flags: '--repeat', summary: 'a second look', isHidden: true },
          {
            flags: '--recheck <share>',
            summary:
              'share of the nodes asked again after the first look: who has gone, who lets strangers in (default: 0.01; up to 400 nodes after a long look)',
          },
          {
            flags: '--lookups <count>',
            summary: 'lookups for the estimate from distances (default: 16, 0 for none)',
          },
          {
            flags: '--planted <id>',
            summary: 'a node of our own in the zone: was it found? (repeatable)',
            repeat: true,
          },
          {
            flags: '--resume <dir>',
            summary: 'go on with a run that was stopped or killed',
            completes: 'directory',
          },
          ...DATASET_FLAGS,
          MMDB_FLAG,
          { ...TIMEOUT_FLAG, summary: 'stop asking after this long: a partial run' },
        ],
      },
      { title: 'Several machines', flags: FLEET_FLAGS },
      { title: 'Politeness', flags: POLITENESS_FLAGS },
      {
        title: 'DHT',
        flags: [{ flags: '-p, --port <port>', summary: 'UDP port to ask from (default: any)' }, ...DHT_FLAGS],
      },
    ],
    examples: [
      ['tt dht crawl', 'a random 1/4096 of the ids: minutes'],
      ['tt dht crawl --zone a3f/12 --seed 7 --out my-run', 'the same zone in the same order again'],
      ['tt dht crawl --mmdb country.mmdb --mmdb asn.mmdb', 'and where they are, on a map of the world'],
      ['tt dht crawl --resume my-run', 'after Ctrl-C or kill -9: nobody is asked twice'],
      ['tt dht crawl --worker --engine nats://server', 'on each machine that is to crawl'],
      ['tt dht crawl --mode full --engine nats://server', 'on the one that gathers the dataset'],
    ],
    load: () => import('./commands/dht-crawl.ts'),
  },
];
