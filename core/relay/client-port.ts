// What a peer's side of the relay protocol is given, and what it asks its shell to do. Pure.
import type { Rng } from '../base/clock.ts';
import type { Endpoint } from '../base/endpoint.ts';
import type { RelayIdentity } from './identity.ts';
import type {
  PeerFacts,
  PeerRecord,
  QueueEntry,
  Refusal,
  SpliceLimits,
  TestedMessage,
  Way,
} from './messages.ts';
import type { QueueItem } from './queue-item.ts';

/** A control connection, by a number of the shell's own. */
export type ClientLinkId = number;

/** Bits of `roles` in a relay's handshake. */
export const ROLE = { signal: 1, splice: 2, queue: 4, proxy: 8, test: 16, mirror: 32, fathom: 64 } as const;

export interface RelayClientOptions {
  readonly identity: RelayIdentity;
  /** Unpredictable: nonces come from it. */
  readonly rng: Rng;
  /** Unix time in ms of a clock time. */
  readonly wallMs: (nowMs: number) => number;
  /** What we say of ourselves. @param relay whom we say it to; undefined: whoever reads it */
  readonly facts: (relay?: Endpoint) => PeerFacts;
  /** Torrents through which we want to be called: none of them private (BEP 27). */
  readonly torrents: () => readonly Uint8Array[];
  /** Of those, what unmodified clients should reach through a proxy port. */
  readonly proxied: () => readonly Uint8Array[];
  /** Torrents that want peers: relays that know some are kept for them. */
  readonly sought: () => readonly Uint8Array[];
  /** Whether relays are kept: we cannot be reached without. */
  readonly wantsRelays: () => boolean;
  /** Security rules 3 and 4: counts an introduction that is followed. @returns why it is not, or undefined */
  readonly whyNotFollow: (target: Endpoint, relayHost: string, nowMs: number) => string | undefined;
}

/** Somebody asks to be connected with us. */
export interface IncomingCall {
  readonly nonce: Uint8Array;
  readonly infoHash: Uint8Array;
  readonly caller: PeerRecord;
  readonly tried: readonly Way[];
  readonly relay: Endpoint;
  /** What that relay offers (ROLE). */
  readonly roles: number;
}

/** Both sides know how: now dial, wait or send. */
export interface Introduction {
  readonly nonce: Uint8Array;
  readonly infoHash: Uint8Array;
  readonly role: 'caller' | 'called';
  readonly way: Way;
  readonly peer: PeerRecord;
  readonly relay: Endpoint;
  /** Where this side sends its packets; undefined when it only waits (and for splices, where a ticket follows). */
  readonly target: Endpoint | undefined;
  /** Wait so long first: the other side is further from the relay. */
  readonly delayMs: number;
}

/** Open a connection to the relay with the splice frame and this ticket; then it is the peer's. */
export interface SpliceOrder {
  readonly relay: Endpoint;
  readonly ticket: Uint8Array;
  readonly limits: SpliceLimits;
  /** Undefined: an unmodified client waits at the relay's proxy port. */
  readonly introduction: Introduction | undefined;
  /** Whom we are connected with, as the relay sees it: for bans, PEX and `yourip`. */
  readonly remote: Endpoint;
}

export interface RelayClientPort {
  /** Open a control connection; `handleLink` or `handleNoLink` follows. */
  connect(relay: Endpoint): void;
  send(link: ClientLinkId, payload: Uint8Array): void;
  /** End a connection that `connect` opened; neighbours are never dropped. `handleLinkEnd` follows. */
  drop(link: ClientLinkId, reason: string): void;
  /** Look up R(shard); `handleRelays` follows, several times if need be. */
  findRelays(shard: number): void;
  /** What to answer a call. */
  decide(call: IncomingCall): Way;
  introduce(introduction: Introduction): void;
  splice(order: SpliceOrder): void;
  /** Somebody called while we were away; in order, each once. @param relay who kept it */
  onQueued(item: QueueItem, entry: QueueEntry, relay: Endpoint): void;
  /** A relay has left our heartbeats unanswered: whatever it carries for us is dead. */
  onSilent(relay: Endpoint): void;
  /** Reservations, observed addresses or proxy ports changed. */
  onChanged(): void;
}

export type CallResult =
  | { readonly kind: 'go'; readonly introduction: Introduction }
  | { readonly kind: 'refused'; readonly code: Refusal | 'rules' };

export type TestResult =
  | { readonly kind: 'tested'; readonly tested: TestedMessage }
  | { readonly kind: 'refused'; readonly code: Refusal };
