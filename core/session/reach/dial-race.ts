// Two ways to one endpoint, one after the other and then side by side: the first a head start, the second when that has passed or
// the first has failed. One stream comes out; the other attempt is given up.
import type { ByteStream } from '../../transport/byte-stream.ts';

/** Engine design: TCP costs less, so that it goes first, but nobody waits long for a peer that only speaks uTP. */
export const HEAD_START_MS = 250;
/** uTP was quicker while TCP was on its way: so long it may still come. */
const GRACE_MS = 100;

export type Attempt = (signal: AbortSignal) => Promise<ByteStream>;

export interface Race {
  readonly first: Attempt;
  readonly second: Attempt;
  /** Of the two, the one to keep when both work. */
  readonly preferred: 'first' | 'second';
  readonly signal: AbortSignal;
}

/** @throws the error of the first attempt, when both failed */
export function raceDials(race: Race): Promise<ByteStream> {
  return new Promise((resolve, reject) => new Runner(race, resolve, reject).start());
}

class Runner {
  readonly #race: Race;
  readonly #resolve: (stream: ByteStream) => void;
  readonly #reject: (error: unknown) => void;
  readonly #given = { first: new AbortController(), second: new AbortController() };
  readonly #pending = new Set<'first' | 'second'>();
  #timer: NodeJS.Timeout | undefined;
  #held: ByteStream | undefined;
  #error: unknown;
  #isSettled = false;

  constructor(race: Race, resolve: (stream: ByteStream) => void, reject: (error: unknown) => void) {
    this.#race = race;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    this.#race.signal.addEventListener('abort', this.#giveUp);
    this.#run('first');
    this.#timer = setTimeout(() => this.#run('second'), HEAD_START_MS);
  }

  readonly #giveUp = (): void => {
    this.#given.first.abort();
    this.#given.second.abort();
    // With no second attempt under way there is nobody to say so but us.
    if (!this.#hasRun('second')) this.#run('second');
  };

  readonly #started = new Set<'first' | 'second'>();

  #hasRun(which: 'first' | 'second'): boolean {
    return this.#started.has(which);
  }

  #run(which: 'first' | 'second'): void {
    if (this.#hasRun(which) || this.#isSettled) return;
    this.#started.add(which);
    this.#pending.add(which);
    this.#race[which](this.#given[which].signal).then(
      (stream) => this.#handleStream(which, stream),
      (error: unknown) => this.#handleError(which, error),
    );
  }

  #handleStream(which: 'first' | 'second', stream: ByteStream): void {
    this.#pending.delete(which);
    if (this.#isSettled) {
      stream.destroy();
      return;
    }
    if (which === this.#race.preferred || this.#pending.size === 0) {
      this.#held?.destroy();
      this.#settle(stream);
      return;
    }
    this.#held = stream;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(stream), GRACE_MS);
  }

  #handleError(which: 'first' | 'second', error: unknown): void {
    this.#pending.delete(which);
    if (this.#isSettled) return;
    if (which === 'first' || this.#error === undefined) this.#error = error;
    if (this.#held !== undefined) this.#settle(this.#held);
    else if (which === 'first' && !this.#hasRun('second')) {
      clearTimeout(this.#timer);
      this.#run('second');
    } else if (this.#pending.size === 0) {
      this.#isSettled = true;
      this.#finish();
      this.#reject(this.#error);
    }
  }

  #settle(stream: ByteStream): void {
    this.#isSettled = true;
    this.#finish();
    this.#given.first.abort();
    this.#given.second.abort();
    this.#resolve(stream);
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#race.signal.removeEventListener('abort', this.#giveUp);
  }
}
