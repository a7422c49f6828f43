// Calls that wait for their answers. A nonce is good for one call: it is remembered for a while, so that nobody can play back
// what he overheard. Pure.
import { tokenKey } from './frame.ts';
import type { RelayLimits } from './limits.ts';
import type { Refusal } from './messages.ts';
import type { Link, LinkId } from './server-links.ts';

/** The called peer decides at once; the rest is the network. */
const CALL_MS = 5_000;
const MAX_USED = 4096;

export interface Call {
  readonly nonce: Uint8Array;
  readonly caller: LinkId;
  readonly target: LinkId;
}

interface Pending extends Call {
  readonly expiresAtMs: number;
}

export class CallTable {
  readonly #limits: RelayLimits;
  /** In the order they came, which is the order they expire in. */
  readonly #pending = new Map<string, Pending>();
  /** Nonces seen, oldest first. */
  readonly #used = new Set<string>();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** @returns why it is not taken, or undefined */
  add(call: Call, caller: Link, nowMs: number): Refusal | undefined {
    const key = tokenKey(call.nonce);
    if (this.#used.has(key)) return 'late';
    if (caller.pendingCalls >= this.#limits.callsPerLink) return 'quota';
    if (this.#pending.size >= this.#limits.calls) return 'full';
    this.#used.add(key);
    if (this.#used.size > MAX_USED) this.#used.delete(this.#used.values().next().value as string);
    this.#pending.set(key, { ...call, expiresAtMs: nowMs + CALL_MS });
    caller.pendingCalls++;
    return undefined;
  }

  /** The answer of `target` is here. @returns undefined when it was not asked, or is late */
  take(nonce: Uint8Array, target: LinkId, nowMs: number): Call | undefined {
    const key = tokenKey(nonce);
    const call = this.#pending.get(key);
    if (call === undefined || call.target !== target || nowMs >= call.expiresAtMs) return undefined;
    this.#pending.delete(key);
    return call;
  }

  /** @returns those that waited too long */
  expire(nowMs: number): Call[] {
    const late: Call[] = [];
    for (const [key, call] of this.#pending) {
      if (call.expiresAtMs > nowMs) break;
      this.#pending.delete(key);
      late.push(call);
    }
    return late;
  }

  /** @returns the calls that its end has ended */
  dropLink(id: LinkId): Call[] {
    const dropped: Call[] = [];
    for (const [key, call] of this.#pending) {
      if (call.caller !== id && call.target !== id) continue;
      this.#pending.delete(key);
      dropped.push(call);
    }
    return dropped;
  }

  nextTimeoutMs(): number {
    const [first] = this.#pending.values();
    return first?.expiresAtMs ?? Number.POSITIVE_INFINITY;
  }
}
