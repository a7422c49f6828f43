// The flags that several commands share, so that one name means one thing everywhere.
import type { FlagGroup, FlagSpec } from './contract/spec.ts';

export const OUTPUT_FLAGS: FlagGroup = {
  title: 'Output',
  flags: [
    { flags: '--json', summary: 'the result as one JSON object on stdout ("schema":"tt/1")' },
    { flags: '--events', summary: 'events as NDJSON on stdout; the result object comes last' },
    { flags: '-q, --quiet', summary: 'no progress, no warnings; results and errors only' },
    {
      flags: '-v, --verbose',
      summary: 'say more; -vv details and stack traces, -vvv everything',
      counts: true,
    },
    { flags: '--no-screen', summary: 'a progress line instead of the full screen' },
    { flags: '--screen', summary: 'the full screen even where CI is set', isHidden: true },
    { flags: '--log-file <file>', summary: 'append the log, with times, to this file', completes: 'file' },
    {
      flags: '--color <when>',
      summary: 'colour (default: auto); NO_COLOR and FORCE_COLOR count as well',
      choices: ['auto', 'always', 'never'],
    },
  ],
};

export const STATE_DIR_FLAG: FlagSpec = {
  flags: '--state-dir <dir>',
  summary: 'where resume state is kept (default: $XDG_STATE_HOME/tt)',
  completes: 'directory',
};

export const TIMEOUT_FLAG: FlagSpec = {
  flags: '--timeout <time>',
  summary: 'give up after this long, exit code 3: 30, 90s, 5m, 1h30m',
};

const TRACKER_FLAGS: readonly FlagSpec[] = [
  { flags: '--tracker <url>', summary: 'also announce to this tracker (repeatable)', repeat: true },
  { flags: '--no-trackers', summary: 'announce to no tracker' },
];

const PEER_FLAG: FlagSpec = {
  flags: '--peer <host:port>',
  summary: 'connect to this peer first (repeatable; host names are fine)',
  repeat: true,
};

const BOOTSTRAP_FLAG: FlagSpec = {
  flags: '--bootstrap <host:port>',
  summary: 'enter the DHT through this node instead of the well-known ones (repeatable)',
  repeat: true,
};

const INTERFACE_FLAG: FlagSpec = {
  flags: '--interface <name>',
  summary: 'use only this network interface: its name or its address',
};

/** The sockets of a `tt dht` command. */
export const DHT_SOCKET_FLAGS: readonly FlagSpec[] = [
  { flags: '-4, --ipv4', summary: 'the IPv4 DHT only (default: both)' },
  { flags: '-6, --ipv6', summary: 'the IPv6 DHT only' },
  INTERFACE_FLAG,
  { flags: '--read-only', summary: 'ask, never answer (BEP 43): what all of these but `node` do anyway' },
];

/** How a `tt dht` command takes part in the DHT. */
export const DHT_FLAGS: readonly FlagSpec[] = [BOOTSTRAP_FLAG, ...DHT_SOCKET_FLAGS];

export const NETWORK_FLAGS: FlagGroup = {
  title: 'Network',
  flags: [
    {
      flags: '-p, --port <port>',
      summary: 'listen here: a port, a range like 6881-6889, or 0 for any (default: 6891-6999)',
    },
    INTERFACE_FLAG,
    {
      flags: '--proxy <url>',
      summary: 'socks5://[user:password@]host:port for everything; what cannot go through it is off',
    },
    {
      flags: '--encryption <policy>',
      summary: 'with peers that can, with nobody else, or never (default: prefer)',
      choices: ['prefer', 'require', 'off'],
    },
    { flags: '--max-peers <count>', summary: 'connections at most (default: 200)' },
    {
      flags: '--down-limit <rate>',
      summary: 'download at most this per second: 10M, 10MiB, 10MB; 0 = no limit',
    },
    { flags: '--up-limit <rate>', summary: 'upload at most this per second' },
    PEER_FLAG,
    ...TRACKER_FLAGS,
    { flags: '--no-pex', summary: 'do not exchange peers with peers' },
    { flags: '--pex', summary: 'exchange peers with peers', isHidden: true },
    { flags: '--no-lsd', summary: 'do not look for peers on the local network' },
    { flags: '--lsd', summary: 'look for peers on the local network', isHidden: true },
    { flags: '--no-dht', summary: 'do not look for peers in the DHT' },
    { flags: '--dht', summary: 'look for peers in the DHT', isHidden: true },
    BOOTSTRAP_FLAG,
    { flags: '--no-utp', summary: 'reach peers by TCP only' },
    { flags: '--utp', summary: 'reach peers by uTP too', isHidden: true },
    { flags: '--no-tcp', summary: 'reach peers by uTP only' },
    { flags: '--tcp', summary: 'reach peers by TCP too', isHidden: true },
    { flags: '--no-port-map', summary: 'do not ask the router to forward the port' },
    { flags: '--port-map', summary: 'ask the router to forward the port', isHidden: true },
    {
      flags: '--relay <host:port>',
      summary: 'be reached through this `tt relay` besides those that the DHT knows (repeatable)',
      repeat: true,
    },
    {
      flags: '--splices <count>',
      summary:
        'pass bytes on for so many pairs of peers that find no other way, while we are in the open (default: 0)',
    },
    { flags: '--no-relays', summary: 'neither use nor be a relay for peers behind NATs' },
    { flags: '--relays', summary: 'use relays where nobody can reach us', isHidden: true },
  ],
};

/** For commands that download. */
export const WEB_SEED_FLAGS: readonly FlagSpec[] = [
  {
    flags: '--web-seed <url>',
    summary:
      'download from this web server too (BEP 19; repeatable): the file, or the folder that the torrent lies in, with / at its end',
    repeat: true,
  },
  { flags: '--no-web-seeds', summary: 'do not use the web servers that the torrent names' },
  { flags: '--web-seeds', summary: 'use the web servers that the torrent names', isHidden: true },
];

export const STOP_SEEDING_FLAGS: readonly FlagSpec[] = [
  { flags: '--seed-ratio <ratio>', summary: 'stop seeding when uploaded / size reaches this' },
  { flags: '--seed-time <time>', summary: 'stop seeding after this long' },
];
