// One finished visit as the machine hands it out, and what a reply says about its sender. The dataset's row is made from it
// where addresses become what `ip_privacy` lets them be.
import { toHex } from '../../core/base/bytes.ts';
import type { DhtAddress, Family } from '../base/address.ts';
import { DhtAddress as Address, compactBytes } from '../base/address.ts';
import { isValidId } from '../base/bep42.ts';
import { Id160 } from '../base/node-id.ts';
import type { Outcome } from '../dataset/visit-table.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { clientName } from './client-name.ts';
import type { ProbeMethod } from './prober.ts';

export type VisitSource = 'bootstrap' | 'reply' | 'known';

/** An entry of a reply. */
export interface Listing {
  readonly id: Id160;
  readonly address: DhtAddress;
  /** Its number in the table; -1 for none: bogon, outside of the zone, trapped. */
  node: number;
}

/** What the reply itself says; absent without one. */
export interface ReplyFacts {
  readonly versionHex: string | undefined;
  readonly client: string | undefined;
  readonly isReadOnly: boolean;
  /** Our address as the sender sees it: 6 or 18 bytes; undefined without `ip`, `malformed` for another length. */
  readonly echo: DhtAddress | 'malformed' | undefined;
  readonly bep42: 'valid' | 'invalid' | 'exempt';
  readonly supports32: boolean | undefined;
  readonly supports33: boolean | undefined;
  readonly supports42: boolean;
  readonly supports51: boolean | undefined;
  readonly nodesOtherFamily: number;
  readonly nodesBogon: number;
  readonly nodesDuplicateIp: number;
  readonly nodesInZone: number;
  readonly nodesNew: number;
  readonly tokenBytes: number;
  readonly valueCount: number;
  readonly bytes: number;
  readonly unknownKeys: number;
  readonly listings: readonly Listing[];
  /** BEP 51. */
  readonly samples: SampleFacts | undefined;
}

export interface SampleFacts {
  readonly intervalSeconds: number | undefined;
  readonly stored: number | undefined;
  /** 20 bytes each. */
  readonly infoHashes: readonly Uint8Array[];
}

export interface Visit {
  readonly number: number;
  readonly node: number;
  readonly idClaimed: Id160 | undefined;
  readonly idObserved: Id160 | undefined;
  readonly address: DhtAddress;
  readonly isInZone: boolean;
  readonly source: VisitSource;
  readonly firstReferrer: number | undefined;
  readonly referrerCount: number;
  readonly queuedMs: number;
  readonly sentMs: number | undefined;
  readonly receivedMs: number | undefined;
  readonly tries: number;
  readonly answeredTry: number | undefined;
  readonly outcome: Outcome;
  readonly method: ProbeMethod;
  readonly target: Id160 | undefined;
  readonly reply: ReplyFacts | undefined;
}

/** BEP 5 says 8, some send 20; more in one reply is noise. */
const MAX_ENTRIES = 64;
/** BEP 51 fits 20 or so into a datagram. */
const MAX_SAMPLES = 200;
const HASH_BYTES = 20;

/** Entries of `nodes` or `nodes6`. */
export function entriesOf(message: KrpcMessage, family: Family): Listing[] {
  const span = family === 4 ? message.nodes : message.nodes6;
  const size = HASH_BYTES + compactBytes(family);
  const count = Math.min(MAX_ENTRIES, Math.floor(message.length(span) / size));
  const entries: Listing[] = [];
  for (let i = 0; i < count; i++) {
    const at = span.start + i * size;
    entries.push({
      id: Id160.read(message.bytes, at),
      address: Address.fromCompact(family, message.bytes, at + HASH_BYTES),
      node: -1,
    });
  }
  return entries;
}

/** Can the address be meant by somebody at `source`? Gossip across scopes is nonsense. */
export function isBogon(address: DhtAddress, source: DhtAddress): boolean {
  return address.port === 0 || address.scope === 'unusable' || address.scope !== source.scope;
}

/** Entries whose IP address an earlier entry of the same reply has. */
export function countDuplicateIps(listings: readonly Listing[]): number {
  let count = 0;
  for (let i = 1; i < listings.length; i++) {
    const { address } = listings[i] as Listing;
    for (let j = 0; j < i; j++) {
      if (!address.sameHost((listings[j] as Listing).address)) continue;
      count++;
      break;
    }
  }
  return count;
}

/** BEP 42 `ip`: as whom the node sees us; undefined when it does not say. */
export function echoOf(message: KrpcMessage): DhtAddress | 'malformed' | undefined {
  const { external, bytes } = message;
  if (external.start < 0) return undefined;
  const length = external.end - external.start;
  if (length === compactBytes(4)) return Address.fromCompact(4, bytes, external.start);
  if (length === compactBytes(6)) return Address.fromCompact(6, bytes, external.start);
  return 'malformed';
}

/** Longer versions say nothing more. */
const MAX_VERSION_BYTES = 32;

/** Few distinct ones exist: naming each once saves most of the work. */
const versions = new Map<string, string | undefined>();
const MAX_VERSIONS = 4096;

/** `v` of BEP 5: at most 32 bytes of it as hex, and the client that these name, if any. */
export function versionOf(message: KrpcMessage): {
  readonly hex: string | undefined;
  readonly client: string | undefined;
} {
  const view = message.view(message.version)?.subarray(0, MAX_VERSION_BYTES);
  if (view === undefined || view.length === 0) return { hex: undefined, client: undefined };
  const hex = toHex(view);
  let client = versions.get(hex);
  if (client === undefined) {
    client = clientName(view);
    if (versions.size >= MAX_VERSIONS) versions.clear();
    versions.set(hex, client);
  }
  return { hex, client };
}

/** Local networks are exempt (BEP 42). */
export function bep42Of(id: Id160, address: DhtAddress): 'valid' | 'invalid' | 'exempt' {
  if (address.scope !== 'global') return 'exempt';
  return isValidId(id, address) ? 'valid' : 'invalid';
}

/** @returns undefined when the reply has none of the keys of BEP 51 */
export function samplesOf(message: KrpcMessage): SampleFacts | undefined {
  const { samples, intervalSeconds, total } = message;
  if (samples.start < 0 && intervalSeconds < 0 && total < 0) return undefined;
  const count = Math.min(MAX_SAMPLES, Math.floor(message.length(samples) / HASH_BYTES));
  return {
    intervalSeconds: intervalSeconds >= 0 ? intervalSeconds : undefined,
    stored: total >= 0 ? total : undefined,
    infoHashes: Array.from({ length: count }, (_, i) => {
      const at = samples.start + i * HASH_BYTES;
      return message.bytes.slice(at, at + HASH_BYTES);
    }),
  };
}

/** Peers in `values`: byte strings `6:...` or `18:...`. */
export function countValues(message: KrpcMessage): number {
  const { start, end } = message.values;
  if (start < 0) return 0;
  let count = 0;
  for (let at = start; at < end; count++) {
    let length = 0;
    while (message.bytes[at] !== 0x3a) length = length * 10 + (message.bytes[at++] as number) - 0x30;
    at += length + 1;
  }
  return count;
}
