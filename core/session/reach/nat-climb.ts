// One attempt to reach one peer, on real time: starts what its ladder says, takes the first stream, drops the rest. While the first is a
// splice, straight ways that are under way go on: a hole that a slow machine opens late is worth more than a relay's bytes.
import type { Clock } from '../../base/clock.ts';
import type { Endpoint } from '../../base/endpoint.ts';
import type { Ladder, Rung } from '../../nat/ladder.ts';
import type { Reach } from '../../nat/ladder-reach.ts';
import type { NatState } from '../../relay/messages.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';

/** A stream to a peer and how it came about. */
export interface Dialled {
  readonly stream: ByteStream;
  readonly rung: Rung;
  /** Clock ms of the first step. */
  readonly startedAtMs: number;
  /** Everything that was begun. */
  readonly tried?: readonly Rung[];
  /** What the peer says of its own place. */
  readonly peer?: NatState;
  /** Who introduced us, or passes the bytes on. */
  readonly relay?: Endpoint;
}

/** Rejects when the rung leads nowhere; `signal` says that it is not wanted any more. */
export type StartRung = (rung: Rung, signal: AbortSignal) => Promise<ByteStream>;

/** The peer reached us before we reached it. */
export const CAME_IN = 'CAME_IN';
/** There is no relay to ask, at this moment. */
export const NO_RELAY = 'no relay';

export class Climb {
  readonly ladder: Ladder;
  readonly startedAtMs: number;
  readonly result: Promise<Dialled>;
  readonly #clock: Clock;
  readonly #start: StartRung;
  readonly #given = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** Resolves when nothing is under way any more. */
  readonly ended: Promise<void>;
  readonly #onStraight: ((dialled: Dialled) => void) | undefined;
  #settle!: { resolve(dialled: Dialled): void; reject(error: unknown): void };
  #resolveEnded!: () => void;
  #isSettled = false;
  /** The latest attempt of each rung, and what it turned out to be. */
  readonly #attempts = new Map<Rung, { as: Rung }>();
  /** All that have not ended: two may want the same hole, each introduced by somebody else. */
  readonly #running = new Set<{ as: Rung }>();
  #isOver = false;
  #failure: unknown;

  /** @param onStraight takes a straight stream that comes after a splice has won; without it nothing goes on then */
  constructor(ladder: Ladder, clock: Clock, start: StartRung, onStraight?: (dialled: Dialled) => void) {
    this.ladder = ladder;
    this.startedAtMs = clock.nowMs();
    this.#clock = clock;
    this.#start = start;
    this.#onStraight = onStraight;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#step();
  }

  /** The other side, or a relay, began something that we did not ask for. */
  join(rung: Rung, attempt: (signal: AbortSignal) => Promise<ByteStream>): void {
    if (this.#isOver) return;
    this.ladder.handleAnswer(rung, rung, this.#clock.nowMs());
    this.#follow(rung, attempt(this.#given.signal));
    this.#step();
  }

  /** The called peer decided for another way than the one it was asked for. */
  handleAnswer(asked: Rung, chosen: Rung, peer: Reach, delayMs = 0): void {
    const nowMs = this.#clock.nowMs();
    this.ladder.learnPeer(peer, nowMs);
    this.ladder.handleAnswer(asked, chosen, nowMs, delayMs);
    const attempt = this.#attempts.get(asked);
    if (attempt !== undefined) attempt.as = chosen;
    this.#step();
  }

  /** A relay came to be known, or came back. */
  handleWay(rung: 'punch' | 'splice'): void {
    this.ladder.handleWay(rung);
    this.#step();
  }

  giveUp(error: Error): void {
    this.#end();
    this.#settle.reject(error);
  }

  #step(): void {
    clearTimeout(this.#timer);
    if (this.#isOver || this.#isSettled) return;
    const nowMs = this.#clock.nowMs();
    for (let rung = this.ladder.next(nowMs); rung !== undefined; rung = this.ladder.next(nowMs)) {
      this.#follow(rung, this.#start(rung, this.#given.signal));
    }
    if (this.ladder.isExhausted) {
      this.giveUp(this.#failure instanceof Error ? this.#failure : new Error('no way to this peer'));
      return;
    }
    const dueMs = this.ladder.nextTimeoutMs();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#step(), Math.max(1, dueMs - nowMs));
    this.#timer.unref();
  }

  #follow(rung: Rung, promise: Promise<ByteStream>): void {
    const attempt = { as: rung };
    this.#attempts.set(rung, attempt);
    this.#running.add(attempt);
    promise.then(
      (stream) => {
        this.#running.delete(attempt);
        this.#take(stream, this.#nameOf(rung, attempt.as, stream));
      },
      (error: unknown) => {
        this.#running.delete(attempt);
        if (this.#isOver) return;
        // What the ordinary way says is what people understand.
        if (rung === 'direct' || this.#failure === undefined) this.#failure = error;
        const isMissing = (error as NodeJS.ErrnoException).code === NO_RELAY;
        // Of two attempts at one rung the other may still lead somewhere.
        if (![...this.#running].some(({ as }) => as === attempt.as)) {
          if (isMissing) this.ladder.handleMissing(attempt.as, this.#clock.nowMs());
          else this.ladder.handleFailed(attempt.as, this.#clock.nowMs());
        }
        this.#endWhenIdle();
        this.#step();
      },
    );
  }

  #take(stream: ByteStream, rung: Rung): void {
    if (this.#isOver || (this.#isSettled && rung === 'splice')) {
      stream.destroy();
      this.#endWhenIdle();
      return;
    }
    this.ladder.handleConnected(rung, this.#clock.nowMs());
    const tried = [...this.ladder.tried];
    const dialled = { stream, rung, startedAtMs: this.startedAtMs, tried };
    const isFirst = !this.#isSettled;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    if (rung !== 'splice' || this.#onStraight === undefined) this.#end();
    else this.#endWhenIdle();
    if (isFirst) this.#settle.resolve(dialled);
    else this.#onStraight?.(dialled);
  }

  /** After a splice has won. */
  #endWhenIdle(): void {
    if (this.#isSettled && this.#running.size === 0 && !this.#isOver) this.#end();
  }

  /** Whatever was agreed upon: what came is what counts. */
  #nameOf(rung: Rung, chosen: Rung, { transport }: ByteStream): Rung {
    if (transport === 'relayed') return 'splice';
    // Holes of that name are uTP's: this is what was dialled beside one (`besideHole`).
    if (rung === 'punch' && transport === 'tcp')
      return chosen === 'punch' || chosen === 'splice' ? 'direct' : chosen;
    // A packet of the straight attempt that the other side's hole let through.
    if (rung === 'direct' && transport === 'utp' && this.ladder.isThroughHole) return 'punch';
    return chosen === 'splice' ? rung : chosen;
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#given.abort();
    this.#resolveEnded();
  }
}

/** The first that works; streams that come later are dropped. Rejects when none does. */
export function firstStream(attempts: readonly Promise<ByteStream>[]): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    let left = attempts.length;
    let isSettled = false;
    for (const attempt of attempts) {
      attempt.then(
        (stream) => {
          if (isSettled) stream.destroy();
          isSettled = true;
          resolve(stream);
        },
        (error: unknown) => {
          left--;
          if (left === 0) reject(error);
        },
      );
    }
  });
}

/** Resolves when an attempt has failed, or has gone on for so long. Rejects when neither is of interest any more. */
export function afterFailure(attempt: Promise<unknown>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (): void => {
      clearTimeout(timer);
      if (signal.aborted) reject(new Error('not wanted any more'));
      else resolve();
    };
    const timer = setTimeout(go, ms);
    timer.unref();
    attempt.catch(go);
  });
}
