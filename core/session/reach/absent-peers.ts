// Peers that we want and that are away: known by their keys, unreachable by every way, and no relay holds a place for them. A call is
// left in their queues (docs/relay.md), again at half of its life while we are still interested; they call us when they are back.
import { toHex } from '../../base/bytes.ts';
import { randomBytes } from '../../base/clock.ts';
import { NONCE_BYTES } from '../../relay/messages.ts';
import { SAFE_ACKS } from '../../relay/queue-counts.ts';
import { MAX_ITEM_TTL_SECONDS } from '../../relay/queue-item.ts';
import type { SessionShared } from '../shared.ts';

const REPEAT_MS = (MAX_ITEM_TTL_SECONDS * 1000) / 2;
/** Fewer relays than make it safe have it: others may be there soon. */
const RETRY_MS = 60_000;
const MAX_ABSENT = 64;

interface Absent {
  readonly key: Uint8Array;
  /** The same for every repetition: whoever has heard it once does not hear it again. */
  readonly nonce: Uint8Array;
  nextPushMs: number;
}

export class AbsentPeers {
  readonly #shared: SessionShared;
  readonly #infoHash: Uint8Array;
  readonly #absent = new Map<string, Absent>();

  constructor(shared: SessionShared, infoHash: Uint8Array) {
    this.#shared = shared;
    this.#infoHash = infoHash;
  }

  /** Every way to it has failed, and nobody has answered in its name. */
  add(key: Uint8Array, nowMs: number): void {
    const name = toHex(key);
    if (this.#absent.has(name)) return;
    if (this.#absent.size >= MAX_ABSENT) this.#absent.delete(this.#absent.keys().next().value as string);
    const nonce = randomBytes(this.#shared.rng, NONCE_BYTES);
    this.#absent.set(name, { key, nonce, nextPushMs: nowMs });
    this.tick(nowMs);
  }

  /** It is here again, one way or another. */
  remove(key: Uint8Array | undefined): void {
    if (key !== undefined) this.#absent.delete(toHex(key));
  }

  /** We have what we wanted, or stopped. */
  clear(): void {
    this.#absent.clear();
  }

  tick(nowMs: number): void {
    const { relays } = this.#shared.nat;
    if (relays === undefined) return;
    for (const absent of this.#absent.values()) {
      if (nowMs < absent.nextPushMs) continue;
      absent.nextPushMs = nowMs + RETRY_MS;
      relays.push(absent.key, this.#infoHash, absent.nonce, ({ acks, isOnline, refusals }) => {
        // `late`: it has taken that call already. It knows of us, and may call for itself.
        const isHeard = refusals.includes('late');
        if (acks >= SAFE_ACKS || isHeard) absent.nextPushMs = this.#shared.clock.nowMs() + REPEAT_MS;
        this.#shared.log('debug', 'left a call for a peer that is away', { acks, isOnline, refusals });
      });
    }
  }
}
