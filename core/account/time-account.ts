// Adds up time by cause. Invariant: the causes sum up to the wall time exactly, because both are whole milliseconds of
// the same clock readings and every one goes to one cause.
import { noTime, type TimeByCause, type TimeCause } from './causes.ts';

export class TimeAccount {
  readonly #time = noTime();
  /** Whole milliseconds; undefined while the account is closed. */
  #chargedUntilMs: number | undefined;
  #wallMs = 0;
  #openedAtMs = 0;

  get isOpen(): boolean {
    return this.#chargedUntilMs !== undefined;
  }

  /** From the first `open` to the last charge, without the time it was closed. */
  get wallMs(): number {
    return this.#wallMs + (this.#chargedUntilMs ?? this.#openedAtMs) - this.#openedAtMs;
  }

  get time(): TimeByCause {
    return this.#time;
  }

  /** Time counts from here on. Idempotent. */
  open(nowMs: number): void {
    if (this.#chargedUntilMs !== undefined) return;
    this.#openedAtMs = Math.floor(nowMs);
    this.#chargedUntilMs = this.#openedAtMs;
  }

  /** What has passed since the last charge went to `cause`. A closed account stays as it is. */
  charge(cause: TimeCause, nowMs: number): void {
    if (this.#chargedUntilMs === undefined) return;
    const untilMs = Math.max(this.#chargedUntilMs, Math.floor(nowMs));
    this.#time[cause] += untilMs - this.#chargedUntilMs;
    this.#chargedUntilMs = untilMs;
  }

  /** After a last charge. Time does not count until the next `open`. */
  close(): void {
    this.#wallMs = this.wallMs;
    this.#chargedUntilMs = undefined;
    this.#openedAtMs = 0;
  }
}
