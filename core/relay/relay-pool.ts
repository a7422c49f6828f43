// The relays a peer has heard of, and which of them it keeps: those nearest to a queue key, each in another network of another
// operator. Sender and target of a queue choose alike, since a relay's place follows from its address. Pure.
import type { Rng } from '../base/clock.ts';
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import { operatorPrefix } from './addresses.ts';
import { compareDistance, relayIdOf, SHARD_COUNT, shardOf } from './keys.ts';

/** K: replicas of a queue, and relays that are kept. */
export const REPLICAS = 3;
/** While one of the chosen was found only lately, others may not know it yet: one more is used. */
const YOUNG_MS = 30 * 60_000;
const MAX_KNOWN = 512;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** Failed introductions within this time that end the trust in a relay. */
const INTRODUCTION_WINDOW_MS = 10 * 60_000;
const MAX_FAILED_INTRODUCTIONS = 5;
const DISTRUST_MS = 60 * 60_000;
/** Not heard of in any lookup for this long, and not connected: it has gone. */
const STALE_MS = 60 * 60_000;

export interface KnownRelay {
  readonly endpoint: Endpoint;
  readonly id: Uint8Array;
  /** Named by the user: kept whatever the others are. */
  readonly isGiven: boolean;
  readonly firstSeenMs: number;
  lastSeenMs: number;
  retryMs: number;
  nextTryMs: number;
  distrustedUntilMs: number;
  /** Times of introductions through it that led nowhere. */
  failures: number[];
}

export class RelayPool {
  readonly #rng: Rng;
  readonly #relays = new Map<string, KnownRelay>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  get size(): number {
    return this.#relays.size;
  }
  get(endpoint: Endpoint): KnownRelay | undefined {
    return this.#relays.get(endpointKey(endpoint));
  }
  values(): Iterable<KnownRelay> {
    return this.#relays.values();
  }

  /** @returns undefined for what is no address, or when there is no room */
  add(endpoint: Endpoint, nowMs: number, isGiven = false): KnownRelay | undefined {
    const key = endpointKey(endpoint);
    const known = this.#relays.get(key);
    if (known !== undefined) {
      known.lastSeenMs = nowMs;
      return known;
    }
    const id = relayIdOf(endpoint.host);
    if (id === undefined || endpoint.port === 0) return undefined;
    if (this.#relays.size >= MAX_KNOWN) this.#prune(nowMs);
    if (this.#relays.size >= MAX_KNOWN) return undefined;
    const relay: KnownRelay = {
      endpoint,
      id,
      isGiven,
      firstSeenMs: nowMs,
      lastSeenMs: nowMs,
      retryMs: FIRST_RETRY_MS,
      nextTryMs: nowMs,
      distrustedUntilMs: 0,
      failures: [],
    };
    this.#relays.set(key, relay);
    return relay;
  }

  /**
   * The relays for a queue key, nearest first: of its shard, then of the next ones as long as there are fewer than three.
   * @param isExact without the additional one for young relays
   */
  nearest(queueKey: Uint8Array, nowMs: number, isExact = false): KnownRelay[] {
    const own = shardOf(queueKey);
    const steps = ({ id }: KnownRelay): number => (shardOf(id) - own + SHARD_COUNT) % SHARD_COUNT;
    const usable = [...this.#relays.values()].filter(({ distrustedUntilMs }) => distrustedUntilMs <= nowMs);
    usable.sort((a, b) => {
      if (a.isGiven !== b.isGiven) return a.isGiven ? -1 : 1;
      return steps(a) - steps(b) || compareDistance(queueKey, a.id, b.id);
    });
    const chosen: KnownRelay[] = [];
    const operators = new Set<string>();
    for (const relay of usable) {
      const operator = operatorPrefix(relay.endpoint.host);
      // On a loopback or in a private network one operator is all there is; what the user names is his choice.
      if (operators.has(operator) && !relay.isGiven) continue;
      operators.add(operator);
      chosen.push(relay);
      const isYoung = chosen.slice(0, REPLICAS).some((each) => nowMs - each.firstSeenMs < YOUNG_MS);
      if (chosen.length >= (isYoung && !isExact ? REPLICAS + 1 : REPLICAS)) break;
    }
    return chosen;
  }

  /** Those that the user named. */
  given(nowMs: number): KnownRelay[] {
    return [...this.#relays.values()].filter(
      ({ isGiven, distrustedUntilMs }) => isGiven && distrustedUntilMs <= nowMs,
    );
  }

  /** A reservation stands. */
  handleReserved(relay: KnownRelay, nowMs: number): void {
    relay.retryMs = FIRST_RETRY_MS;
    relay.nextTryMs = nowMs;
    relay.lastSeenMs = nowMs;
  }

  /**
   * No connection, a refusal, or the end of a connection: later again, and not all at the same moment.
   * @param isSilent the connection gave no sign: the way to the relay died more likely than the relay, and another is tried at once
   */
  handleLost(relay: KnownRelay, nowMs: number, isSilent = false): void {
    relay.nextTryMs = isSilent ? nowMs : nowMs + relay.retryMs * (0.5 + this.#rng.next());
    relay.retryMs = Math.min(MAX_RETRY_MS, relay.retryMs * 2);
  }

  /** What failed before says nothing about now. */
  handleNetworkChange(nowMs: number): void {
    for (const relay of this.#relays.values()) {
      relay.retryMs = FIRST_RETRY_MS;
      relay.nextTryMs = Math.min(relay.nextTryMs, nowMs);
    }
  }

  /** How an introduction through it ended. @returns true when it is not trusted any more: drop the connection */
  handleIntroduction(relay: KnownRelay, worked: boolean, nowMs: number): boolean {
    // One that worked shows what the others failed by: the NATs. And whom the user named is kept: it may be the only one.
    if (worked || relay.isGiven) {
      relay.failures = [];
      return false;
    }
    relay.failures = relay.failures.filter((atMs) => nowMs - atMs < INTRODUCTION_WINDOW_MS);
    relay.failures.push(nowMs);
    if (relay.failures.length < MAX_FAILED_INTRODUCTIONS) return false;
    relay.failures = [];
    relay.distrustedUntilMs = nowMs + DISTRUST_MS;
    return true;
  }

  #prune(nowMs: number): void {
    for (const [key, relay] of this.#relays)
      if (!relay.isGiven && nowMs - relay.lastSeenMs > STALE_MS) this.#relays.delete(key);
    if (this.#relays.size < MAX_KNOWN) return;
    const oldest = [...this.#relays].filter(([, { isGiven }]) => !isGiven);
    oldest.sort(([, a], [, b]) => a.lastSeenMs - b.lastSeenMs);
    for (const [key] of oldest.slice(0, MAX_KNOWN / 4)) this.#relays.delete(key);
  }
}
