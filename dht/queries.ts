// The bytes of our queries, replies' frames and errors. Keys stand in sorted order by construction; sizes are those of
// dht.md and are pinned by a test.

import type { Family } from './address.ts';
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

/** BEP 32: both families are asked for while one of the tables is empty. */
export type Want = 'both' | undefined;

function open(out: Composer): Composer {
  return out.begin().raw(literal('d1:ad'));
}

function ownId(out: Composer, frame: QueryFrame): Composer {
  return out.raw(literal('2:id20:')).id(frame.ownId);
}

function close(out: Composer, frame: QueryFrame, name: QueryName, tid: Uint8Array): Uint8Array {
  out.raw(literal(`e1:q${name.length}:${name}`));
  if (frame.readOnly) out.raw(literal('2:roi1e'));
  return tail(out, tid, frame.version, 'q');
}

/** `t`, `v`, `y` and the end, as in every message. */
export function tail(out: Composer, tid: Uint8Array, version: Uint8Array, kind: 'q' | 'r' | 'e'): Uint8Array {
  out.raw(literal('1:t')).string(tid);
  if (version.length > 0) out.raw(literal('1:v')).string(version);
  return out.raw(literal(kind === 'q' ? '1:y1:qe' : kind === 'r' ? '1:y1:re' : '1:y1:ee')).done();
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
  ownId(open(out), frame).raw(literal('6:target20:')).id(target);
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
  ownId(open(out), frame).raw(literal('9:info_hash20:')).id(infoHash);
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
  out.raw(literal('9:info_hash20:')).id(infoHash).raw(literal('4:port')).integer(announce.port);
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
  tid: Uint8Array,
  version: Uint8Array,
): Uint8Array {
  out.begin().raw(literal('d1:el')).integer(code).string(literal(text)).raw(literal('e'));
  return tail(out, tid, version, 'e');
}

/** `nodes` or `nodes6`. */
export function nodesKey(family: Family): Uint8Array {
  return literal(family === 4 ? '5:nodes' : '6:nodes6');
}
