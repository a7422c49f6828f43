// The engine as a library: a Session, what goes in, what comes out. Everything else in this folder is its own business.
export { CAUSES, type TimeCause } from './account/causes.ts';
export type { TransferAccount } from './account/transfer-account.ts';
export type { Endpoint } from './base/endpoint.ts';
export type { Log, LogLevel } from './base/log.ts';
export type {
  PeerOrigin,
  PeerSearch,
  PeerSource,
  PeerSourceEvents,
  PeerSourceStatus,
  SoughtTorrent,
  TransferTotals,
} from './base/peer-source.ts';
export { OperationError, UsageError } from './base/result.ts';
export { createTorrent } from './metainfo/io/create-torrent.ts';
export { loadSource } from './metainfo/io/load-source.ts';
export { formatMagnet, parseMagnet } from './metainfo/magnet.ts';
export type { Magnet, Metainfo } from './metainfo/metainfo.ts';
export { parseTorrent } from './metainfo/parse-torrent.ts';
export { selectFiles } from './metainfo/select-files.ts';
export { Session } from './session/session.ts';
export type {
  AddTorrentOptions,
  Command,
  SessionApi,
  SessionEvent,
  SessionOptions,
  TorrentHandle,
} from './session/session-api.ts';
export type {
  FilePriority,
  PeerSnapshot,
  SessionSnapshot,
  TorrentSnapshot,
  TorrentState,
} from './session/snapshot.ts';
export { verifyTorrent } from './storage/verify.ts';
export { Trace, type TraceOptions } from './trace/trace.ts';
export type { EncryptionPolicy } from './transport/mse.ts';
