// What a web seed's server has done so far, and what follows: after how many failures, redirects, short answers or missing files it is
// given up or left alone, and for how long. Pure.
import { BLOCK_BYTES } from '../metainfo/layout.ts';

const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 600_000;
/** However little a server wishes to wait. */
const MIN_RETRY_MS = 1_000;
export const MAX_REDIRECTS = 5;
/** Answers shorter than asked, and shorter than a block, one after the other. */
const MAX_SHORT_ANSWERS = 16;
/** When so many files are not there, and none that is, the others are not there either. */
const LOST_FILES_BEFORE_END = 10;

export class ServerRecord {
  readonly #lost = new Set<number>();
  /** In a row. */
  #failures = 0;
  #redirects = 0;
  #shortAnswers = 0;
  /** A remembered redirect was doubted since data came last. */
  #hasDoubted = false;
  #hasServed = false;

  /** Files that cannot be had here, by index. */
  get lostFiles(): ReadonlySet<number> {
    return this.#lost;
  }

  /** Bytes of a file came. */
  handleData(): void {
    this.#hasServed = true;
    this.#redirects = 0;
    this.#hasDoubted = false;
  }

  /** A request was answered with all that it asked for. */
  handleWhole(): void {
    this.#failures = 0;
    this.#shortAnswers = 0;
  }

  /** With less, which is allowed. @returns whether it is one too many */
  handleShort(bytes: number): boolean {
    this.#shortAnswers = bytes < BLOCK_BYTES ? this.#shortAnswers + 1 : 0;
    return bytes === 0 || this.#shortAnswers > MAX_SHORT_ANSWERS;
  }

  /** @returns whether it is one too many; then they are counted anew */
  handleRedirect(): boolean {
    if (++this.#redirects <= MAX_REDIRECTS) return false;
    this.#redirects = 0;
    return true;
  }

  /** @returns whether a remembered redirect may be what is wrong; once, until data comes */
  takeDoubt(): boolean {
    const isFirst = !this.#hasDoubted;
    this.#hasDoubted = true;
    return isFirst;
  }

  markLost(file: number): void {
    this.#lost.add(file);
  }

  /** @param fileCount of the files that have bytes. @returns whether nothing is to be had here */
  isEmpty(fileCount: number): boolean {
    const { size } = this.#lost;
    return size >= fileCount || (!this.#hasServed && size >= LOST_FILES_BEFORE_END);
  }

  /** One more failure. @returns when to try again */
  handleFailure(retryAfterMs: number | undefined, nowMs: number): number {
    const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures++, 10));
    return nowMs + Math.max(retryAfterMs ?? delayMs, MIN_RETRY_MS);
  }
}
