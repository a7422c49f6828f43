// The part of the command tree that is about the DHT: `tt dht ...` and `tt lab ...`. Data only, like program.ts.

import type { ArgumentSpec, CommandSpec, FlagSpec } from './contract/spec.ts';
import { DHT_FLAGS, DHT_SOCKET_FLAGS, TIMEOUT_FLAG } from './flags.ts';
import { CRAWL_COMMANDS, DATASET_FLAGS, MMDB_FLAG, POLITENESS_FLAGS } from './program-crawl.ts';
import { DATASET_COMMANDS, LAB_NET_COMMAND } from './program-dataset.ts';
import { MONITOR_COMMAND } from './program-monitor.ts';

/** Heading of `tt --help`. */
const TOOLS = 'Tools';
const DHT_PORT_FLAG: FlagSpec = {
  flags: '-p, --port <port>',
  summary: 'UDP port to ask from (default: any)',
};

const HASH: ArgumentSpec = {
  name: 'hash',
  summary: 'info hash, magnet link or .torrent file',
  completes: 'torrent',
};

export const DHT_COMMAND: CommandSpec = {
  name: 'dht',
  group: TOOLS,
  summary: 'ask the DHT, or take part in it',
  commands: [
    {
      name: 'node',
      summary: 'run a DHT node until told to stop, with live statistics',
      details: 'Its nodes are kept between runs, in the folder that `tt config` calls cache-dir.',
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            { ...DHT_PORT_FLAG, summary: 'UDP port, a range, or 0 for any (default: 6891-6999)' },
            ...DHT_FLAGS,
            { ...TIMEOUT_FLAG, summary: 'stop after this long, exit code 0' },
          ],
        },
      ],
      examples: [
        ['tt dht node', 'until Ctrl-C'],
        ['tt dht node --interface 127.0.0.1 --port 6881 --bootstrap 127.0.0.1:6882', 'a network of your own'],
        ['tt dht node --events --timeout 1m', 'statistics as NDJSON, every second'],
      ],
      load: () => import('./commands/dht-node.ts'),
    },
    {
      name: 'lookup',
      summary: 'find the live nodes closest to an id',
      args: [{ name: 'id', summary: '40 hex digits' }],
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            {
              flags: '--trace',
              summary: 'every query: when, why, what came of it; and a picture of the path',
            },
            DHT_PORT_FLAG,
            ...DHT_FLAGS,
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [
        ['tt dht lookup 0123456789abcdef0123456789abcdef01234567 --trace', 'how the answer was found'],
      ],
      load: () => import('./commands/dht-lookup.ts'),
    },
    {
      name: 'get-peers',
      summary: 'who has a torrent: each peer printed as it is found',
      args: [HASH],
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            { flags: '--enough <count>', summary: 'stop as soon as so many are known' },
            { flags: '--no-seeds', summary: 'ask for those who still download (BEP 33)' },
            DHT_PORT_FLAG,
            ...DHT_FLAGS,
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [
        ['tt dht get-peers ubuntu.torrent', 'all that the closest nodes know'],
        ["tt dht get-peers 'magnet:?xt=urn:btih:...' --enough 10 --json", 'ten will do'],
      ],
      load: () => import('./commands/dht-get-peers.ts'),
    },
    {
      name: 'announce',
      summary: 'tell the DHT that this address has a torrent',
      details: 'Once: nodes forget it after 30 minutes. `tt seed` and `tt download` announce by themselves.',
      args: [HASH],
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            { flags: '-p, --port <port>', summary: 'the TCP port that peers shall connect to' },
            { flags: '--implied-port', summary: 'let them take the UDP port that they see instead' },
            { flags: '--seed', summary: 'say that everything is there (BEP 33)' },
            ...DHT_FLAGS,
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [['tt dht announce ubuntu.torrent --port 6891 --seed', 'somebody else serves it on 6891']],
      load: () => import('./commands/dht-announce.ts'),
    },
    {
      name: 'ping',
      summary: 'is a node there, which one, and how far away',
      args: [{ name: 'host:port', summary: 'address of a node', isVariadic: true }],
      flagGroups: [{ title: 'DHT', flags: [DHT_PORT_FLAG, ...DHT_SOCKET_FLAGS, TIMEOUT_FLAG] }],
      examples: [['tt dht ping router.bittorrent.com:6881', 'also says as what address it sees us']],
      load: () => import('./commands/dht-ping.ts'),
    },
    {
      name: 'get',
      summary: 'fetch a stored item, checked against its hash or signature (BEP 44)',
      args: [{ name: 'target', summary: 'target (40 hex digits) or public key of a mutable item (64)' }],
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            { flags: '--salt <text>', summary: 'salt of a mutable item' },
            DHT_PORT_FLAG,
            ...DHT_FLAGS,
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [['tt dht get e5f96f6f38320f0f33959cb4d3d656452117aadb', 'the value goes to stdout']],
      load: () => import('./commands/dht-get.ts'),
    },
    {
      name: 'put',
      summary: 'store an item; with a key, one that can be changed later (BEP 44)',
      args: [
        { name: 'value', summary: 'text, or - for stdin; at most 1000 bytes as bencode', mayBeEmpty: true },
      ],
      flagGroups: [
        {
          title: 'DHT',
          flags: [
            {
              flags: '--key <file>',
              summary: 'sign with the private key in this file, made if there is none: a mutable item',
              completes: 'file',
            },
            { flags: '--salt <text>', summary: 'one key, several items: tells them apart' },
            { flags: '--seq <number>', summary: 'sequence number (default: one more than the DHT holds)' },
            { flags: '--cas <number>', summary: 'only over the version with this sequence number' },
            { flags: '--bencode', summary: 'the value is bencode already' },
            DHT_PORT_FLAG,
            ...DHT_FLAGS,
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [
        ["tt dht put 'Hello World!'", 'prints the target to get it by'],
        ['tt dht put v2 --key my.key --salt news', 'the same target as the version before'],
      ],
      load: () => import('./commands/dht-put.ts'),
    },
    {
      name: 'sample',
      summary: 'info hashes that the nodes around an id store (BEP 51)',
      args: [{ name: 'target', summary: '40 hex digits (default: a random id)', isOptional: true }],
      flagGroups: [
        {
          title: 'Dataset',
          flags: [
            {
              flags: '--zone <prefix/bits>',
              summary: 'ask every node of a zone once instead, and keep what they say',
            },
            { flags: '--info-hashes', summary: 'keep the info hashes too, not only how many there are' },
            { flags: '--seed <number>', summary: 'fixes targets and order (default: random)' },
            ...DATASET_FLAGS,
            MMDB_FLAG,
            ...POLITENESS_FLAGS,
          ],
        },
        { title: 'DHT', flags: [DHT_PORT_FLAG, ...DHT_FLAGS, TIMEOUT_FLAG] },
      ],
      examples: [
        ['tt dht sample', 'what is shared around a random place'],
        ['tt dht sample --zone a3f/12', 'how much the nodes of a zone store'],
      ],
      load: () => import('./commands/dht-sample.ts'),
    },
    {
      name: 'scrape',
      summary: 'about how many seeds and peers a torrent has (BEP 33)',
      args: [HASH],
      flagGroups: [{ title: 'DHT', flags: [DHT_PORT_FLAG, ...DHT_FLAGS, TIMEOUT_FLAG] }],
      examples: [['tt dht scrape ubuntu.torrent', 'the estimate and its error']],
      load: () => import('./commands/dht-scrape.ts'),
    },
    ...CRAWL_COMMANDS,
    MONITOR_COMMAND,
    ...DATASET_COMMANDS,
  ],
};

export const LAB_COMMAND: CommandSpec = {
  name: 'lab',
  group: TOOLS,
  summary: 'whole networks: experiments on virtual time, or nodes on loopback to try commands on',
  commands: [
    {
      name: 'dht',
      summary: 'thousands of DHT nodes in one process, as tables beside what is expected',
      details: 'The same seed gives the same tables. Sends nothing.',
      args: [
        {
          name: 'experiment',
          summary:
            'hops, dead, latency, churn, recall, bootstrap, sybil, eclipse, scale, nat, crawl, crawl-churn, crawl-machines, crawl-sessions, study (default: all, which takes minutes)',
          isOptional: true,
          isVariadic: true,
        },
      ],
      flagGroups: [
        {
          title: 'Experiment',
          flags: [
            { flags: '--seed <number>', summary: 'where all chance comes from (default: 1)' },
            { flags: '--nodes <count>', summary: 'size of the network (default: that of the experiment)' },
            { flags: '--effort <factor>', summary: 'multiplies the number of trials (default: 1)' },
          ],
        },
      ],
      examples: [
        ['tt lab dht hops', 'hops of a lookup against the size of the network'],
        ['tt lab dht latency --seed 7 --effort 0.2', 'how long lookups take, by the policy of the client'],
      ],
      load: () => import('./commands/lab-dht.ts'),
    },
    {
      name: 'nat',
      summary: 'swarms behind NATs of all kinds: who can be reached, with and without each rung',
      details:
        'Our own ladder on virtual time, packet by packet through models of NATs. Columns add one rung each: dialling, being dialled back, holes, a relay node, splices. The same seed gives the same tables. Sends nothing.',
      flagGroups: [
        {
          title: 'Experiment',
          flags: [
            { flags: '--seed <number>', summary: 'where all chance comes from (default: 1)' },
            { flags: '--swarms <count>', summary: 'of 50 peers each, for every share (default: 100)' },
            {
              flags: '--nat-share <share>',
              summary: 'of the peers that sit behind NATs, 0 to 1 (default: seven of them)',
            },
          ],
        },
      ],
      examples: [
        ['tt lab nat', 'shares of connected pairs, by the share of NATed peers'],
        ['tt lab nat --nat-share 0.8 --swarms 1000 --json', 'one row of each table, with more pairs'],
      ],
      load: () => import('./commands/lab-nat.ts'),
    },
    LAB_NET_COMMAND,
  ],
};
