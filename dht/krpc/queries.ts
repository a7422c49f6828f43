// The bytes of our queries, replies' frames and errors. Keys stand in sorted order by construction; sizes are those of
// dht.md and are pinned by a test.

import { utf8 } from '../../core/base/bytes.ts';
import type { Id160 } from '../base/node-id.ts';
import type { DhtItem, QueryName } from '../base/results.ts';
import type { KrpcMessage } from './krpc.ts';
import { type Composer, literal, type Phrase, phrase } from './krpc-compose.ts';

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
const nameOf = (name: QueryName): Phrase => literal(`e1:q${name.length}:${name}`);
const NAMES: Readonly<Record<QueryName, Phrase>> = {
  ping: nameOf('ping'),
  find_node: nameOf('find_node'),
  get_peers: nameOf('get_peers'),
  announce_peer: nameOf('announce_peer'),
  get: nameOf('get'),
  put: nameOf('put'),
  sample_infohashes: nameOf('sample_infohashes'),
};

/** `v`, `y` and the end of a message, by its kind: the same for all messages of a node. */
type Endings = Readonly<Record<'q' | 'r' | 'e', Phrase>>;

function endingsOf(version: Uint8Array): Endings {
  const named = version.length > 0 ? utf8(`1:v${version.length}:`) : version;
  const ending = (kind: string): Phrase => phrase(named, version, utf8(`1:y1:${kind}e`));
  return { q: ending('q'), r: ending('r'), e: ending('e') };
}

const endings = new WeakMap<Uint8Array, Endings>();
/** The last one: nearly always that of the next message. */
let lastVersion: Uint8Array = new Uint8Array(0);
let lastEndings = endingsOf(lastVersion);

function endingFor(version: Uint8Array, kind: 'q' | 'r' | 'e'): Phrase {
  if (version !== lastVersion) {
    const found = endings.get(version) ?? endingsOf(version);
    endings.set(version, found);
    lastVersion = version;
    lastEndings = found;
  }
  // Names one by one: a key that varies is looked up anew each time.
  return kind === 'r' ? lastEndings.r : kind === 'q' ? lastEndings.q : lastEndings.e;
}

function open(out: Composer): Composer {
  return out.begin().text(OPEN);
}

function ownId(out: Composer, frame: QueryFrame): Composer {
  return out.text(OWN_ID).id(frame.ownId);
}

function close(out: Composer, frame: QueryFrame, name: QueryName, tid: Uint8Array): Uint8Array {
  out.text(NAMES[name]);
  if (frame.readOnly) out.text(READ_ONLY);
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
    .text(TID)
    .lengthPrefix(length)
    .span(bytes, tid.start, tid.start + length);
  return out.text(endingFor(version, kind)).done();
}

/** `t`, `v`, `y` and the end, as in every message. */
function tail(out: Composer, tid: Uint8Array, version: Uint8Array, kind: 'q' | 'r'): Uint8Array {
  return out.text(TID).string(tid).text(endingFor(version, kind)).done();
}

function want(out: Composer, wanted: Want): Composer {
  return wanted === 'both' ? out.text(literal('4:wantl2:n42:n6e')) : out;
}

/** BEP 5. @returns a view that is valid until the next message is begun, as all of these */
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
  ownId(open(out), frame).text(TARGET).id(target);
  want(out, wanted);
  return close(out, frame, name, tid);
}

/** BEP 5, with `noseed` and `scrape` of BEP 33 and `want` of BEP 32. */
export function getPeersQuery(
  out: Composer,
  frame: QueryFrame,
  infoHash: Id160,
  options: { readonly noSeeds: boolean; readonly scrape: boolean; readonly want: Want },
  tid: Uint8Array,
): Uint8Array {
  ownId(open(out), frame).text(INFO_HASH).id(infoHash);
  if (options.noSeeds) out.text(literal('6:noseedi1e'));
  if (options.scrape) out.text(literal('6:scrapei1e'));
  want(out, options.want);
  return close(out, frame, 'get_peers', tid);
}

export interface AnnounceArguments {
  readonly port: number;
  readonly impliedPort: boolean;
  readonly isSeed: boolean;
}

/** BEP 5, with `seed` of BEP 33. @param token as the node asked gave it */
export function announceQuery(
  out: Composer,
  frame: QueryFrame,
  infoHash: Id160,
  announce: AnnounceArguments,
  token: Uint8Array,
  tid: Uint8Array,
): Uint8Array {
  ownId(open(out), frame);
  if (announce.impliedPort) out.text(literal('12:implied_porti1e'));
  out.text(INFO_HASH).id(infoHash).text(literal('4:port')).integer(announce.port);
  if (announce.isSeed) out.text(literal('4:seedi1e'));
  out.text(literal('5:token')).string(token);
  return close(out, frame, 'announce_peer', tid);
}

/** BEP 44. @param cas only of a mutable item: the sequence number that it replaces */
export function putQuery(
  out: Composer,
  frame: QueryFrame,
  item: DhtItem,
  cas: bigint | undefined,
  token: Uint8Array,
  tid: Uint8Array,
): Uint8Array {
  open(out);
  if (item.kind === 'mutable' && cas !== undefined) out.text(literal('3:cas')).bigint(cas);
  ownId(out, frame);
  if (item.kind === 'mutable') {
    out.text(literal('1:k')).string(item.publicKey);
    if (item.salt.length > 0) out.text(literal('4:salt')).string(item.salt);
    out.text(literal('3:seq')).bigint(item.seq).text(literal('3:sig')).string(item.signature);
  }
  out.text(literal('5:token')).string(token).text(literal('1:v')).raw(item.v);
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
  out.begin().text(literal('d1:el')).integer(code).lengthPrefix(text.length).text(literal(text));
  out.text(literal('e'));
  return answerTail(out, query, version, 'e');
}
