// Decides when the next connection attempt of a session may go out: bounded half-open, bounded rate, a burst at the start.
import type { Clock } from '../base/clock.ts';
import type { Candidate } from '../discovery/candidates.ts';

/** Attempts a second once the burst is used up (libtorrent `connection_speed` 30). */
const DIALS_PER_SEC = 30;
/** A young torrent asks everybody at once (libtorrent `torrent_connect_boost` 30). */
const BURST = 50;
/** More than this many SYNs in the air overruns home routers. */
const MAX_HALF_OPEN = 50;

/** One torrent, as the scheduler sees it. */
export interface Dialable {
  /** @returns a candidate marked as being dialled, or undefined when no peer is wanted or none is ready */
  nextCandidate(nowMs: number): Candidate | undefined;
  /** When `nextCandidate` may have one (monotonic ms); undefined: not before somebody calls `poke`. */
  nextReadyMs(nowMs: number): number | undefined;
  /** Resolves when the attempt has become a connection or failed; never rejects. */
  dial(candidate: Candidate): Promise<void>;
}

export class DialScheduler {
  readonly #clock: Clock;
  readonly #torrents: Dialable[] = [];
  #turn = 0;
  #halfOpen = 0;
  #tokens = BURST;
  #refilledAtMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledAtMs = clock.nowMs();
  }

  add(torrent: Dialable): void {
    this.#torrents.push(torrent);
    this.poke();
  }

  remove(torrent: Dialable): void {
    const at = this.#torrents.indexOf(torrent);
    if (at >= 0) this.#torrents.splice(at, 1);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Something changed: new endpoints, a lost peer. Dials what it may, then sleeps until there is more. */
  poke(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(BURST, this.#tokens + ((nowMs - this.#refilledAtMs) * DIALS_PER_SEC) / 1000);
    this.#refilledAtMs = nowMs;
    let idle = 0;
    while (idle < this.#torrents.length && this.#halfOpen < MAX_HALF_OPEN && this.#tokens >= 1) {
      this.#turn = (this.#turn + 1) % this.#torrents.length;
      const torrent = this.#torrents[this.#turn] as Dialable;
      const candidate = torrent.nextCandidate(nowMs);
      if (candidate === undefined) {
        idle++;
        continue;
      }
      idle = 0;
      this.#tokens--;
      this.#halfOpen++;
      void torrent.dial(candidate).then(() => {
        this.#halfOpen--;
        this.poke();
      });
    }
    this.#sleep(nowMs);
  }

  #sleep(nowMs: number): void {
    if (this.#halfOpen >= MAX_HALF_OPEN) return;
    let wakeMs = Number.POSITIVE_INFINITY;
    for (const torrent of this.#torrents) wakeMs = Math.min(wakeMs, torrent.nextReadyMs(nowMs) ?? wakeMs);
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    const refillMs = this.#tokens >= 1 ? 0 : 1000 / DIALS_PER_SEC;
    this.#timer = setTimeout(() => this.poke(), Math.max(10, refillMs, wakeMs - nowMs));
    this.#timer.unref();
  }
}
