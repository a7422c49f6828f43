// The largest datagram that reaches the peer (as RFC 8899 for UDP). What carries payload for good has a size that is proven;
// larger ones are tried by a packet that is made longer with padding, so that it can be sent again without. That works
// where fragments are dropped, and needs no ICMP.

import { LEAST_PADDING_BYTES } from './packet.ts';

/** UDP payload within what every path carries: 576 bytes of IPv4, 1,280 of IPv6. */
const FLOOR_BYTES = { 4: 576 - 28, 6: 1280 - 48 } as const;
/** Ethernet; beyond it the kernel of the sender would cut into fragments. */
const CEILING_BYTES = { 4: 1500 - 28, 6: 1500 - 48 } as const;
/** Tunnels and DSL take a little from Ethernet's 1,500: the first guess when that fails. */
const GUESS_BYTES = 1400;
/** Close enough to stop; half of it can still be padded. */
const PRECISION_BYTES = 2 * LEAST_PADDING_BYTES;
/** One loss may be chance. */
const TRIES = 3;
/** A route may get better. */
const AGAIN_MS = 10 * 60_000;
/** What a system carries in one piece on loopback: its 65,536 without the headers of IPv6, or a little less of IPv4. */
export const LARGEST_DATAGRAM_BYTES = 65_487;

export class PathMtu {
  #proven: number;
  #ceiling: number;
  /** Smallest that failed; nothing between is tried twice. */
  #failed: number;
  #tries = 0;
  #isInFlight = false;
  #againAtMs = Number.POSITIVE_INFINITY;

  constructor(family: 4 | 6) {
    this.#proven = FLOOR_BYTES[family];
    this.#ceiling = CEILING_BYTES[family];
    this.#failed = this.#ceiling + 1;
  }

  /** UDP payload, header included, that is known to arrive. */
  get provenBytes(): number {
    return this.#proven;
  }

  /** The peer said what it takes, on a path without Ethernet. */
  raiseCeiling(bytes: number): void {
    const ceiling = Math.min(bytes, LARGEST_DATAGRAM_BYTES);
    if (ceiling <= this.#ceiling) return;
    this.#ceiling = ceiling;
    this.#failed = ceiling + 1;
    this.#tries = 0;
  }

  /** @returns the size to try now; 0 for none */
  probeBytes(nowMs: number): number {
    if (this.#isInFlight) return 0;
    if (nowMs >= this.#againAtMs) {
      this.#againAtMs = Number.POSITIVE_INFINITY;
      this.#failed = this.#ceiling + 1;
    }
    return this.#failed - this.#proven < PRECISION_BYTES ? 0 : this.#candidate();
  }

  #candidate(): number {
    if (this.#failed > this.#ceiling) return this.#ceiling;
    const isGuessOpen = this.#proven + LEAST_PADDING_BYTES <= GUESS_BYTES && this.#failed > GUESS_BYTES;
    return isGuessOpen ? GUESS_BYTES : (this.#proven + this.#failed) >> 1;
  }

  handleSent(): void {
    this.#isInFlight = true;
  }

  handleArrived(bytes: number): void {
    this.#isInFlight = false;
    this.#tries = 0;
    this.#proven = Math.max(this.#proven, bytes);
  }

  handleLost(bytes: number, nowMs: number): void {
    if (++this.#tries < TRIES) this.#isInFlight = false;
    else this.handleTooLarge(bytes, nowMs);
  }

  /** It did not leave in one piece: the system knows that the path does not take it. */
  handleTooLarge(bytes: number, nowMs: number): void {
    this.#isInFlight = false;
    this.#tries = 0;
    this.#failed = Math.min(this.#failed, bytes);
    this.#againAtMs = nowMs + AGAIN_MS;
  }
}
