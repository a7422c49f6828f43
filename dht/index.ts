// The public face of the DHT library: the pure machine, the node on real sockets, and the node as a peer source.

export { publicKeyOf } from '../core/base/ed25519.ts';
export { DhtAddress, type Family } from './base/address.ts';
export {
  CLIENT_VERSION,
  type DhtOptions,
  LOOKUP_PRESETS,
  type LookupPolicy,
  type LookupPresetName,
  NO_LIMITS,
  type TablePolicy,
  TRUSTING_TABLE,
} from './base/options.ts';
export type {
  AnnounceOptions,
  AnnounceResult,
  BootstrapOptions,
  BootstrapResult,
  DhtContact,
  DhtItem,
  DhtOperation,
  DhtSnapshot,
  DhtState,
  DhtStatistics,
  FamilySnapshot,
  FindNodeOptions,
  GetItemOptions,
  GetItemResult,
  GetPeersOptions,
  GetPeersResult,
  LookupReport,
  LookupResult,
  PingResult,
  PutItemOptions,
  PutItemResult,
  QueryTrace,
  SampleOptions,
  SampleReply,
  SampleResult,
  ScrapeOptions,
  ScrapeResult,
  SwarmEstimate,
} from './base/results.ts';
export { DhtNode, type DhtNodeOptions } from './io/dht-node.ts';
export { type DhtAccess, DhtSource, type DhtSourceOptions } from './io/dht-source.ts';
export { type HostAndPort, PUBLIC_ROUTERS, resolveRouters } from './io/routers.ts';
export { DhtMachine, type DhtOutput, type TableContact } from './machine.ts';
export { immutableItem, immutableTarget, mutableTarget, signItem } from './storage/items.ts';
export { decodeState, encodeState } from './storage/state.ts';
