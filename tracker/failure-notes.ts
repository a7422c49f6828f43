// Which failures of a torrent's trackers are worth a line to whoever runs it. Torrents of the wild list hundreds of dead
// trackers, and a seed asks each for months: a few are named, the rest is one line, and none is told twice in a row.
import type { LogLevel } from '../core/base/log.ts';

/** A person can do something about so many. */
const MOST_NAMED = 5;

export class FailureNotes {
  /** By URL: what was said of it last. Bounded as the torrent's trackers are. */
  readonly #said = new Map<string, string>();
  readonly #named = new Set<string>();
  readonly #unnamed = new Set<string>();
  #isSummed = false;

  /** @returns how loudly this is to be told; those that are not named are told at `info` */
  handleFailure(url: string, message: string): LogLevel {
    if (this.#said.get(url) === message) return 'debug';
    this.#said.set(url, message);
    if (this.#named.size < MOST_NAMED && !this.#unnamed.has(url)) this.#named.add(url);
    if (this.#named.has(url)) return 'warn';
    this.#unnamed.add(url);
    return 'info';
  }

  /** It answered: its next failure is news. */
  handleAnswer(url: string): void {
    this.#said.delete(url);
  }

  /** Some are not named, and nobody has been told how many. */
  get owesSum(): boolean {
    return !this.#isSummed && this.#unnamed.size > 0;
  }

  /** The line for all that are not named, once. @param total trackers of the torrent */
  pollSum(total: number): string | undefined {
    if (!this.owesSum) return undefined;
    this.#isSummed = true;
    return `${this.#unnamed.size} more of ${total} trackers have trouble; -v names each`;
  }
}
