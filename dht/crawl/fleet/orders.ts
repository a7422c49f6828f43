// The orders of a run: its zone in equal parts, each once for every vantage point; which are done, and by which attempt.
import { Id160 } from '../../base/node-id.ts';
import { Zone } from '../zone.ts';

/** A part of a zone: the prefix with more bits. */
export function partsOf(zone: Zone, count: number): Zone[] {
  const bits = Math.ceil(Math.log2(count));
  const low = prefixNumber(zone);
  const width = 1n << BigInt(160 - zone.bits - bits);
  return Array.from(
    { length: 2 ** bits },
    (_, i) => new Zone(idOf(low + BigInt(i) * width), zone.bits + bits),
  );
}

function prefixNumber(zone: Zone): bigint {
  return BigInt(`0x${Buffer.from(zone.prefix.toBytes()).toString('hex')}`);
}

function idOf(value: bigint): Id160 {
  return Id160.of(new Uint8Array(Buffer.from(value.toString(16).padStart(40, '0'), 'hex')));
}

export interface PlannedOrder {
  readonly order: number;
  readonly pass: number;
  readonly vantage: string;
  readonly zone: string;
}

/** Vantage points take turns, so that both see a part at about the same time. */
export function plan(zone: Zone, parts: number, vantages: readonly string[]): PlannedOrder[] {
  return partsOf(zone, parts).flatMap((part, i) =>
    vantages.map((vantage, v) => ({
      order: i * vantages.length + v,
      pass: v + 1,
      vantage,
      zone: part.toString(),
    })),
  );
}

/** What became of an attempt's end. */
export type Verdict = 'merge' | 'again' | 'discard';

/** Decides which attempt at an order counts: the first that is whole. */
export class Ledger {
  /** Attempt by order. */
  readonly done = new Map<number, string>();
  readonly size: number;

  constructor(size: number, done: Iterable<readonly [order: number, attempt: string]> = []) {
    this.size = size;
    for (const [order, attempt] of done) this.done.set(order, attempt);
  }

  get isComplete(): boolean {
    return this.done.size >= this.size;
  }

  /**
   * @param hasAll every row it sent has arrived
   * @returns `again` for the end of the attempt that counts already: the coordinator died between merging and saying so
   */
  judge(order: number, attempt: string, hasAll: boolean): Verdict {
    const before = this.done.get(order);
    if (order >= this.size || !hasAll) return 'discard';
    if (before !== undefined) return before === attempt ? 'again' : 'discard';
    return 'merge';
  }
}
