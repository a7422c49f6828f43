// What each slot of queries in flight asks for, in typed arrays: a hundred thousand ids that live for seconds are what a collector
// takes for old, and keeps.
import { Id160 } from '../base/node-id.ts';

export const PROBE_METHODS = ['find_node', 'get_peers', 'sample_infohashes', 'ping'] as const;
export type ProbeMethod = (typeof PROBE_METHODS)[number];

const NUMBERS: Readonly<Record<ProbeMethod, number>> = {
  find_node: 0,
  get_peers: 1,
  sample_infohashes: 2,
  ping: 3,
};
const WORDS = 5;
/** Beside the number of the method. */
const HAS_TARGET = 4;

export class Questions {
  readonly #facts: Uint8Array;
  readonly #targets: Int32Array;

  constructor(slots: number) {
    this.#facts = new Uint8Array(slots);
    this.#targets = new Int32Array(slots * WORDS);
  }

  set(slot: number, method: ProbeMethod, target: Id160 | undefined): void {
    this.#facts[slot] = NUMBERS[method] | (target === undefined ? 0 : HAS_TARGET);
    if (target === undefined) return;
    const at = slot * WORDS;
    this.#targets[at] = target.a;
    this.#targets[at + 1] = target.b;
    this.#targets[at + 2] = target.c;
    this.#targets[at + 3] = target.d;
    this.#targets[at + 4] = target.e;
  }

  method(slot: number): ProbeMethod {
    return PROBE_METHODS[(this.#facts[slot] as number) & (HAS_TARGET - 1)] as ProbeMethod;
  }

  target(slot: number): Id160 | undefined {
    if (((this.#facts[slot] as number) & HAS_TARGET) === 0) return undefined;
    const words = this.#targets;
    const at = slot * WORDS;
    return new Id160(
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
      words[at + 4] as number,
    );
  }
}
