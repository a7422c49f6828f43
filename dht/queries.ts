// The bytes of our queries, replies' frames and errors. Keys stand in sorted order by construction; sizes are those of
// dht.md and are pinned by a test.

import type { Family } from './address.ts';
import type { KrpcMessage } from './krpc.ts';
import { type Composer, literal } from './krpc-compose.ts';
import type { Id160 } from './node-id.ts';
import type { DhtItem, QueryName } from './results.ts';

/** What stands around the arguments of every query of a node. */
export interface QueryFrame {
  readonly ownId: Id160;
  /** BEP 43. */
  readonly readOnly: boolean;
  readonly version: Uint8Array;
}

/** What an answer needs to know of its question. */
type Asked = Pick<KrpcMessage, 'bytes' | 'tid'>;

/** BEP 32: both families are asked for while one of the tables is empty. */
export type Want = 'both' | undefined;

// Looked up once: these stand in every message.
const OPEN = literal('d1:ad');
const OWN_ID = literal('2:id20:');
const TARGET = literal('6:target20:');
const INFO_HASH = literal('9:info_hash20:');
const READ_ONLY = literal('2:roi1e');
const TID = literal('1:t');
const VERSION = literal('1:v');
const KINDS = { q: literal('1:y1:qe'), r: literal('1:y1:re'), e: literal('1:y1:ee') } as const;
const nameOf = (name: QueryName): Uint8Array => literal(`e1:q${name.length}:${name}`);
const NAMES: Readonly<Record<QueryName, Uint8Array>> = {
  ping: nameOf('ping'),
  find_node: nameOf('find_node'),
  get_peers: nameOf('get_peers'),
  announce_peer: nameOf('announce_peer'),
  get: nameOf('get'),
  put: nameOf('put'),
  sample_infohashes: nameOf('sample_infohashes'),
};
const NODES = { 4: literal('5:nodes'), 6: literal('6:nodes6') } as const;

function open(out: Composer): Composer {
  return out.begin().raw(OPEN);
}

function ownId(out: Composer, frame: QueryFrame): Composer {
  return out.raw(OWN_ID).id(frame.ownId);
}

function close(out: Composer, frame: QueryFrame, name: QueryName, tid: Uint8Array): Uint8Array {
  out.raw(NAMES[name]);
  if (frame.readOnly) out.raw(READ_ONLY);
  return tail(out, tid, frame.version, 'q');
}

/** The end of an answer: `tail` with the transaction id of the question. */
export function answerTail(
  out: Composer,
  { bytes, tid }: Asked,
  version: Uint8Array,
  kind: 'r' | 'e',
): Uint8Array {
  const length = tid.start < 0 ? 0 : tid.end - tid.start;
  out
    .raw(TID)
    .lengthPrefix(length)
    .span(bytes, tid.start, tid.start + length);
  if (version.length > 0) out.raw(VERSION).string(version);
  return out.raw(KINDS[kind]).done();
}

/** `t`, `v`, `y` and the end, as in every message. */
function tail(out: Composer, tid: Uint8Array, version: Uint8Array, kind: 'q' | 'r'): Uint8Array {
  out.raw(TID).string(tid);
  if (version.length > 0) out.raw(VERSION).string(version);
  return out.raw(KINDS[kind]).done();
}

function want(out: Composer, wanted: Want): Composer {
  return wanted === 'both' ? out.raw(literal('4:wantl2:n42:n6e')) : out;
}

export function pingQuery(out: Composer, frame: QueryFrame, tid: Uint8Array): Uint8Array {
  ownId(open(out), frame);
  return close(out, frame, 'ping', tid);
}

/** `find_node`, `get` and `sample_infohashes` differ in their name only. */
export function targetQuery(
  out: Composer,
  frame: QueryFrame,
  name: 'find_node' | 'get' | 'sample_infohashes',
  target: Id160,
  wanted: Want,
  tid: Uint8Array,
): Uint8Array {
  ownId(open(out), frame).raw(TARGET).id(target);
  want(out, wanted);
  return close(out, frame, name, tid);
}

export function getPeersQuery(
  out: Composer,
  frame: QueryFrame,
  infoHash: Id160,
  options: { readonly noSeeds: boolean; readonly scrape: boolean; readonly want: Want },
  tid: Uint8Array,
): Uint8Array {
  ownId(open(out), frame).raw(INFO_HASH).id(infoHash);
  if (options.noSeeds) out.raw(literal('6:noseedi1e'));
  if (options.scrape) out.raw(literal('6:scrapei1e'));
  want(out, options.want);
  return close(out, frame, 'get_peers', tid);
}

export interface AnnounceArguments {
  readonly port: number;
  readonly impliedPort: boolean;
  readonly isSeed: boolean;
}

export function announceQuery(
  out: Composer,
  frame: QueryFrame,
  infoHash: Id160,
  announce: AnnounceArguments,
  token: Uint8Array,
  tid: Uint8Array,
): Uint8Array {
  ownId(open(out), frame);
  if (announce.impliedPort) out.raw(literal('12:implied_porti1e'));
  out.raw(INFO_HASH).id(infoHash).raw(literal('4:port')).integer(announce.port);
  if (announce.isSeed) out.raw(literal('4:seedi1e'));
  out.raw(literal('5:token')).string(token);
  return close(out, frame, 'announce_peer', tid);
}

export function putQuery(
  out: Composer,
  frame: QueryFrame,
  item: DhtItem,
  cas: bigint | undefined,
  token: Uint8Array,
  tid: Uint8Array,
): Uint8Array {
  open(out);
  if (item.kind === 'mutable' && cas !== undefined) out.raw(literal('3:cas')).bigint(cas);
  ownId(out, frame);
  if (item.kind === 'mutable') {
    out.raw(literal('1:k')).string(item.publicKey);
    if (item.salt.length > 0) out.raw(literal('4:salt')).string(item.salt);
    out.raw(literal('3:seq')).bigint(item.seq).raw(literal('3:sig')).string(item.signature);
  }
  out.raw(literal('5:token')).string(token).raw(literal('1:v')).raw(item.v);
  return close(out, frame, 'put', tid);
}

/** BEP 5: 203 is a protocol error, 204 an unknown method; BEP 44 has more. */
export function errorMessage(
  out: Composer,
  code: number,
  text: string,
  query: Asked,
  version: Uint8Array,
): Uint8Array {
  out.begin().raw(literal('d1:el')).integer(code).string(literal(text)).raw(literal('e'));
  return answerTail(out, query, version, 'e');
}

/** `nodes` or `nodes6`. */
export function nodesKey(family: Family): Uint8Array {
  return NODES[family];
}
