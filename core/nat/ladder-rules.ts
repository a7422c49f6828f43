// How many introductions are followed: without these numbers a relay could turn every peer into a flood. Whom a stranger may
// make us dial at all is said in relay/addresses.ts. Pure.
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import { isLoopbackAddress } from '../base/local-address.ts';
import { hostPrefix } from '../relay/addresses.ts';

const WINDOW_MS = 60_000;
/** Introductions followed in a minute: of one relay, towards one address, in all. */
const MAX_PER_RELAY = 10;
const MAX_PER_TARGET = 2;
const MAX_IN_ALL = 30;
/** Attempts to dial or to punch that introductions bring about in a minute: five packets each at the most. */
const MAX_STARTS_PER_TARGET = 2;
/** Signals that a relay takes from one connection in a minute. */
export const MAX_SIGNALS_PER_MINUTE = 30;

/** On loopback a whole swarm shares one address: there each port is a target of its own. */
function targetKey(target: Endpoint): string {
  return isLoopbackAddress(target.host) ? endpointKey(target) : hostPrefix(target.host);
}

/** Times within the last minute, by key; forgets keys on its own. */
class MinuteCounts {
  readonly #times = new Map<string, number[]>();

  count(key: string, nowMs: number): number {
    const times = this.#times.get(key);
    if (times === undefined) return 0;
    while (times.length > 0 && nowMs - (times[0] as number) >= WINDOW_MS) times.shift();
    if (times.length === 0) this.#times.delete(key);
    return times.length;
  }

  add(key: string, nowMs: number): void {
    const times = this.#times.get(key);
    if (times === undefined) this.#times.set(key, [nowMs]);
    else times.push(nowMs);
  }

  get size(): number {
    return this.#times.size;
  }

  sweep(nowMs: number): void {
    for (const key of [...this.#times.keys()]) this.count(key, nowMs);
  }
}

/** Several who introduce the same at the same time, each once: it is dialled once. */
const SAME_MS = 3_000;
const ALL = '';
/** So many keys at once mean that old ones were not looked at for long. */
const SWEEP_AT = 256;

/** How many introductions are followed. */
export class IntroductionBudget {
  readonly #relays = new MinuteCounts();
  readonly #targets = new MinuteCounts();
  readonly #all = new MinuteCounts();
  readonly #starts = new MinuteCounts();
  /** By endpoint: when an introduction to it was counted last, and by whom it was made since. */
  readonly #last = new Map<string, { readonly atMs: number; readonly relays: Set<string> }>();

  /**
   * Whether one to there would be followed now; nothing is counted.
   * @param relay who would make it, where that is known
   */
  hasRoomFor(target: Endpoint, nowMs: number, relay?: string): boolean {
    const last = this.#last.get(endpointKey(target));
    const isSame = last !== undefined && nowMs - last.atMs < SAME_MS;
    if (isSame && (relay === undefined || !last.relays.has(relay))) return true;
    const key = targetKey(target);
    if (this.#starts.count(key, nowMs) >= MAX_STARTS_PER_TARGET) return false;
    const toTarget = this.#targets.count(key, nowMs);
    return this.#all.count(ALL, nowMs) < MAX_IN_ALL && toTarget < MAX_PER_TARGET;
  }

  /** Packets leave for there: introductions that several make at once may ask for more than one way. @returns whether they may; if so it is counted */
  start(target: Endpoint, nowMs: number): boolean {
    const key = targetKey(target);
    if (this.#starts.size > SWEEP_AT) this.#starts.sweep(nowMs);
    if (this.#starts.count(key, nowMs) >= MAX_STARTS_PER_TARGET) return false;
    this.#starts.add(key, nowMs);
    return true;
  }

  /** @returns whether this one may be followed; if so it is counted */
  take(relay: string, target: Endpoint, nowMs: number): boolean {
    const key = targetKey(target);
    const exact = endpointKey(target);
    const last = this.#last.get(exact);
    if (last !== undefined && nowMs - last.atMs < SAME_MS && !last.relays.has(relay)) {
      last.relays.add(relay);
      return true;
    }
    if (this.#relays.size + this.#targets.size + this.#last.size > SWEEP_AT) {
      for (const [each, { atMs }] of this.#last) if (nowMs - atMs >= SAME_MS) this.#last.delete(each);
      this.#relays.sweep(nowMs);
      this.#targets.sweep(nowMs);
    }
    if (this.#all.count(ALL, nowMs) >= MAX_IN_ALL) return false;
    if (this.#relays.count(relay, nowMs) >= MAX_PER_RELAY) return false;
    if (this.#targets.count(key, nowMs) >= MAX_PER_TARGET) return false;
    this.#last.set(exact, { atMs: nowMs, relays: new Set([relay]) });
    this.#all.add(ALL, nowMs);
    this.#relays.add(relay, nowMs);
    this.#targets.add(key, nowMs);
    return true;
  }
}

/** How many signals one neighbour may have passed on. */
export class SignalLimit {
  readonly #times: number[] = [];

  take(nowMs: number): boolean {
    while (this.#times.length > 0 && nowMs - (this.#times[0] as number) >= WINDOW_MS) this.#times.shift();
    if (this.#times.length >= MAX_SIGNALS_PER_MINUTE) return false;
    this.#times.push(nowMs);
    return true;
  }
}
