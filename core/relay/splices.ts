// Tickets and the splices they become, as numbers: who may have one, what has passed, when it must end. The bytes themselves are
// the shell's. A ticket is random, good once and for ten seconds; both ends of a splice come in from outside, always. Pure.
import { type Rng, randomBytes } from '../base/clock.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { hostPrefix, networkPrefix } from './addresses.ts';
import { TOKEN_BYTES, tokenKey } from './frame.ts';
import { PrefixCounts, type RelayLimits } from './limits.ts';

const TICKET_MS = 10_000;
/** An unmodified client that waits longer has given up or should. */
const PROXY_TICKET_MS = 5_000;
/** Longest stretch of unused rate that is saved up. */
const BURST_MS = 100;

/** 0: what the first party sends; 1: what the second does. */
export type Direction = 0 | 1;
/** Why a splice ended. */
export type SpliceEnd = 'closed' | 'bytes' | 'time' | 'expired';

/** A stream that was handed in by the shell, by a number of its own. */
export type StreamId = number;

export interface Party {
  /** Control connection to tell how it went; undefined for an unmodified client. */
  readonly link: number | undefined;
  readonly host: string;
}

export interface Splice {
  readonly id: number;
  /** Which of the parties asked for it. */
  readonly caller: Direction;
  readonly parties: readonly [Party, Party];
  readonly nonce: Uint8Array | undefined;
  readonly tickets: readonly (Uint8Array | undefined)[];
  readonly streams: [StreamId | undefined, StreamId | undefined];
  readonly bytes: [number, number];
  readonly from: Endpoint | undefined;
  /** When the second end came; undefined before. */
  startedAtMs: number | undefined;
  /** Of the ticket, then of the splice. */
  endsAtMs: number;
}

class Rate {
  #perSec: number;
  #tokens: number;
  #atMs = 0;

  constructor(perSec: number) {
    this.#perSec = perSec;
    this.#tokens = this.#burst;
  }
  get #burst(): number {
    return (this.#perSec * BURST_MS) / 1000;
  }
  set perSec(bytes: number) {
    this.#perSec = bytes;
  }
  spend(bytes: number, nowMs: number): void {
    if (this.#perSec === 0) return;
    this.#refill(nowMs);
    this.#tokens -= bytes;
  }
  openAtMs(nowMs: number): number {
    if (this.#perSec === 0) return nowMs;
    this.#refill(nowMs);
    return this.#tokens > 0 ? nowMs : nowMs + Math.ceil(((1 - this.#tokens) / this.#perSec) * 1000);
  }
  #refill(nowMs: number): void {
    const earned = ((nowMs - this.#atMs) * this.#perSec) / 1000;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#atMs = nowMs;
  }
}

export class SpliceTable {
  readonly #limits: RelayLimits;
  readonly #rng: Rng;
  readonly #splices = new Map<number, Splice>();
  readonly #rates = new Map<number, readonly [Rate, Rate]>();
  readonly #byTicket = new Map<string, { readonly splice: Splice; readonly side: Direction }>();
  readonly #callers = new PrefixCounts();
  readonly #targets = new PrefixCounts();
  readonly #pairs = new PrefixCounts();
  readonly #total: Rate;
  #lastId = 0;

  constructor(limits: RelayLimits, rng: Rng) {
    this.#limits = limits;
    this.#rng = rng;
    this.#total = new Rate(limits.totalBytesPerSec);
  }

  /** Of all splices together, both directions, from now on; 0 for no limit. */
  setTotal(bytesPerSec: number): void {
    this.#total.perSec = bytesPerSec;
  }

  /** Open ones and those whose tickets are out. */
  get size(): number {
    return this.#splices.size;
  }
  get openCount(): number {
    let count = 0;
    for (const { startedAtMs } of this.#splices.values()) if (startedAtMs !== undefined) count++;
    return count;
  }
  values(): Iterable<Splice> {
    return this.#splices.values();
  }
  get(id: number): Splice | undefined {
    return this.#splices.get(id);
  }

  /** @returns a splice with tickets for those parties who have a control connection, or why there is none */
  create(
    parties: readonly [Party, Party],
    options: { nonce?: Uint8Array; from?: Endpoint; waiting?: StreamId },
    nowMs: number,
  ): Splice | 'full' | 'quota' {
    const { splices, splicesPerPair, splicesPerNetwork, splice: each } = this.#limits;
    if (this.#splices.size >= splices) return 'full';
    if (this.#pairs.of(pairKey(parties)) >= splicesPerPair) return 'quota';
    const isProxy = options.waiting !== undefined;
    const caller = isProxy ? 1 : 0;
    const [callerNetwork, targetNetwork] = networksOf(parties, caller);
    // One seed serves several callers; but no network gets everything.
    const perTarget = Math.max(splicesPerNetwork, Math.ceil(splices / 2));
    if (this.#callers.of(callerNetwork) >= splicesPerNetwork || this.#targets.of(targetNetwork) >= perTarget)
      return 'quota';
    const splice: Splice = {
      caller,
      id: ++this.#lastId,
      parties,
      nonce: options.nonce,
      tickets: parties.map(({ link }) =>
        link === undefined ? undefined : randomBytes(this.#rng, TOKEN_BYTES),
      ),
      streams: [undefined, options.waiting],
      bytes: [0, 0],
      from: options.from,
      startedAtMs: undefined,
      endsAtMs: nowMs + (isProxy ? PROXY_TICKET_MS : TICKET_MS),
    };
    this.#splices.set(splice.id, splice);
    this.#rates.set(splice.id, [new Rate(each.bytesPerSec), new Rate(each.bytesPerSec)]);
    for (const [side, ticket] of splice.tickets.entries())
      if (ticket !== undefined) this.#byTicket.set(tokenKey(ticket), { splice, side: side as Direction });
    this.#callers.add(callerNetwork);
    this.#targets.add(targetNetwork);
    this.#pairs.add(pairKey(parties));
    return splice;
  }

  /**
   * A connection came in with a ticket.
   * @returns the splice, which has started when its other end is here; undefined for a ticket that is unknown, used or late
   */
  redeem(ticket: Uint8Array, stream: StreamId, nowMs: number): Splice | undefined {
    const found = this.#byTicket.get(tokenKey(ticket));
    if (found === undefined || nowMs >= found.splice.endsAtMs) return undefined;
    this.#byTicket.delete(tokenKey(ticket));
    const { splice, side } = found;
    splice.streams[side] = stream;
    if (splice.streams[0] !== undefined && splice.streams[1] !== undefined) {
      splice.startedAtMs = nowMs;
      splice.endsAtMs = nowMs + this.#limits.splice.seconds * 1000;
    }
    return splice;
  }

  /** How many of `bytes` may still be passed on; fewer than asked for means that the splice is at its end. */
  pass(splice: Splice, direction: Direction, bytes: number, nowMs: number): number {
    const passed = Math.min(bytes, this.#limits.splice.bytes - splice.bytes[direction]);
    splice.bytes[direction] += passed;
    this.#rates.get(splice.id)?.[direction].spend(passed, nowMs);
    this.#total.spend(passed, nowMs);
    return passed;
  }

  isUsedUp(splice: Splice, direction: Direction): boolean {
    return splice.bytes[direction] >= this.#limits.splice.bytes;
  }

  /** When that direction may go on; `nowMs` for at once. */
  openAtMs(splice: Splice, direction: Direction, nowMs: number): number {
    const own = this.#rates.get(splice.id)?.[direction].openAtMs(nowMs) ?? nowMs;
    return Math.max(own, this.#total.openAtMs(nowMs));
  }

  /** @returns false when it had ended already */
  remove(splice: Splice): boolean {
    if (!this.#splices.delete(splice.id)) return false;
    this.#rates.delete(splice.id);
    for (const ticket of splice.tickets) if (ticket !== undefined) this.#byTicket.delete(tokenKey(ticket));
    const [callerNetwork, targetNetwork] = networksOf(splice.parties, splice.caller);
    this.#callers.remove(callerNetwork);
    this.#targets.remove(targetNetwork);
    this.#pairs.remove(pairKey(splice.parties));
    return true;
  }

  nextTimeoutMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { endsAtMs } of this.#splices.values()) next = Math.min(next, endsAtMs);
    return next;
  }
}

function pairKey([a, b]: readonly [Party, Party]): string {
  return [hostPrefix(a.host), hostPrefix(b.host)].sort().join(' ');
}

function networksOf(parties: readonly [Party, Party], caller: Direction): [caller: string, target: string] {
  const networks = parties.map(({ host }) => networkPrefix(host)) as [string, string];
  return caller === 0 ? networks : [networks[1], networks[0]];
}
