// Peer exchange (BEP 11): the message both ways, what to tell one peer and when, and how often it may tell us.
import { type BencodeDict, decodeDict } from '../base/bencode.ts';
import { encodeBencode } from '../base/bencode-encode.ts';
import { concatBytes, EMPTY_BYTES } from '../base/bytes.ts';
import {
  COMPACT_V4_BYTES,
  COMPACT_V6_BYTES,
  decodeCompact,
  type Endpoint,
  encodeCompact,
  endpointKey,
  isIPv6,
} from '../base/endpoint.ts';
import { isLoopbackAddress } from '../base/local-address.ts';
import { accept, type Result, reject } from '../base/result.ts';

/** BEP 11, for added and dropped each; kept for the first message too, where more would be allowed. */
const MAX_PEX_ENTRIES = 50;
/** Read of one message: the first may be longer, but one peer shall not fill the candidate pool. */
const MAX_READ_ENTRIES = 200;
/** BEP 11: at most one message a minute. */
const PEX_INTERVAL_MS = 60_000;
/** Others' timers and bursts: so many in MANNERS_WINDOW_MS are let pass, which is libtorrent's patience as well. */
const MAX_MESSAGES_IN_WINDOW = 6;
const MANNERS_WINDOW_MS = 60_000;

export interface PexFlags {
  readonly prefersEncryption?: boolean;
  /** Seed or upload-only. */
  readonly isSeed?: boolean;
  readonly supportsUtp?: boolean;
  readonly supportsHolepunch?: boolean;
  /** Somebody connected out to it. */
  readonly isReachable?: boolean;
}

export interface PexPeer extends PexFlags {
  /** With the port it listens on. */
  readonly endpoint: Endpoint;
}

export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly Endpoint[];
}

function flagByte(flags: PexFlags): number {
  return (
    (flags.prefersEncryption ? 0x01 : 0) |
    (flags.isSeed ? 0x02 : 0) |
    (flags.supportsUtp ? 0x04 : 0) |
    (flags.supportsHolepunch ? 0x08 : 0) |
    (flags.isReachable ? 0x10 : 0)
  );
}

function flagsOf(byte: number): PexFlags {
  return {
    prefersEncryption: (byte & 0x01) !== 0,
    isSeed: (byte & 0x02) !== 0,
    supportsUtp: (byte & 0x04) !== 0,
    supportsHolepunch: (byte & 0x08) !== 0,
    isReachable: (byte & 0x10) !== 0,
  };
}

/**
 * Repeats of an address within one message (other ports included) are let go, as BEP 11 advises; on loopback, where a whole
 * swarm shares one, only repeats of address and port.
 */
export function decodePex(payload: Uint8Array): Result<PexMessage> {
  const decoded = decodeDict(payload, { allowUnsorted: true });
  if (!decoded.ok) return reject(`ut_pex: ${decoded.reason.what}`);
  const dict = decoded.value;
  const hosts = new Set<string>();
  const added: PexPeer[] = [];
  for (const { key, entryBytes } of FAMILIES) {
    const flags = dict.bytes(`${key('added')}.f`) ?? EMPTY_BYTES;
    for (const [index, endpoint] of compactList(dict, key('added'), entryBytes).entries()) {
      if (endpoint === undefined || added.length >= MAX_READ_ENTRIES) continue;
      const key = isLoopbackAddress(endpoint.host) ? endpointKey(endpoint) : endpoint.host;
      if (hosts.has(key)) continue;
      hosts.add(key);
      added.push({ endpoint, ...flagsOf(flags[index] ?? 0) });
    }
  }
  const dropped = FAMILIES.flatMap(({ key, entryBytes }) =>
    compactList(dict, key('dropped'), entryBytes).filter((endpoint) => endpoint !== undefined),
  ).slice(0, MAX_READ_ENTRIES);
  return accept({ added, dropped });
}

const FAMILIES = [
  { key: (name: string) => name, entryBytes: COMPACT_V4_BYTES },
  { key: (name: string) => `${name}6`, entryBytes: COMPACT_V6_BYTES },
] as const;

/** One by one, because the flags count entries with port 0 too. */
function compactList(dict: BencodeDict, name: string, entryBytes: 6 | 18): (Endpoint | undefined)[] {
  const bytes = dict.bytes(name) ?? EMPTY_BYTES;
  const count = Math.min(MAX_READ_ENTRIES, Math.floor(bytes.length / entryBytes));
  return Array.from(
    { length: count },
    (_, i) => decodeCompact(bytes.subarray(i * entryBytes, (i + 1) * entryBytes), entryBytes, 1)[0],
  );
}

/**
 * BEP 11: both families, compact, with a flag byte for each added peer. Whoever calls keeps to its bounds (50 and 50).
 */
export function encodePex(message: PexMessage): Uint8Array {
  const fields: Record<string, Uint8Array> = {};
  for (const [suffix, isV6] of [
    ['', false],
    ['6', true],
  ] as const) {
    const added = message.added.filter((peer) => isIPv6(peer.endpoint.host) === isV6);
    const dropped = message.dropped.filter((endpoint) => isIPv6(endpoint.host) === isV6);
    fields[`added${suffix}`] = concatBytes(added.map((peer) => encodeCompact(peer.endpoint)));
    fields[`added${suffix}.f`] = Uint8Array.from(added, flagByte);
    fields[`dropped${suffix}`] = concatBytes(dropped.map((endpoint) => encodeCompact(endpoint)));
  }
  return encodeBencode(fields);
}

/** What one peer was told. */
export class PexSender {
  readonly #told = new Map<string, Endpoint>();
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** Clock ms from which compose may give a message. */
  get notBeforeMs(): number {
    return this.#notBeforeMs;
  }

  /**
   * @param current whom we are connected to now, by endpointKey of the listening endpoint; without peers whose
   * listening port we do not know
   * @param self endpointKey of the peer that is told
   * @returns a payload to send now, or undefined: too soon, or nothing new
   */
  compose(current: ReadonlyMap<string, PexPeer>, self: string, nowMs: number): Uint8Array | undefined {
    if (nowMs < this.#notBeforeMs) return undefined;
    const added: PexPeer[] = [];
    for (const [key, peer] of current) {
      if (added.length >= MAX_PEX_ENTRIES) break;
      if (key !== self && !this.#told.has(key)) added.push(peer);
    }
    const dropped: Endpoint[] = [];
    for (const [key, endpoint] of this.#told) {
      if (dropped.length >= MAX_PEX_ENTRIES) break;
      if (!current.has(key)) dropped.push(endpoint);
    }
    if (added.length + dropped.length === 0) return undefined;
    for (const { endpoint } of added) this.#told.set(endpointKey(endpoint), endpoint);
    for (const endpoint of dropped) this.#told.delete(endpointKey(endpoint));
    this.#notBeforeMs = nowMs + PEX_INTERVAL_MS;
    return encodePex({ added, dropped });
  }
}

/** What one peer tells: bounded in rate as well as in size. */
export class PexReceiver {
  readonly #timesMs: number[] = [];

  /** A message that cannot be read, or too many of them, is a reason to end the connection. */
  receive(payload: Uint8Array, nowMs: number): Result<PexMessage> {
    this.#timesMs.push(nowMs);
    if (this.#timesMs.length > MAX_MESSAGES_IN_WINDOW) {
      const oldest = this.#timesMs.shift() as number;
      if (nowMs - oldest < MANNERS_WINDOW_MS)
        return reject(`more than ${MAX_MESSAGES_IN_WINDOW} ut_pex messages in a minute`);
    }
    return decodePex(payload);
  }
}
