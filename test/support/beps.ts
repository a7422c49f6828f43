// Which BitTorrent specifications are spoken, how far, and where: the README's table is made from this, and a file that is
// named here and not there fails the check.

export interface BepRow {
  readonly bep: number;
  readonly title: string;
  readonly what: string;
  readonly where: readonly string[];
}

export const BEPS: readonly BepRow[] = [
  {
    bep: 3,
    title: 'the protocol',
    what: 'all',
    where: ['core/wire/peer-wire.ts', 'core/metainfo/parse-torrent.ts'],
  },
  {
    bep: 5,
    title: 'DHT',
    what: 'a whole node; downloads and seeds use it',
    where: ['dht/machine.ts', 'dht/io/dht-source.ts'],
  },
  {
    bep: 6,
    title: 'fast extension',
    what: 'both ways',
    where: ['core/swarm/swarm.ts', 'core/wire/allowed-fast.ts'],
  },
  { bep: 7, title: 'IPv6 trackers', what: 'both families at once', where: ['tracker/http-codec.ts'] },
  {
    bep: 9,
    title: 'metadata from peers',
    what: 'fetched and served',
    where: ['core/wire/metadata-fetch.ts'],
  },
  { bep: 10, title: 'extension protocol', what: 'all', where: ['core/wire/extended-handshake.ts'] },
  { bep: 11, title: 'peer exchange', what: 'both ways', where: ['core/wire/ut-pex.ts'] },
  { bep: 12, title: 'tracker tiers', what: 'real tiers', where: ['tracker/announce-policy.ts'] },
  { bep: 14, title: 'local discovery', what: 'IPv4 and IPv6', where: ['core/discovery/lsd.ts'] },
  { bep: 15, title: 'UDP trackers', what: 'asked and served', where: ['tracker/udp-codec.ts'] },
  {
    bep: 19,
    title: 'web seeds',
    what: 'downloaded from (http, https), written into torrents',
    where: ['core/webseed/web-fetch.ts', 'core/session/web/web-source.ts'],
  },
  { bep: 20, title: 'peer ids', what: 'own and those of others', where: ['core/wire/client-name.ts'] },
  { bep: 21, title: 'partial seeds', what: 'said and heeded', where: ['core/wire/extended-handshake.ts'] },
  { bep: 23, title: 'compact peers', what: 'asked and served', where: ['tracker/http-codec.ts'] },
  { bep: 24, title: 'external address', what: 'asked and served', where: ['core/session/address-votes.ts'] },
  { bep: 27, title: 'private torrents', what: 'trackers only', where: ['core/session/torrent-sources.ts'] },
  {
    bep: 29,
    title: 'uTP',
    what: 'both ways, IPv4 and IPv6, raced with TCP; LEDBAT, selective acks, path MTU',
    where: ['core/transport/utp/connection.ts', 'core/transport/utp-stack.ts'],
  },
  { bep: 32, title: 'DHT over IPv6', what: 'two tables, both at once', where: ['dht/node/family-state.ts'] },
  {
    bep: 33,
    title: 'DHT scrape',
    what: 'asked and answered',
    where: ['dht/lookup/scrape.ts', 'dht/storage/bloom.ts'],
  },
  { bep: 40, title: 'peer priority', what: 'dial order', where: ['core/discovery/peer-priority.ts'] },
  { bep: 41, title: 'UDP tracker URL data', what: 'sent and read', where: ['tracker/udp-codec.ts'] },
  { bep: 42, title: 'DHT ids', what: 'own id and those of others', where: ['dht/base/bep42.ts'] },
  { bep: 43, title: 'read-only DHT nodes', what: 'said and heeded', where: ['dht/krpc/queries.ts'] },
  { bep: 44, title: 'items in the DHT', what: 'put, fetched and stored', where: ['dht/storage/items.ts'] },
  { bep: 46, title: 'mutable torrents', what: 'shown by `tt dht get`', where: ['cli/dht/item.ts'] },
  { bep: 47, title: 'padding and attributes', what: 'all', where: ['core/metainfo/file-list.ts'] },
  { bep: 48, title: 'scrape', what: 'asked and served', where: ['tracker/http-codec.ts'] },
  { bep: 51, title: 'DHT samples', what: 'asked and answered', where: ['dht/responder.ts'] },
  {
    bep: 52,
    title: 'version 2',
    what: 'shown by `tt info`; hybrids fetched by their v1 half',
    where: ['core/metainfo/file-tree.ts'],
  },
  { bep: 53, title: 'magnet file selection', what: 'all', where: ['core/metainfo/magnet.ts'] },
  { bep: 54, title: 'lt_donthave', what: 'both ways', where: ['core/wire/extensions.ts'] },
  {
    bep: 55,
    title: 'hole punching',
    what: 'asks, answers and introduces others',
    where: ['core/wire/ut-holepunch.ts', 'core/session/reach/punch-relay.ts'],
  },
];
