// Who may come in, by address: a source whose connections come to nothing, or end for breaking the protocol, is taken in ever
// more slowly. It never is shut out: honest peers share its address (a ban would hit them), so a few a second get in, in turn.
// What is not taken costs no handshake and no object of a peer. Pure: time comes in.
import { sourceOf } from '../base/endpoint.ts';

/** How bad a connection was that came in. */
export const OFFENCE = 1;
/** It came to nothing: silent, gone at once, for a torrent that is not here. A port check does that, and a crowd behind one NAT. */
export const IN_VAIN = 0.25;

/** So much is nobody's business: peers of a large swarm try, and fail, and come again. */
const FREE_SCORE = 16;
/** What was done half a minute ago counts half. */
const HALF_LIFE_MS = 30_000;
const MAX_SCORE = 64;
/** Connections a second from where it begins to where it ends; halved for every STEP of score. One costs about 0.6 ms. */
const FIRST_PER_SEC = 32;
const LEAST_PER_SEC = 8;
const STEP_SCORE = 8;
const BURST = 4;
/** Accepted by the system and not looked at yet: of one source, of all. With LEAST_PER_SEC nobody waits longer than 2 s. */
const MAX_WAITING_OF_SOURCE = 16;
const MAX_WAITING = 128;
/** Who is refused learns of it so much later, as long as so few linger: whoever dials again when the last attempt ended is slowed. */
const LINGER_MS = 1_000;
const MAX_LINGERING = 128;
/** A source that is forgotten starts anew; one that matters is seen again at once. */
const MAX_SOURCES = 1_024;
const TELL_INTERVAL_MS = 60_000;

/** A connection that the system accepted, before anything was read of it. Exactly one of the two is called, once. */
export interface Visitor {
  admit(): void;
  refuse(): void;
}

interface Source {
  score: number;
  tokens: number;
  atMs: number;
  readonly waiting: Visitor[];
  turnedAway: number;
  toldAtMs: number;
}

export interface DoorEvents {
  /** At most once a minute for each source that is taken in slowly. */
  onSlow(source: string, turnedAway: number): void;
}

export class Door {
  readonly #events: DoorEvents;
  /** The longest unseen first. */
  readonly #sources = new Map<string, Source>();
  #waitingCount = 0;
  readonly #lingering: { readonly visitor: Visitor; readonly untilMs: number }[] = [];

  constructor(events: DoorEvents) {
    this.#events = events;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Admits, refuses, or lets wait. */
  knock(host: string, visitor: Visitor, nowMs: number): void {
    const key = sourceOf(host);
    const source = this.#look(key, nowMs);
    if (source === undefined || source.score < FREE_SCORE || (source.waiting.length === 0 && take(source))) {
      visitor.admit();
      return;
    }
    this.#tell(key, source, nowMs);
    source.waiting.push(visitor);
    this.#waitingCount++;
    // Who came last is served last and refused last: a crowd that was here before pushes nobody out for long.
    if (source.waiting.length > MAX_WAITING_OF_SOURCE || this.#waitingCount > MAX_WAITING)
      this.#turnAway(source, nowMs);
  }

  /** For those that come again by themselves (uTP): now, or not yet. */
  mayEnter(host: string, nowMs: number): boolean {
    const source = this.#look(sourceOf(host), nowMs);
    if (source === undefined || source.score < FREE_SCORE || take(source)) return true;
    source.turnedAway++;
    return false;
  }

  /** A connection that came in from there ended. @param weight OFFENCE, IN_VAIN */
  handleEnd(host: string, weight: number, nowMs: number): void {
    const key = sourceOf(host);
    let source = this.#look(key, nowMs);
    if (source === undefined) {
      source = {
        score: 0,
        tokens: BURST,
        atMs: nowMs,
        waiting: [],
        turnedAway: 0,
        toldAtMs: Number.NEGATIVE_INFINITY,
      };
      if (this.#sources.size >= MAX_SOURCES) this.#forgetOne();
    } else this.#sources.delete(key);
    source.score = Math.min(MAX_SCORE, source.score + weight);
    this.#sources.set(key, source);
  }

  nextTimeoutMs(): number {
    let nextMs = this.#lingering[0]?.untilMs ?? Number.POSITIVE_INFINITY;
    if (this.#waitingCount === 0) return nextMs;
    for (const source of this.#sources.values()) {
      if (source.waiting.length === 0) continue;
      const missing = Math.max(0, 1 - source.tokens);
      nextMs = Math.min(nextMs, source.atMs + (missing / rateOf(source)) * 1_000);
    }
    return nextMs;
  }

  handleTimeout(nowMs: number): void {
    while ((this.#lingering[0]?.untilMs ?? Number.POSITIVE_INFINITY) <= nowMs)
      this.#lingering.shift()?.visitor.refuse();
    if (this.#waitingCount === 0) return;
    for (const [key, source] of [...this.#sources]) {
      if (source.waiting.length === 0) continue;
      this.#look(key, nowMs);
      while (source.waiting.length > 0 && (source.score < FREE_SCORE || take(source))) {
        this.#waitingCount--;
        source.waiting.shift()?.admit();
      }
    }
  }

  close(): void {
    for (const source of this.#sources.values())
      for (const visitor of source.waiting.splice(0)) visitor.refuse();
    for (const { visitor } of this.#lingering.splice(0)) visitor.refuse();
    this.#waitingCount = 0;
    this.#sources.clear();
  }

  /** Brought up to now: what was done fades, tokens come back. */
  #look(key: string, nowMs: number): Source | undefined {
    const source = this.#sources.get(key);
    if (source === undefined) return undefined;
    const elapsedMs = Math.max(0, nowMs - source.atMs);
    source.tokens = Math.min(BURST, source.tokens + (elapsedMs * rateOf(source)) / 1_000);
    source.score *= 2 ** (-elapsedMs / HALF_LIFE_MS);
    source.atMs = nowMs;
    return source;
  }

  #turnAway(source: Source, nowMs: number): void {
    source.turnedAway++;
    this.#waitingCount--;
    const visitor = source.waiting.shift();
    if (visitor !== undefined) this.#lingering.push({ visitor, untilMs: nowMs + LINGER_MS });
    if (this.#lingering.length > MAX_LINGERING) this.#lingering.shift()?.visitor.refuse();
  }

  #tell(key: string, source: Source, nowMs: number): void {
    if (nowMs - source.toldAtMs < TELL_INTERVAL_MS) return;
    source.toldAtMs = nowMs;
    this.#events.onSlow(key, source.turnedAway);
  }

  #forgetOne(): void {
    for (const [key, source] of this.#sources) {
      if (source.waiting.length > 0) continue;
      this.#sources.delete(key);
      return;
    }
  }
}

function rateOf({ score }: Source): number {
  return Math.max(LEAST_PER_SEC, FIRST_PER_SEC * 2 ** ((FREE_SCORE - score) / STEP_SCORE));
}

function take(source: Source): boolean {
  if (source.tokens < 1) return false;
  source.tokens--;
  return true;
}
