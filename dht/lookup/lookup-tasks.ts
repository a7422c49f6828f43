// What lookups ask and what they make of the answers: one task per kind of query.
import { ID_BYTES } from '../../core/base/ids.ts';
import { DhtAddress, type Family, type Scope } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { DhtContact, DhtItem, SampleReply } from '../base/results.ts';
import type { KrpcMessage, Span } from '../krpc/krpc.ts';
import { getPeersQuery, targetQuery, type Want } from '../krpc/queries.ts';
import { isAuthentic } from '../storage/items.ts';
import type { Candidate } from './lookup-candidate.ts';
import type { LookupTask } from './lookup-task.ts';

/** BEP 51 allows up to six hours; more is a mistake or malice. */
const MAX_SAMPLE_INTERVAL_SECONDS = 21_600;
const MAX_SAMPLES_READ = 100;

/** @param candidate one that answered: its id is known */
export function contactOf(candidate: Candidate): DhtContact {
  return { id: (candidate.id as Id160).toBytes(), address: candidate.address };
}

/** BEP 5. */
export function findNodeTask(target: Id160, want: Want): LookupTask {
  return {
    needsToken: false,
    compose: (out, frame, tid) => targetQuery(out, frame, 'find_node', target, want, tid),
    handleReply: () => 0,
  };
}

/** Whether somebody who is met at a place of this scope may know a peer there: out on the Internet nobody has peers of our machine or network. */
function mayName(teller: Scope, named: Scope): boolean {
  if (named === 'global') return true;
  return named === 'loopback' ? teller === 'loopback' : named === 'private' && teller !== 'global';
}

/** The compact peers of `values` that belong to the family: BEP 32 allows both kinds in one list. */
function readValues(message: KrpcMessage, family: Family, teller: Scope): DhtAddress[] {
  const peers: DhtAddress[] = [];
  const { bytes, values } = message;
  let at = values.start;
  while (at >= 0 && at < values.end) {
    let length = 0;
    while (bytes[at] !== 0x3a) length = length * 10 + (bytes[at++] as number) - 0x30;
    at++;
    if (length === 6 || length === 18) {
      const peer = DhtAddress.fromCompact(length === 6 ? 4 : 6, bytes, at);
      if (peer.port !== 0 && peer.family === family && mayName(teller, peer.scope)) peers.push(peer);
    }
    at += length;
  }
  return peers;
}

export function getPeersTask(options: {
  readonly infoHash: Id160;
  readonly family: Family;
  readonly noSeeds: boolean;
  readonly scrape: boolean;
  readonly needsToken: boolean;
  readonly onPeers: (peers: readonly DhtAddress[], from: Candidate, nowMs: number) => void;
  readonly onFilters?: (message: KrpcMessage, from: Candidate, peers: readonly DhtAddress[]) => void;
}): LookupTask {
  const query = { noSeeds: options.noSeeds, scrape: options.scrape, want: undefined };
  return {
    needsToken: options.needsToken,
    compose: (out, frame, tid) => getPeersQuery(out, frame, options.infoHash, query, tid),
    handleReply: (message, from, nowMs) => {
      const peers = readValues(message, options.family, from.address.scope);
      options.onFilters?.(message, from, peers);
      if (peers.length > 0) options.onPeers(peers, from, nowMs);
      return peers.length;
    },
  };
}

/** BEP 51; at most 100 samples of a reply are read, intervals of at most six hours. */
export function sampleTask(target: Id160, onSamples: (reply: SampleReply) => void): LookupTask {
  return {
    needsToken: false,
    compose: (out, frame, tid) => targetQuery(out, frame, 'sample_infohashes', target, undefined, tid),
    handleReply: (message, from) => {
      const { samples: span, bytes } = message;
      if (span.start < 0) return 0;
      const samples: Uint8Array[] = [];
      for (
        let at = span.start;
        at + ID_BYTES <= span.end && samples.length < MAX_SAMPLES_READ;
        at += ID_BYTES
      )
        samples.push(bytes.slice(at, at + ID_BYTES));
      onSamples({
        from: contactOf(from),
        samples,
        total: Math.max(samples.length, message.total),
        intervalSeconds: Math.min(MAX_SAMPLE_INTERVAL_SECONDS, Math.max(0, message.intervalSeconds)),
      });
      return samples.length;
    },
  };
}

/** BEP 44 get: everything that comes is checked against the target. */
export function getItemTask(options: {
  readonly target: Id160;
  readonly salt: Uint8Array;
  readonly needsToken: boolean;
  readonly onItem: (item: DhtItem, from: Candidate) => void;
  readonly onForged: () => void;
}): LookupTask {
  const target = options.target.toBytes();
  return {
    needsToken: options.needsToken,
    compose: (out, frame, tid) => targetQuery(out, frame, 'get', options.target, undefined, tid),
    handleReply: (message, from) => {
      const item = itemOf(message, target, options.salt);
      if (item === undefined) return 0;
      if (!isAuthentic(item)) {
        options.onForged();
        return 0;
      }
      options.onItem(item, from);
      return 1;
    },
  };
}

function itemOf(message: KrpcMessage, target: Uint8Array, salt: Uint8Array): DhtItem | undefined {
  const copy = (span: Span): Uint8Array | undefined => message.copy(span);
  const v = copy(message.v);
  if (v === undefined) return undefined;
  const publicKey = copy(message.k);
  if (publicKey === undefined) return { kind: 'immutable', target, v };
  const signature = copy(message.sig);
  const seq = message.bigint(message.seq);
  if (signature === undefined || seq === undefined) return undefined;
  return { kind: 'mutable', target, v, publicKey, salt, seq, signature };
}
