// One-way delays of both directions as the timestamps of packets tell them (BEP 29), and how far the two clocks drift apart meanwhile. Pure.
import { DelayHistory } from './delay-history.ts';
import type { PacketView } from './packet.ts';

/** A lower base over there is our clock running fast; more at once is no drift. */
const MAX_DRIFT_US = 10_000;
/** Clocks that never got a sample send this (uTorrent). */
const NO_SAMPLE = 0x7fffffff;

/** The clock of packets: microseconds modulo 2^32. */
export function toMicros(nowMs: number): number {
  // ToUint32 is modulo 2^32.
  return (nowMs * 1000) >>> 0;
}

export class OneWayDelays {
  /** Of our packets, which the peer measures. */
  readonly ours = new DelayHistory();
  readonly #theirs = new DelayHistory();
  /** Of the peer's last packet, to be told to it: microseconds between clocks that know nothing of each other. */
  replyUs = 0;

  handlePacket({ timestampUs, delayUs }: PacketView, nowMs: number): void {
    if (timestampUs !== 0) {
      this.replyUs = (toMicros(nowMs) - timestampUs) >>> 0;
      const { hasSample, baseUs } = this.#theirs;
      this.#theirs.add(this.replyUs, nowMs);
      const lower = (baseUs - this.#theirs.baseUs) | 0;
      // The two clocks drift apart: what they gain we lose.
      if (hasSample && lower > 0 && lower <= MAX_DRIFT_US) this.ours.shift(lower);
    }
    if (delayUs !== 0 && delayUs !== NO_SAMPLE) this.ours.add(delayUs, nowMs);
  }
}
