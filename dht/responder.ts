// Answers queries: reads a scanned message, writes a reply of at most 1024 bytes. Invariant: one datagram out per datagram
// in, to the address it came from, and none at all for what it does not understand.

import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from '../core/base/ed25519.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { compactBytes, type DhtAddress, type Family } from './base/address.ts';
import { Id160 } from './base/node-id.ts';
import { K } from './base/options.ts';
import type { DhtItem, QueryName } from './base/results.ts';
import type { KrpcMessage } from './krpc/krpc.ts';
import { literal } from './krpc/krpc-compose.ts';
import { answerTail, errorMessage } from './krpc/queries.ts';
import { composer, type NodeContext } from './node/context.ts';
import type { FamilyState } from './node/family-state.ts';
import type { Counters } from './node/statistics.ts';
import { BLOOM_BYTES } from './storage/bloom.ts';
import type { ItemStore } from './storage/item-store.ts';
import {
  immutableTarget,
  isAuthentic,
  isStorableValue,
  isValidSeq,
  MAX_SALT_BYTES,
  MAX_VALUE_BYTES,
  mutableTarget,
} from './storage/items.ts';
import type { PeerFilters, PeerStore } from './storage/peer-store.ts';
import { TOKEN_BYTES, type Tokens } from './storage/tokens.ts';

/** As many as everybody sends; the message limit may allow fewer. */
const MAX_VALUES = 50;
/** BEP 51: 20 bytes each; with 8 nodes the reply has 728 bytes. */
const MAX_SAMPLES = 20;
/** What follows `r`: `e`, transaction id, version, kind, in their longest form. */
const TAIL_BYTES = 64;

const EMPTY = new Uint8Array(0);
// Looked up once: these stand in every reply.
const HEAD_V4 = literal('d2:ip6:');
const HEAD_V6 = literal('d2:ip18:');
const REPLY = literal('1:rd');
const OWN_ID = literal('2:id20:');
const REPLY_OWN_ID = literal('1:rd2:id20:');
const PEER_FILTER = literal('4:BFpe');
const SEED_FILTER = literal('4:BFsd');
const NODES = { 4: literal('5:nodes'), 6: literal('6:nodes6') } as const;
const TOKEN = literal(`5:token${TOKEN_BYTES}:`);
const VALUES = literal('6:valuesl');
const PEERS = { 4: literal('6:'), 6: literal('18:') } as const;
const KEY = literal('1:k');
const SEQ = literal('3:seq');
const SIGNATURE = literal('3:sig');
const VALUE = literal('1:v');
const END = literal('e');

export interface Stores {
  readonly peers: PeerStore;
  readonly items: ItemStore;
  readonly tokens: Tokens;
}

export class Responder {
  readonly #context: NodeContext;
  readonly #stores: Stores;

  constructor(context: NodeContext, stores: Stores) {
    this.#context = context;
    this.#stores = stores;
  }

  /** @returns false when the query makes no sense and was met with silence */
  handleQuery(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const { method } = message;
    if (method === 'unknown') return this.#handleUnknown(message, from, family, nowMs);
    const isAnswered = this.#dispatch(method, message, from, family, nowMs);
    if (isAnswered) countAnswer(this.#context.counters.answered, method);
    return isAnswered;
  }

  #dispatch(
    method: QueryName,
    message: KrpcMessage,
    from: DhtAddress,
    family: FamilyState,
    nowMs: number,
  ): boolean {
    if (method === 'ping') {
      this.#open(from, family);
      return this.#reply(message, from);
    }
    if (method === 'put') return this.#put(message, from, family, nowMs);
    if (message.target.start < 0) return false;
    if (method === 'find_node') {
      this.#open(from, family);
      this.#nodes(message, family, nowMs);
      return this.#reply(message, from);
    }
    if (method === 'get_peers') return this.#getPeers(message, from, family, nowMs);
    if (method === 'announce_peer') return this.#announce(message, from, family, nowMs);
    if (method === 'get') return this.#get(message, from, family, nowMs);
    return this.#sample(message, from, family, nowMs);
  }

  /** Other extensions' queries about a target are answered as find_node, so that they can be deployed at all. */
  #handleUnknown(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    if (message.target.start < 0) return this.#error(message, from, 204, 'Method Unknown');
    this.#open(from, family);
    this.#nodes(message, family, nowMs);
    return this.#reply(message, from);
  }

  /** Up to and with `id`. */
  #open(from: DhtAddress, family: FamilyState, filters?: PeerFilters): void {
    composer
      .begin()
      .text(from.family === 4 ? HEAD_V4 : HEAD_V6)
      .compact(from);
    if (filters === undefined) composer.text(REPLY_OWN_ID);
    else {
      composer.text(REPLY).text(PEER_FILTER).lengthPrefix(BLOOM_BYTES).raw(filters.peers);
      composer.text(SEED_FILTER).lengthPrefix(BLOOM_BYTES).raw(filters.seeds).text(OWN_ID);
    }
    composer.id(family.ownId);
  }

  #reply(message: KrpcMessage, to: DhtAddress): boolean {
    const context = this.#context;
    composer.text(END);
    const datagram = answerTail(composer, message, context.version, 'r');
    if (composer.isTooLong) return false;
    context.counters.repliesOut++;
    context.send(datagram, to);
    return true;
  }

  #error(message: KrpcMessage, to: DhtAddress, code: number, text: string): boolean {
    const context = this.#context;
    context.counters.errorsOut++;
    context.send(errorMessage(composer, code, text, message, context.version), to);
    return true;
  }

  /** `nodes` and `nodes6` as BEP 32 has them: by `want`, else by the family of the question. */
  #nodes(message: KrpcMessage, family: FamilyState, nowMs: number): void {
    const { bytes, target } = message;
    const key = Id160.read(bytes, target.start);
    if (message.hasWant ? message.wants4 : family.family === 4) this.#writeNodes(4, key, nowMs);
    if (message.hasWant ? message.wants6 : family.family === 6) this.#writeNodes(6, key, nowMs);
  }

  #writeNodes(which: Family, key: Id160, nowMs: number): void {
    const state = this.#context.family(which);
    const entryBytes = ID_BYTES + compactBytes(which);
    const count = state?.table.closest(key, K, 'good', nowMs) ?? 0;
    composer.text(NODES[which]).lengthPrefix(count * entryBytes);
    if (state === undefined) return;
    const { table } = state;
    const { slab } = table;
    const { view } = composer;
    let { at } = composer;
    for (let i = 0; i < count; i++) at = slab.writeNode(table.chosenAt(i), view, at);
    composer.at = at;
  }

  #token(message: KrpcMessage, from: DhtAddress, nowMs: number): void {
    composer.text(TOKEN);
    this.#stores.tokens.write(composer, from, message.bytes, message.target.start, nowMs);
  }

  #getPeers(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const { peers } = this.#stores;
    // Nothing is stored, nothing is looked for: a view costs as much as half of the answer.
    const key = peers.hashes === 0 ? EMPTY : (message.view(message.target) as Uint8Array);
    const filters = message.scrape ? peers.filters(key, family.family, nowMs) : undefined;
    this.#open(from, family, filters);
    // With filters there is room for one family's nodes only (BEP 33).
    if (filters === undefined) this.#nodes(message, family, nowMs);
    else this.#writeNodes(family.family, Id160.read(message.bytes, message.target.start), nowMs);
    // A full store gives no token, so that nobody announces in vain (BEP 33).
    if (peers.hasRoom(key, family.family, nowMs)) this.#token(message, from, nowMs);
    this.#values(message, family, key, nowMs);
    return this.#reply(message, from);
  }

  #values(message: KrpcMessage, family: FamilyState, key: Uint8Array, nowMs: number): void {
    if (this.#stores.peers.hashes === 0) return;
    const entryBytes = compactBytes(family.family);
    const prefix = PEERS[family.family];
    const room = composer.room(TAIL_BYTES + message.length(message.tid)) - VALUES.length - 1;
    const most = Math.min(MAX_VALUES, Math.floor(room / (entryBytes + prefix.length)));
    const picked = this.#stores.peers.pick(key, family.family, most, message.noSeeds, nowMs);
    if (picked.length === 0) return;
    composer.text(VALUES);
    for (const peer of picked) composer.text(prefix).compact(peer);
    composer.text(END);
  }

  #isTokenValid(message: KrpcMessage, from: DhtAddress, key: Uint8Array, nowMs: number): boolean {
    const token = message.view(message.token);
    return token !== undefined && this.#stores.tokens.isValid(token, from, key, 0, nowMs);
  }

  #announce(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const key = message.view(message.target) as Uint8Array;
    if (message.token.start < 0) return false;
    const port = message.impliedPort ? from.port : message.port;
    if (port < 1 || port > 65535) return false;
    if (!this.#isTokenValid(message, from, key, nowMs)) return this.#error(message, from, 203, 'Bad token');
    const peer = from.withPort(port);
    if (!this.#stores.peers.announce(key, peer, message.isSeed, nowMs))
      return this.#error(message, from, 202, 'Store is full');
    this.#open(from, family);
    return this.#reply(message, from);
  }

  #get(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const item = this.#stores.items.get(message.view(message.target) as Uint8Array, nowMs);
    // BEP 44: with `seq`, the value is wanted only when ours is newer.
    const asked = message.bigint(message.seq);
    const isNews =
      item !== undefined && !(item.kind === 'mutable' && asked !== undefined && item.seq <= asked);
    this.#open(from, family);
    if (item?.kind === 'mutable' && isNews) composer.text(KEY).string(item.publicKey);
    const { at } = composer;
    this.#nodes(message, family, nowMs);
    const end = (): void => {
      if (item?.kind === 'mutable') {
        composer.text(SEQ).bigint(item.seq);
        if (isNews) composer.text(SIGNATURE).string(item.signature);
      }
      this.#token(message, from, nowMs);
      if (item !== undefined && isNews) composer.text(VALUE).raw(item.v);
    };
    end();
    // A long value leaves no room for nodes: whoever wants them asks somebody else, the value is here.
    if (composer.room(TAIL_BYTES + message.length(message.tid)) < 0) {
      composer.at = at;
      end();
    }
    return this.#reply(message, from);
  }

  #put(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const v = message.view(message.v);
    if (v === undefined || message.token.start < 0) return false;
    if (v.length > MAX_VALUE_BYTES) return this.#error(message, from, 205, 'Value too big');
    if (!isStorableValue(v)) return this.#error(message, from, 203, 'Value is not canonical bencode');
    const item = itemOf(message, v.slice());
    if (item === 'salt') return this.#error(message, from, 207, 'Salt too big');
    if (item === undefined) return false;
    if (!this.#isTokenValid(message, from, item.target, nowMs))
      return this.#error(message, from, 203, 'Bad token');
    if (!isAuthentic(item)) return this.#error(message, from, 206, 'Invalid signature');
    const outcome = this.#stores.items.put(item, message.bigint(message.cas), family.ownId, nowMs);
    if (outcome === 'cas-mismatch') return this.#error(message, from, 301, 'CAS mismatch');
    if (outcome === 'seq-too-low') return this.#error(message, from, 302, 'Sequence number not newer');
    if (outcome === 'full') return this.#error(message, from, 202, 'Store is full');
    this.#open(from, family);
    return this.#reply(message, from);
  }

  #sample(message: KrpcMessage, from: DhtAddress, family: FamilyState, nowMs: number): boolean {
    const { peers } = this.#stores;
    const { samples, secondsLeft } = peers.samples(MAX_SAMPLES, nowMs);
    this.#open(from, family);
    composer.text(literal('8:interval')).integer(secondsLeft);
    this.#nodes(message, family, nowMs);
    composer.text(literal('3:num')).integer(peers.hashes);
    const room = composer.room(TAIL_BYTES + message.length(message.tid));
    const count = Math.min(samples.length, Math.max(0, Math.floor(room / ID_BYTES) - 1));
    composer.text(literal('7:samples')).lengthPrefix(count * ID_BYTES);
    for (let i = 0; i < count; i++) composer.raw(samples[i] as Uint8Array);
    return this.#reply(message, from);
  }
}

/** Nearly all by their names: a key that varies is looked up anew each time. */
function countAnswer(answered: Counters['answered'], method: QueryName): void {
  if (method === 'find_node') answered.find_node++;
  else if (method === 'get_peers') answered.get_peers++;
  else answered[method]++;
}

/** @returns undefined for nonsense: a mutable put with parts missing or of the wrong size */
function itemOf(message: KrpcMessage, v: Uint8Array): DhtItem | 'salt' | undefined {
  const publicKey = message.copy(message.k);
  if (publicKey === undefined) return { kind: 'immutable', target: immutableTarget(v), v };
  const signature = message.copy(message.sig);
  const seq = message.bigint(message.seq);
  const salt = message.copy(message.salt) ?? EMPTY;
  if (salt.length > MAX_SALT_BYTES) return 'salt';
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature?.length !== SIGNATURE_BYTES) return undefined;
  if (seq === undefined || !isValidSeq(seq)) return undefined;
  return { kind: 'mutable', target: mutableTarget(publicKey, salt), v, publicKey, salt, seq, signature };
}
