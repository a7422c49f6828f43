// Queues as a peer uses them: calls for somebody who is away go to the relays nearest to his key, and ours are taken from all of
// the relays that we keep, each acted on once, in order of time, and popped everywhere. Pure.
import { toHex } from '../base/bytes.ts';
import { type Rng, randomBytes } from '../base/clock.ts';
import type { ClientLink } from './client-links.ts';
import type { RelayClientOptions, RelayClientPort } from './client-port.ts';
import { tokenKey } from './frame.ts';
import { type ItemsMessage, NONCE_BYTES, type Refusal, type ToRelay } from './messages.ts';
import { QueueTally } from './queue-counts.ts';
import { decodeItem, encodeItem, MAX_ITEM_TTL_SECONDS } from './queue-item.ts';
import { type HeldItem, mergeQueues } from './queue-merge.ts';
import { REPLICAS } from './relay-pool.ts';

/** How often relays are asked for what waits there. */
const PEEK_MS = 60_000;
/** Peeks of all relays are waited for so long, so that what comes is in order. */
const GATHER_MS = 1_500;
const PUSH_TIMEOUT_MS = 5_000;
const MAX_SEEN = 1024;
/** Of one relay at a time: as many as it may hold for one owner, with room for those that come in between. */
const MAX_GATHERED = 64;
/** Push and peek share the numbers of requests with the reservations of the same link: theirs count from here. */
const FIRST_REQUEST = 0x4000_0000;
const LAST_REQUEST = 0x7fff_ffff;

export interface PushResult {
  /** Relays that keep it; two make it safe. */
  readonly acks: number;
  /** A relay is connected with the target right now. */
  readonly isOnline: boolean;
  readonly refusals: readonly Refusal[];
}

interface Push {
  readonly requests: Set<string>;
  readonly refusals: Refusal[];
  acks: number;
  isOnline: boolean;
  readonly endsAtMs: number;
  readonly onResult: (result: PushResult) => void;
}

export class ClientQueue {
  readonly #options: RelayClientOptions;
  readonly #port: RelayClientPort;
  readonly #send: (link: ClientLink, message: ToRelay) => void;
  readonly #rng: Rng;
  readonly counts = new QueueTally();
  #lastRequest = FIRST_REQUEST;
  readonly #pushes = new Set<Push>();
  /** Nonces acted on. */
  readonly #seen = new Set<string>();
  /** What each relay holds, in its order. */
  readonly #gathered = new Map<ClientLink, HeldItem[]>();
  readonly #peeks = new Map<string, ClientLink>();
  readonly #due = new Map<ClientLink, number>();
  /** Links with more than one message of items: asked again when the first are popped. */
  readonly #more = new Set<ClientLink>();
  #gatherAtMs = Number.POSITIVE_INFINITY;

  constructor(
    options: RelayClientOptions,
    port: RelayClientPort,
    send: (link: ClientLink, message: ToRelay) => void,
  ) {
    this.#options = options;
    this.#port = port;
    this.#send = send;
    this.#rng = options.rng;
  }

  // --- for others

  /** @param links to the relays nearest to the target's queue key */
  push(
    links: readonly ClientLink[],
    target: Uint8Array,
    infoHash: Uint8Array,
    onResult: (result: PushResult) => void,
    nowMs: number,
    nonce = randomBytes(this.#rng, NONCE_BYTES),
  ): Uint8Array {
    const timeMs = Math.round(this.#options.wallMs(nowMs));
    const facts = this.#options.facts();
    const ttlSeconds = MAX_ITEM_TTL_SECONDS;
    const item = encodeItem({ target, infoHash, nonce, facts, timeMs, ttlSeconds }, this.#options.identity);
    const push: Push = {
      requests: new Set(),
      refusals: [],
      acks: 0,
      isOnline: false,
      endsAtMs: nowMs + PUSH_TIMEOUT_MS,
      onResult,
    };
    for (const link of links) {
      const request = this.#request();
      push.requests.add(requestKey(link, request));
      this.#send(link, { type: 'push', request, key: target, item });
    }
    this.#pushes.add(push);
    if (push.requests.size === 0) this.#end(push);
    return nonce;
  }

  handlePushed(link: ClientLink, request: number, isOnline: boolean): void {
    this.#settle(link, request, (push) => {
      push.acks++;
      push.isOnline ||= isOnline;
    });
  }

  /** @returns false when it is about something else */
  handleRefuse(link: ClientLink, request: number, code: Refusal): boolean {
    const key = requestKey(link, request);
    if (this.#peeks.delete(key)) return true;
    return this.#settle(link, request, (push) => push.refusals.push(code));
  }

  #settle(link: ClientLink, request: number, change: (push: Push) => void): boolean {
    const key = requestKey(link, request);
    for (const push of this.#pushes) {
      if (!push.requests.delete(key)) continue;
      change(push);
      if (push.requests.size === 0) this.#end(push);
      return true;
    }
    return false;
  }

  #end(push: Push): void {
    this.#pushes.delete(push);
    this.counts.handlePush(push.acks);
    push.onResult({ acks: push.acks, isOnline: push.isOnline, refusals: push.refusals });
  }

  // --- for us

  /** A reservation stands, or the network changed: what waited there? */
  peek(link: ClientLink, nowMs: number): void {
    this.#due.set(link, nowMs + PEEK_MS);
    // A peek that was never answered is not waited for any more.
    for (const [key, other] of this.#peeks) if (other === link) this.#peeks.delete(key);
    const request = this.#request();
    this.#peeks.set(requestKey(link, request), link);
    this.#send(link, { type: 'peek', request });
    this.#gatherAtMs = Math.min(this.#gatherAtMs, nowMs + GATHER_MS);
  }

  handleItems(link: ClientLink, message: ItemsMessage, nowMs: number): void {
    const own = toHex(this.#options.identity.publicKey);
    const isAsked = this.#peeks.delete(requestKey(link, message.request));
    if (!isAsked && message.request !== 0) return;
    const again: Uint8Array[] = [];
    const held = this.#gathered.get(link) ?? [];
    for (const entry of message.entries) {
      const decoded = decodeItem(entry.item);
      if (!decoded.ok || toHex(decoded.value.target) !== own) continue;
      const name = tokenKey(decoded.value.nonce);
      if (this.#seen.has(name)) again.push(decoded.value.nonce);
      else if (held.length < MAX_GATHERED && !held.some((each) => each.name === name))
        held.push({ name, item: decoded.value, entry, relay: link.relay });
    }
    if (held.length > 0) this.#gathered.set(link, held);
    this.counts.repeats += again.length;
    // Acted on already: this relay had not heard of it.
    if (again.length > 0) this.#send(link, { type: 'pop', request: this.#request(), nonces: again });
    if (message.hasMore) this.#more.add(link);
    // While peeks are under way what comes by itself joins them, or it would overtake what waited longer. And the first relay that
    // is back waits a moment for the others: it may have missed a call that they hold.
    const isGathering = this.#peeks.size > 0 || (isAsked && this.#due.size < REPLICAS);
    if (!isGathering) this.#act(nowMs);
    else this.#gatherAtMs = Math.min(this.#gatherAtMs, nowMs + GATHER_MS);
  }

  /** Everything that was gathered, in order; then it is popped wherever it may lie. */
  #act(nowMs: number): void {
    this.#gatherAtMs = Number.POSITIVE_INFINITY;
    const wallMs = this.#options.wallMs(nowMs);
    const lists = [...this.#gathered.values()];
    const waiting = mergeQueues(lists, wallMs);
    this.#gathered.clear();
    for (const link of this.#more) if (this.#due.has(link)) this.#due.set(link, nowMs);
    this.#more.clear();
    if (waiting.length === 0) return;
    this.counts.repeats += lists.reduce((sum, { length }) => sum + length, 0) - waiting.length;
    const nonces: Uint8Array[] = [];
    for (const { name, item, entry, relay } of waiting) {
      this.#seen.add(name);
      if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value as string);
      nonces.push(item.nonce);
      this.counts.handleTaken(wallMs - item.timeMs);
      this.#port.onQueued(item, entry, relay);
    }
    for (const link of this.#due.keys())
      for (let at = 0; at < nonces.length; at += NONCES_A_MESSAGE)
        this.#send(link, { type: 'gone', nonces: nonces.slice(at, at + NONCES_A_MESSAGE) });
  }

  // --- time

  handleLinkEnd(link: ClientLink): void {
    this.#due.delete(link);
    this.#more.delete(link);
    for (const [key, other] of this.#peeks) if (other === link) this.#peeks.delete(key);
    for (const push of [...this.#pushes]) {
      for (const key of push.requests) if (key.startsWith(`${link.id} `)) push.requests.delete(key);
      if (push.requests.size === 0) this.#end(push);
    }
  }

  nextTimeoutMs(): number {
    let next = this.#gatherAtMs;
    for (const dueMs of this.#due.values()) next = Math.min(next, dueMs);
    for (const { endsAtMs } of this.#pushes) next = Math.min(next, endsAtMs);
    return next;
  }

  handleTimeout(nowMs: number): void {
    for (const push of [...this.#pushes]) if (push.endsAtMs <= nowMs) this.#end(push);
    if (nowMs >= this.#gatherAtMs) this.#act(nowMs);
    for (const [link, dueMs] of this.#due) if (dueMs <= nowMs) this.peek(link, nowMs);
  }

  uses(link: ClientLink): boolean {
    for (const { requests } of this.#pushes)
      for (const key of requests) if (key.startsWith(`${link.id} `)) return true;
    return false;
  }

  #request(): number {
    this.#lastRequest = this.#lastRequest >= LAST_REQUEST ? FIRST_REQUEST : this.#lastRequest + 1;
    return this.#lastRequest;
  }
}

const NONCES_A_MESSAGE = 32;

function requestKey(link: ClientLink, request: number): string {
  return `${link.id} ${request}`;
}
