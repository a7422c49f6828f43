// Messages as bytes: one bencoded dictionary each, every field checked for kind, size and range before anything is made of it.
// Unknown keys are ignored, so that later versions may add some. Pure.
import { type BencodeDict, type BencodeOptions, decodeDict, isDict } from '../base/bencode.ts';
import { type Encodable, encodeBencode } from '../base/bencode-encode.ts';
import { concatBytes, utf8 } from '../base/bytes.ts';
import {
  decodeCompact,
  type Endpoint,
  encodeCompact,
  formatIp,
  normalizeHost,
  parseIp,
} from '../base/endpoint.ts';
import { accept, type Result, reject } from '../base/result.ts';
import {
  KEY_BYTES,
  MAX_ITEM_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NONCES,
  MAX_TORRENTS_PER_SLOT,
  MessageType,
  NAT_FILTERS,
  NAT_STATES,
  NONCE_BYTES,
  type PeerFacts,
  type PeerRecord,
  REFUSALS,
  type RelayMessage,
  type SpliceLimits,
  type TestWays,
  WAYS,
  type Way,
} from './messages.ts';

const OPTIONS: BencodeOptions = {
  limits: { maxBytes: MAX_MESSAGE_BYTES, maxDepth: 4, maxItems: 200 },
  allowUnsorted: true,
};
const MAX_U32 = 0xffffffff;
const HASH_BYTES = 20;
const SIGNATURE_BYTES = 64;
/** A week: nobody means more, and sums with it stay exact. */
const MAX_SECONDS = 7 * 86_400;
const MAX_SPLICE_BYTES = 2 ** 48;

// --- encoding

export function encodeMessage(message: RelayMessage): Uint8Array {
  const fields = compose(message);
  return encodeBencode({ t: MessageType[wireName(message)], ...fields });
}

function wireName(message: RelayMessage): keyof typeof MessageType {
  if (message.type === 'pushed') return 'push';
  if (message.type === 'items') return 'peek';
  return message.type === 'popped' ? 'pop' : message.type;
}

function compose(message: RelayMessage): Record<string, Encodable | undefined> {
  switch (message.type) {
    case 'reserve': {
      const { request, key, infoHashes, proxied, ttlSeconds, signature } = message;
      const px = proxied.length === 0 ? undefined : concatBytes(proxied);
      return { r: request, k: key, ih: concatBytes(infoHashes), px, l: ttlSeconds, sg: signature };
    }
    case 'reserved': {
      const { request, relayId, ttlSeconds, observed, limits, proxyPort, proxied } = message;
      const px = proxied.length === 0 ? undefined : concatBytes(proxied);
      const pp = proxyPort === 0 ? undefined : proxyPort;
      return {
        r: request,
        id: relayId,
        l: ttlSeconds,
        to: encodeCompact(observed),
        m: limitList(limits),
        pp,
        px,
      };
    }
    case 'refuse':
      return { o: message.of, e: message.code, r: message.request, n: message.nonce };
    case 'call': {
      const { nonce, infoHash, key, endpoint } = message;
      const to = endpoint === undefined ? undefined : encodeCompact(endpoint);
      return {
        n: nonce,
        ih: infoHash,
        k: key,
        to,
        tr: triedBits(message.tried),
        ...factFields(message.facts),
      };
    }
    case 'called':
      return {
        n: message.nonce,
        ih: message.infoHash,
        rt: message.rttMs,
        tr: triedBits(message.tried),
        ...recordFields(message.caller),
      };
    case 'answer':
      return { n: message.nonce, w: WAYS.indexOf(message.way), ...factFields(message.facts) };
    case 'go': {
      const { nonce, way, peer, delayMs } = message;
      return { n: nonce, w: WAYS.indexOf(way), d: delayMs, ...recordFields(peer) };
    }
    case 'ticket': {
      const fr = message.from === undefined ? undefined : encodeCompact(message.from);
      return { n: message.nonce, tk: message.ticket, m: limitList(message.limits), fr };
    }
    case 'test':
      return { n: message.nonce, p: message.tcpPort, u: message.udpPort, w: wayBits(message.ways) };
    case 'tested': {
      const { nonce, observed, tried, tcpReached } = message;
      return { n: nonce, to: encodeCompact(observed), w: wayBits(tried), ok: Number(tcpReached) };
    }
    case 'push':
      return { r: message.request, k: message.key, i: message.item };
    case 'pushed':
      return { r: message.request, on: Number(message.isOnline) };
    case 'peek':
      return { r: message.request };
    case 'items': {
      const entries = message.entries.map(({ item, from }) => [item, encodeCompact(from)]);
      return { r: message.request, q: entries, mo: Number(message.hasMore) };
    }
    case 'pop':
      return { r: message.request, n: concatBytes(message.nonces) };
    case 'popped':
      return { r: message.request, ct: message.count };
    case 'gone':
      return { n: concatBytes(message.nonces) };
    case 'beat':
      return { q: message.count, e: message.isEcho ? 1 : undefined };
  }
}

function limitList({ bytes, seconds, bytesPerSec }: SpliceLimits): Encodable {
  return [bytes, seconds, bytesPerSec];
}

function factFields(facts: PeerFacts): Record<string, Encodable | undefined> {
  const { state, filter, tcpPort, udpPort, punchPort } = facts;
  return {
    c: NAT_STATES.indexOf(state),
    f: NAT_FILTERS.indexOf(filter),
    p: tcpPort,
    u: udpPort,
    tp: punchPort,
  };
}

/** One bit for each way. */
function triedBits(tried: readonly Way[]): number {
  return tried.reduce((bits, way) => bits | (1 << WAYS.indexOf(way)), 0);
}

function recordFields(record: PeerRecord): Record<string, Encodable | undefined> {
  const { host, sourcePort, isUtp, key } = record;
  return { ...factFields(record), a: parseIp(host) ?? utf8(''), s: sourcePort, x: Number(isUtp), k: key };
}

function wayBits({ tcp, udp, udpOtherPort }: TestWays): number {
  return Number(tcp) | (Number(udp) << 1) | (Number(udpOtherPort) << 2);
}

// --- decoding

/** A field that is missing or wrong: caught in `decodeMessage`, never seen outside. */
class FieldError extends Error {}

class Fields {
  readonly dict: BencodeDict;
  constructor(dict: BencodeDict) {
    this.dict = dict;
  }

  integer(name: string, most: number, fallback?: number): number {
    const value = this.dict.get(name) ?? fallback;
    if (typeof value !== 'number' || value < 0 || value > most)
      throw new FieldError(`"${name}" is no number up to ${most}`);
    return value;
  }
  get request(): number {
    return this.integer('r', MAX_U32);
  }
  port(name: string): number {
    return this.integer(name, 65_535, 0);
  }
  flag(name: string): boolean {
    return this.integer(name, 1, 0) === 1;
  }
  /** A copy: what is decoded outlives the read buffer. */
  bytes(name: string, length: number): Uint8Array {
    const value = this.dict.bytes(name);
    if (value?.length !== length) throw new FieldError(`"${name}" is not ${length} bytes`);
    return value.slice();
  }
  optionalBytes(name: string, length: number): Uint8Array | undefined {
    return this.dict.has(name) ? this.bytes(name, length) : undefined;
  }
  run(name: string, each: number, most: number): Uint8Array[] {
    const value = this.dict.has(name) ? this.dict.bytes(name) : new Uint8Array(0);
    if (value === undefined || value.length % each !== 0 || value.length > each * most)
      throw new FieldError(`"${name}" is not at most ${most} times ${each} bytes`);
    return Array.from({ length: value.length / each }, (_, i) => value.slice(i * each, (i + 1) * each));
  }
  choice<T>(name: string, choices: readonly T[]): T {
    return choices[this.integer(name, choices.length - 1)] as T;
  }
  endpoint(name: string): Endpoint {
    return compactEndpoint(this.dict.bytes(name), name);
  }
  optionalEndpoint(name: string): Endpoint | undefined {
    return this.dict.has(name) ? this.endpoint(name) : undefined;
  }
  get limits(): SpliceLimits {
    const values = this.dict.list('m') ?? [];
    const at = (index: number, most: number): number => {
      const value = values[index];
      if (typeof value !== 'number' || value < 0 || value > most)
        throw new FieldError('"m" is not three limits');
      return value;
    };
    return {
      bytes: at(0, MAX_SPLICE_BYTES),
      seconds: at(1, MAX_SECONDS),
      bytesPerSec: at(2, MAX_SPLICE_BYTES),
    };
  }
  get tried(): Way[] {
    const bits = this.integer('tr', 2 ** WAYS.length - 1, 0);
    return WAYS.filter((_, index) => (bits & (1 << index)) !== 0);
  }
  get facts(): PeerFacts {
    const punchPort = this.port('tp');
    return {
      state: this.choice('c', NAT_STATES),
      filter: this.choice('f', NAT_FILTERS),
      tcpPort: this.port('p'),
      udpPort: this.port('u'),
      ...(punchPort === 0 ? {} : { punchPort }),
    };
  }
  get record(): PeerRecord {
    const ip = this.dict.bytes('a');
    if (ip?.length !== 4 && ip?.length !== 16) throw new FieldError('"a" is no address');
    const host = formatIp(ip);
    const sourcePort = this.port('s');
    return {
      ...this.facts,
      host,
      sourcePort,
      isUtp: this.flag('x'),
      key: this.optionalBytes('k', KEY_BYTES),
    };
  }
  get testWays(): TestWays {
    const bits = this.integer('w', 7);
    return { tcp: (bits & 1) !== 0, udp: (bits & 2) !== 0, udpOtherPort: (bits & 4) !== 0 };
  }
}

function compactEndpoint(bytes: Uint8Array | undefined, name: string): Endpoint {
  if (bytes?.length !== 6 && bytes?.length !== 18) throw new FieldError(`"${name}" is no endpoint`);
  const [endpoint] = decodeCompact(bytes, bytes.length, 1);
  const host = normalizeHost(endpoint?.host ?? '');
  if (endpoint === undefined || host === undefined) throw new FieldError(`"${name}" has no port`);
  return { host, port: endpoint.port };
}

/** @returns Rejected with one clause when it is no message of this protocol */
export function decodeMessage(payload: Uint8Array): Result<RelayMessage> {
  const decoded = decodeDict(payload, OPTIONS);
  if (!decoded.ok) return reject(`tt_relay: ${decoded.reason.what}`);
  try {
    return accept(decode(new Fields(decoded.value)));
  } catch (error) {
    if (error instanceof FieldError) return reject(`tt_relay: ${error.message}`);
    throw error;
  }
}

function decode(fields: Fields): RelayMessage {
  const { dict } = fields;
  const nonce = (): Uint8Array => fields.bytes('n', NONCE_BYTES);
  const nonces = (): Uint8Array[] => fields.run('n', NONCE_BYTES, MAX_NONCES);
  switch (dict.integer('t')) {
    case MessageType.reserve:
      return {
        type: 'reserve',
        request: fields.request,
        key: fields.bytes('k', KEY_BYTES),
        infoHashes: fields.run('ih', HASH_BYTES, MAX_TORRENTS_PER_SLOT),
        proxied: fields.run('px', HASH_BYTES, MAX_TORRENTS_PER_SLOT),
        ttlSeconds: fields.integer('l', MAX_SECONDS),
        signature: fields.bytes('sg', SIGNATURE_BYTES),
      };
    case MessageType.reserved:
      return {
        type: 'reserved',
        request: fields.request,
        relayId: fields.bytes('id', HASH_BYTES),
        ttlSeconds: fields.integer('l', MAX_SECONDS),
        observed: fields.endpoint('to'),
        limits: fields.limits,
        proxyPort: fields.port('pp'),
        proxied: fields.run('px', HASH_BYTES, MAX_TORRENTS_PER_SLOT),
      };
    case MessageType.refuse: {
      const code = REFUSALS.find((each) => each === dict.text('e'));
      return {
        type: 'refuse',
        of: fields.integer('o', MAX_U32),
        // A code of a later version: nothing that we ask is offered there.
        code: code ?? 'policy',
        request: dict.has('r') ? fields.request : undefined,
        nonce: fields.optionalBytes('n', NONCE_BYTES),
      };
    }
    case MessageType.call:
      return {
        type: 'call',
        nonce: nonce(),
        infoHash: fields.bytes('ih', HASH_BYTES),
        key: fields.optionalBytes('k', KEY_BYTES),
        endpoint: fields.optionalEndpoint('to'),
        facts: fields.facts,
        tried: fields.tried,
      };
    case MessageType.called: {
      const rttMs = dict.has('rt') ? fields.integer('rt', MAX_U32) : undefined;
      return {
        type: 'called',
        nonce: nonce(),
        infoHash: fields.bytes('ih', HASH_BYTES),
        caller: fields.record,
        tried: fields.tried,
        rttMs,
      };
    }
    case MessageType.answer:
      return { type: 'answer', nonce: nonce(), way: fields.choice('w', WAYS), facts: fields.facts };
    case MessageType.go: {
      const delayMs = fields.integer('d', MAX_U32);
      return { type: 'go', nonce: nonce(), way: fields.choice('w', WAYS), peer: fields.record, delayMs };
    }
    case MessageType.ticket:
      return {
        type: 'ticket',
        nonce: fields.optionalBytes('n', NONCE_BYTES),
        ticket: fields.bytes('tk', NONCE_BYTES),
        limits: fields.limits,
        from: fields.optionalEndpoint('fr'),
      };
    case MessageType.test: {
      const ports = { tcpPort: fields.port('p'), udpPort: fields.port('u') };
      return { type: 'test', nonce: nonce(), ...ports, ways: fields.testWays };
    }
    case MessageType.tested: {
      const tcpReached = fields.flag('ok');
      return {
        type: 'tested',
        nonce: nonce(),
        observed: fields.endpoint('to'),
        tried: fields.testWays,
        tcpReached,
      };
    }
    case MessageType.push: {
      if (dict.has('on')) return { type: 'pushed', request: fields.request, isOnline: fields.flag('on') };
      return {
        type: 'push',
        request: fields.request,
        key: fields.bytes('k', KEY_BYTES),
        item: itemBytes(dict.get('i')),
      };
    }
    case MessageType.peek: {
      if (!dict.has('q')) return { type: 'peek', request: fields.request };
      return {
        type: 'items',
        request: fields.request,
        entries: entriesOf(fields),
        hasMore: fields.flag('mo'),
      };
    }
    case MessageType.pop:
      if (dict.has('ct'))
        return { type: 'popped', request: fields.request, count: fields.integer('ct', MAX_NONCES) };
      return { type: 'pop', request: fields.request, nonces: nonces() };
    case MessageType.gone:
      return { type: 'gone', nonces: nonces() };
    case MessageType.beat:
      return { type: 'beat', count: fields.integer('q', MAX_U32), isEcho: fields.flag('e') };
    default:
      throw new FieldError('no such message');
  }
}

function itemBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > MAX_ITEM_BYTES)
    throw new FieldError(`an item is not 1 to ${MAX_ITEM_BYTES} bytes`);
  return value.slice();
}

function entriesOf({ dict }: Fields): { item: Uint8Array; from: Endpoint }[] {
  return (dict.list('q') ?? []).map((entry) => {
    if (!Array.isArray(entry) || isDict(entry)) throw new FieldError('"q" is no list of items');
    const [item, from] = entry as readonly unknown[];
    return {
      item: itemBytes(item),
      from: compactEndpoint(from instanceof Uint8Array ? from : undefined, 'q'),
    };
  });
}
