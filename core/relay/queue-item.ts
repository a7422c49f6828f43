// One waiting call: a small dictionary signed by its sender. It names no address: the relay adds the one it saw (security rule 2).
import { decodeDict } from '../base/bencode.ts';
import { encodeBencode } from '../base/bencode-encode.ts';
import { concatBytes, utf8 } from '../base/bytes.ts';
import { verifySignature } from '../base/ed25519.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { RelayIdentity } from './identity.ts';
import {
  KEY_BYTES,
  MAX_ITEM_BYTES,
  NAT_FILTERS,
  NAT_STATES,
  NONCE_BYTES,
  type PeerFacts,
} from './messages.ts';

const ITEM_CONTEXT = utf8('tt relay item 1');
/** A call is stale after ten minutes: the sender has moved on or will push again. */
export const MAX_ITEM_TTL_SECONDS = 600;
/** A sender's clock may be off; what it says beyond this only buys it a place at either end. */
export const MAX_CLOCK_ERROR_MS = 30_000;
const HASH_BYTES = 20;
const SIGNATURE_BYTES = 64;

export interface QueueItem {
  readonly sender: Uint8Array;
  /** Whose queue it is for: an item cannot be moved to another's. */
  readonly target: Uint8Array;
  readonly infoHash: Uint8Array;
  readonly nonce: Uint8Array;
  readonly facts: PeerFacts;
  /** Unix time in ms by the sender's clock. */
  readonly timeMs: number;
  readonly ttlSeconds: number;
}

export function encodeItem(item: Omit<QueueItem, 'sender'>, sender: RelayIdentity): Uint8Array {
  const { facts } = item;
  const body = encodeBencode({
    c: NAT_STATES.indexOf(facts.state),
    f: NAT_FILTERS.indexOf(facts.filter),
    ih: item.infoHash,
    k: sender.publicKey,
    l: item.ttlSeconds,
    n: item.nonce,
    p: facts.tcpPort,
    t: item.timeMs,
    to: item.target,
    u: facts.udpPort,
  });
  return concatBytes([sender.sign(concatBytes([ITEM_CONTEXT, body])), body]);
}

/** Checks everything, the signature included. */
export function decodeItem(bytes: Uint8Array): Result<QueueItem> {
  if (bytes.length <= SIGNATURE_BYTES || bytes.length > MAX_ITEM_BYTES)
    return reject(`queue item of ${bytes.length} bytes`);
  const body = bytes.subarray(SIGNATURE_BYTES);
  const decoded = decodeDict(body, { limits: { maxBytes: MAX_ITEM_BYTES, maxDepth: 1, maxItems: 40 } });
  if (!decoded.ok) return reject(`queue item: ${decoded.reason.what}`);
  const dict = decoded.value;
  const [sender, target, infoHash, nonce] = [
    dict.bytes('k'),
    dict.bytes('to'),
    dict.bytes('ih'),
    dict.bytes('n'),
  ];
  const state = NAT_STATES[dict.integer('c') ?? -1];
  const filter = NAT_FILTERS[dict.integer('f') ?? -1];
  const [tcpPort, udpPort] = [dict.integer('p') ?? -1, dict.integer('u') ?? -1];
  const [timeMs, ttlSeconds] = [dict.integer('t') ?? -1, dict.integer('l') ?? -1];
  if (sender?.length !== KEY_BYTES || target?.length !== KEY_BYTES)
    return reject('queue item without its two keys');
  if (infoHash?.length !== HASH_BYTES || nonce?.length !== NONCE_BYTES)
    return reject('queue item without info hash or nonce');
  const isPort = (port: number): boolean => port >= 0 && port <= 65_535;
  if (state === undefined || filter === undefined || !isPort(tcpPort) || !isPort(udpPort))
    return reject('queue item with facts that are none');
  if (timeMs < 0 || ttlSeconds < 1 || ttlSeconds > MAX_ITEM_TTL_SECONDS)
    return reject('queue item without a time');
  if (!verifySignature(sender, concatBytes([ITEM_CONTEXT, body]), bytes.subarray(0, SIGNATURE_BYTES)))
    return reject('queue item with a wrong signature');
  return accept({
    sender: sender.slice(),
    target: target.slice(),
    infoHash: infoHash.slice(),
    nonce: nonce.slice(),
    facts: { state, filter, tcpPort, udpPort },
    timeMs,
    ttlSeconds,
  });
}
