// A TCP flow on a simulated line: Reno with selective acks that never lie (RFC 5681), as a neighbour for uTP.
import type { EventQueue } from '../../core/base/event-queue.ts';
import type { Line } from './utp-net.ts';

const SEGMENT_BYTES = 1_460;
const TIMEOUT_MS = 1_000;

export class RenoFlow {
  readonly #queue: EventQueue;
  readonly #there: Line;
  readonly #back: Line;
  /** Segment -> number of its last transmission; in the order of transmission. */
  readonly #inFlight = new Map<number, number>();
  readonly #lost: number[] = [];
  #window = 10;
  #threshold = Number.POSITIVE_INFINITY;
  #next = 0;
  #transmissions = 0;
  /** Losses of transmissions before this one belong to one event. */
  #recoverUntil = 0;
  #lastAckAtMs = 0;
  deliveredBytes = 0;

  constructor(queue: EventQueue, there: Line, back: Line) {
    this.#queue = queue;
    this.#there = there;
    this.#back = back;
  }

  start(): void {
    this.#lastAckAtMs = this.#queue.nowMs;
    this.#fill();
    this.#watch();
  }

  #fill(): void {
    while (this.#inFlight.size < Math.floor(this.#window)) {
      const segment = this.#lost.shift() ?? this.#next++;
      const transmission = this.#transmissions++;
      this.#inFlight.set(segment, transmission);
      this.#there.send(SEGMENT_BYTES, () =>
        this.#back.send(40, () => this.#handleAck(segment, transmission)),
      );
    }
  }

  #handleAck(segment: number, transmission: number): void {
    if (!this.#inFlight.delete(segment)) return;
    this.#lastAckAtMs = this.#queue.nowMs;
    this.deliveredBytes += SEGMENT_BYTES;
    this.#window += this.#window < this.#threshold ? 1 : 1 / this.#window;
    for (const [other, sent] of this.#inFlight) {
      // The map is in the order of sending; three later ones have to have come.
      if (sent + 3 > transmission) break;
      this.#lose(other);
      if (sent < this.#recoverUntil) continue;
      this.#recoverUntil = this.#transmissions;
      this.#threshold = Math.max(2, this.#window / 2);
      this.#window = this.#threshold;
    }
    this.#fill();
  }

  #lose(segment: number): void {
    this.#inFlight.delete(segment);
    this.#lost.push(segment);
  }

  #watch(): void {
    this.#queue.after(TIMEOUT_MS, () => {
      if (this.#queue.nowMs - this.#lastAckAtMs >= TIMEOUT_MS) {
        this.#lastAckAtMs = this.#queue.nowMs;
        this.#threshold = Math.max(2, this.#window / 2);
        this.#window = 1;
        this.#recoverUntil = this.#transmissions;
        for (const segment of [...this.#inFlight.keys()]) this.#lose(segment);
        this.#fill();
      }
      this.#watch();
    });
  }
}
