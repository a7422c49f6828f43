// The books of a session's torrents: when they are looked at, and how they share the processor time of the process.
import { shareOut } from '../account/share-out.ts';
import type { Clock } from '../base/clock.ts';
import type { TorrentAccount } from './torrent-account.ts';

/** A look costs some ten microseconds; what is shorter than the pause between two can go to the wrong cause. */
const MOST_PAUSE_MS = 100;
/** A download over in half a second shall be told as well: a look after each twentieth of the time so far. */
const LEAST_PAUSE_MS = 10;
const PAUSE_SHARE = 0.05;
const KIB = 1024;

export class Accounts {
  readonly #clock: Clock;
  readonly #accounts = new Set<TorrentAccount>();
  #used = process.cpuUsage();
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Every torrent takes part, downloads and seeds: who moves data uses the processor. */
  add(account: TorrentAccount): void {
    if (this.#accounts.size === 0) this.#used = process.cpuUsage();
    this.#accounts.add(account);
  }

  remove(account: TorrentAccount): void {
    this.#accounts.delete(account);
    if (this.#accounts.size === 0) clearTimeout(this.#timer);
  }

  /** One of them has begun to count: it is looked at now and then while it does. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#sleep();
  }

  /** What the process used since the last call goes to those who moved data meanwhile; to all that are open if nobody did. */
  measure(): void {
    const nowMs = this.#clock.nowMs();
    // A thousand torrents that begin together are not measured a thousand times; what is left goes with the next.
    if (nowMs - this.#measuredAtMs < LEAST_PAUSE_MS) return;
    this.#measuredAtMs = nowMs;
    const used = process.cpuUsage();
    const user = used.user - this.#used.user;
    const system = used.system - this.#used.system;
    this.#used = used;
    const accounts = [...this.#accounts];
    const moved = accounts.map((account) => account.takeMovedBytes());
    const weights = moved.some((bytes) => bytes > 0) ? moved : accounts.map(({ isOpen }) => (isOpen ? 1 : 0));
    const users = shareOut(user / 1000, weights);
    const systems = shareOut(system / 1000, weights);
    for (const [i, account] of accounts.entries()) {
      account.addProcessor(users[i] as number, systems[i] as number);
    }
  }

  /** Resident, of the whole process, since its start. */
  peakMemoryBytes(): number {
    return process.resourceUsage().maxRSS * KIB;
  }

  #sleep(): void {
    let pauseMs = MOST_PAUSE_MS;
    let isAnyOpen = false;
    for (const { isOpen, openMs } of this.#accounts) {
      if (!isOpen) continue;
      isAnyOpen = true;
      pauseMs = Math.min(pauseMs, Math.max(LEAST_PAUSE_MS, openMs * PAUSE_SHARE));
    }
    if (!isAnyOpen) return;
    this.#timer = setTimeout(() => {
      const nowMs = this.#clock.nowMs();
      this.measure();
      for (const account of this.#accounts) account.sample(nowMs);
      this.#sleep();
    }, pauseMs);
    this.#timer.unref();
  }
}
