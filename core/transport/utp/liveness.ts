// Whether the peer is still there, asked by packets that want an answer. Who sends finds out from acks that stay away; who only
// receives would wait for ever: libtorrent gives a connection up without a word when one packet of its own was lost two or three times,
// which at 3 % loss happens in one of seven downloads of 8 MiB. Pure.

/** Something is missing that the peer must send again: by now it should have. */
const GAP_QUIET_MS = 3_000;
/** Payload came, and then nothing: perhaps the peer has no more, perhaps its last packet was the one that it gave up on. */
const QUIET_MS = 5_000;
/** Mappings of home routers live 30 s at least (RFC 4787 asks for 120); libutp sends as often. */
const KEEP_ALIVE_MS = 29_000;
/** After each question so long for the answer; after the last one the peer is gone (15 s: at 10 % loss one in 4,000 is wrong). */
const WAITS_MS = [1_000, 2_000, 4_000, 4_000, 4_000] as const;
const NEVER = Number.POSITIVE_INFINITY;

export class Liveness {
  #heardAtMs = 0;
  #saidAtMs = 0;
  /** Payload came since the last answer. */
  #isFresh = false;
  /**
   * Questions that were answered while the gap stayed: each makes the next one wait twice as long, because libtorrent starts its
   * retransmission timer anew with every packet.
   */
  #patience = 0;
  /** Without an answer. */
  #asked = 0;
  #askedAtMs = 0;

  /** The connection is open. */
  start(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#saidAtMs = nowMs;
  }

  /** A packet of the peer came. @param isProgress with payload that was of use */
  handleHeard(isProgress: boolean, nowMs: number): void {
    this.#heardAtMs = nowMs;
    if (isProgress) {
      this.#isFresh = true;
      this.#patience = 0;
    } else if (this.#asked > 0) {
      this.#isFresh = false;
      this.#patience++;
    }
    this.#asked = 0;
  }

  /** A packet of ours left: routers on the way have seen that the mapping is in use. */
  handleSaid(nowMs: number): void {
    this.#saidAtMs = nowMs;
  }

  /** When to ask, or to give up. @param hasGap something that the peer has sent is missing */
  dueMs(hasGap: boolean): number {
    if (this.#asked > 0) return this.#askedAtMs + (WAITS_MS[this.#asked - 1] as number);
    const keepAliveAtMs = this.#saidAtMs + KEEP_ALIVE_MS;
    const quietMs = hasGap ? GAP_QUIET_MS * 2 ** this.#patience : this.#isFresh ? QUIET_MS : NEVER;
    return Math.min(keepAliveAtMs, this.#heardAtMs + quietMs);
  }

  /** To be called when it is due. @returns false: the peer is gone; true: ask */
  ask(nowMs: number): boolean {
    if (this.#asked === WAITS_MS.length) return false;
    this.#asked++;
    this.#askedAtMs = nowMs;
    return true;
  }
}
