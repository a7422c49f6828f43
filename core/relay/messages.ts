// What relays and peers say to each other, as types (docs/relay.md says it message by message). Keys are 32 bytes (ed25519),
// signatures 64, info hashes 20, nonces and tickets 16. Hosts are text. Pure.
import type { Endpoint } from '../base/endpoint.ts';

/** `v` in a relay's handshake. */
export const PROTOCOL_VERSION = 1;
/** The longest message either side may send. */
export const MAX_MESSAGE_BYTES = 4096;
export const KEY_BYTES = 32;
export const NONCE_BYTES = 16;
export const CHALLENGE_BYTES = 32;
/** Torrents of one reservation. */
export const MAX_TORRENTS_PER_SLOT = 16;
export const MAX_ITEM_BYTES = 512;
/** Nonces in one pop or gone. */
export const MAX_NONCES = 32;

/** `t` of each message. */
export const MessageType = {
  reserve: 0,
  reserved: 1,
  refuse: 2,
  call: 3,
  called: 4,
  answer: 5,
  go: 6,
  ticket: 7,
  test: 8,
  tested: 9,
  push: 10,
  peek: 11,
  pop: 12,
  gone: 13,
  beat: 14,
} as const;

/** What a peer knows of its own place (the states of "know yourself"), and what its gateway lets in. The wire carries the index. */
export const NAT_STATES = ['unknown', 'open', 'mapped', 'eim-open', 'eim', 'apdm', 'tcp-only'] as const;
export type NatState = (typeof NAT_STATES)[number];
export const NAT_FILTERS = ['unknown', 'eif', 'adf', 'apdf'] as const;
export type NatFilter = (typeof NAT_FILTERS)[number];

/** How an introduction goes on. `reverse`: the called dials the caller; `direct`: the caller dials the called. */
export const WAYS = ['none', 'reverse', 'punch', 'splice', 'direct', 'tcp-punch'] as const;
export type Way = (typeof WAYS)[number];

/** `full`: no room; `quota`: the asker's share is used up; `policy`: not offered here; `unknown`: nobody by that name; `private`: BEP 27;
 * `signature`: the proof is wrong; `gone`: the other side left; `late`: too old or heard before. */
export const REFUSALS = [
  'full',
  'quota',
  'policy',
  'unknown',
  'private',
  'signature',
  'gone',
  'late',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Kinds of dial-back: TCP; UDP for who has never written to the relay's address; UDP for who has, from a port he has not written to. */
export interface TestWays {
  readonly tcp: boolean;
  readonly udp: boolean;
  readonly udpOtherPort: boolean;
}

/** What a peer says of itself; its address is never among it. Ports are 0 where there is none. */
export interface PeerFacts {
  readonly state: NatState;
  readonly filter: NatFilter;
  /** Where it takes TCP connections, seen from outside. */
  readonly tcpPort: number;
  /** Where it takes uTP; replaced by the port that the relay sees when the control connection is uTP. */
  readonly udpPort: number;
  /** From where it would punch by TCP, as this very relay sees that port; absent until it is needed. */
  readonly punchPort?: number;
}

/** A peer as its relay presents it: the address is the one the relay sees. */
export interface PeerRecord extends PeerFacts {
  readonly host: string;
  /** Source port of its control connection. */
  readonly sourcePort: number;
  readonly isUtp: boolean;
  /** Proven by signature; absent for a caller that made no reservation. */
  readonly key: Uint8Array | undefined;
}

/** What one splice may carry: each direction, seconds in all, bytes a second each direction. */
export interface SpliceLimits {
  readonly bytes: number;
  readonly seconds: number;
  readonly bytesPerSec: number;
}

export interface QueueEntry {
  /** A signed call record: see queue-item.ts. */
  readonly item: Uint8Array;
  /** The sender as the relay saw it. */
  readonly from: Endpoint;
}

// --- peer to relay

/** Ttl 0 takes no slot and only proves the key. */
export interface ReserveMessage {
  readonly type: 'reserve';
  readonly request: number;
  readonly key: Uint8Array;
  readonly infoHashes: readonly Uint8Array[];
  /** Those of `infoHashes` that unmodified clients should reach. */
  readonly proxied: readonly Uint8Array[];
  readonly ttlSeconds: number;
  readonly signature: Uint8Array;
}
/** To `key`, or to `endpoint` (as PEX of the same relay named it), or to anybody who reserved for the torrent. */
export interface CallMessage {
  readonly type: 'call';
  readonly nonce: Uint8Array;
  readonly infoHash: Uint8Array;
  readonly key: Uint8Array | undefined;
  readonly endpoint: Endpoint | undefined;
  readonly facts: PeerFacts;
  /** What the caller has tried in vain. */
  readonly tried: readonly Way[];
}
export interface AnswerMessage {
  readonly type: 'answer';
  readonly nonce: Uint8Array;
  readonly way: Way;
  readonly facts: PeerFacts;
}
export interface TestMessage {
  readonly type: 'test';
  readonly nonce: Uint8Array;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly ways: TestWays;
}
export interface PushMessage {
  readonly type: 'push';
  readonly request: number;
  readonly key: Uint8Array;
  readonly item: Uint8Array;
}
/** What waits for the key that this connection proved. */
export interface PeekMessage {
  readonly type: 'peek';
  readonly request: number;
}
export interface PopMessage {
  readonly type: 'pop';
  readonly request: number;
  readonly nonces: readonly Uint8Array[];
}
/** Popped elsewhere: forget these, and refuse them when they are pushed again. */
export interface GoneMessage {
  readonly type: 'gone';
  readonly nonces: readonly Uint8Array[];
}

// --- relay to peer

export interface ReservedMessage {
  readonly type: 'reserved';
  readonly request: number;
  readonly relayId: Uint8Array;
  readonly ttlSeconds: number;
  readonly observed: Endpoint;
  readonly limits: SpliceLimits;
  /** 0: none. */
  readonly proxyPort: number;
  readonly proxied: readonly Uint8Array[];
}
export interface RefuseMessage {
  readonly type: 'refuse';
  /** `t` of what is refused. */
  readonly of: number;
  readonly code: Refusal;
  readonly request: number | undefined;
  readonly nonce: Uint8Array | undefined;
}
export interface CalledMessage {
  readonly type: 'called';
  readonly nonce: Uint8Array;
  readonly infoHash: Uint8Array;
  readonly caller: PeerRecord;
  readonly tried: readonly Way[];
  /** Round trip between relay and caller in ms; undefined while it is not known. */
  readonly rttMs: number | undefined;
}
export interface GoMessage {
  readonly type: 'go';
  readonly nonce: Uint8Array;
  readonly way: Way;
  readonly peer: PeerRecord;
  readonly delayMs: number;
}
/** Open a connection to the relay with this ticket. `from` is set when an unmodified client waits at the other end. */
export interface TicketMessage {
  readonly type: 'ticket';
  readonly nonce: Uint8Array | undefined;
  readonly ticket: Uint8Array;
  readonly limits: SpliceLimits;
  readonly from: Endpoint | undefined;
}
export interface TestedMessage {
  readonly type: 'tested';
  readonly nonce: Uint8Array;
  readonly observed: Endpoint;
  /** What was tried. */
  readonly tried: TestWays;
  /** The TCP connection was accepted. UDP tells the asker itself. */
  readonly tcpReached: boolean;
}
export interface PushedMessage {
  readonly type: 'pushed';
  readonly request: number;
  /** The owner of the queue is connected and has got it. */
  readonly isOnline: boolean;
}
/** The answer to a peek, or (request 0) an item that came while the owner is connected. */
export interface ItemsMessage {
  readonly type: 'items';
  readonly request: number;
  readonly entries: readonly QueueEntry[];
  /** There are more: pop these and peek again. */
  readonly hasMore: boolean;
}
export interface PoppedMessage {
  readonly type: 'popped';
  readonly request: number;
  readonly count: number;
}

// --- either way

/** Heartbeat: `isEcho` answers one with the same number. */
export interface BeatMessage {
  readonly type: 'beat';
  readonly count: number;
  readonly isEcho: boolean;
}

export type ToRelay =
  | ReserveMessage
  | CallMessage
  | AnswerMessage
  | TestMessage
  | PushMessage
  | PeekMessage
  | PopMessage
  | GoneMessage
  | BeatMessage;
export type ToPeer =
  | ReservedMessage
  | RefuseMessage
  | CalledMessage
  | GoMessage
  | TicketMessage
  | TestedMessage
  | PushedMessage
  | ItemsMessage
  | PoppedMessage
  | BeatMessage;
export type RelayMessage = ToRelay | ToPeer;
