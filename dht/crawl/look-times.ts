// When a look took place: from its visits alone, so that a run that was resumed knows the same.
import type { VisitRow } from '../dataset/visit-table.ts';

export class LookTimes {
  #firstUs = Number.POSITIVE_INFINITY;
  #lastUs = 0;
  #answersUs = 0;
  #answers = 0;

  take({
    sent_us: sentUs,
    received_us: receivedUs,
    is_in_zone: isInZone,
    outcome,
  }: Pick<VisitRow, 'sent_us' | 'received_us' | 'is_in_zone' | 'outcome'>): void {
    if (sentUs !== null) {
      this.#firstUs = Math.min(this.#firstUs, sentUs);
      this.#lastUs = Math.max(this.#lastUs, sentUs);
    }
    if (receivedUs === null) return;
    this.#lastUs = Math.max(this.#lastUs, receivedUs);
    if (!isInZone || (outcome !== 'ok' && outcome !== 'stalled_late')) return;
    this.#answersUs += receivedUs;
    this.#answers++;
  }

  /** From the first question to the last question or answer. */
  get lastedMs(): number {
    return Math.max(0, this.#lastUs - this.#firstUs) / 1000;
  }

  /** Mean time of the answers of verified nodes, since the start of the run. */
  get meanAnswerMs(): number {
    return this.#answersUs / Math.max(1, this.#answers) / 1000;
  }
}
