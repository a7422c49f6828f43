// Times at which slots are due, all with the same wait, so that a queue is in order. A ring of numbers: an object for each query
// would be a good part of what the collector has to do.

const FIRST_CAPACITY = 1 << 10;

export class DueQueue {
  #slots = new Int32Array(FIRST_CAPACITY);
  #generations = new Uint32Array(FIRST_CAPACITY);
  #dueMs = new Float64Array(FIRST_CAPACITY);
  #from = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the first is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#dueMs[this.#from] as number);
  }

  /** Of the first: which slot, and which use of it. */
  get slot(): number {
    return this.#slots[this.#from] as number;
  }

  get generation(): number {
    return this.#generations[this.#from] as number;
  }

  /** @param dueMs not before that of any pushed earlier */
  push(slot: number, generation: number, dueMs: number): void {
    if (this.#size === this.#slots.length) this.#grow();
    const at = (this.#from + this.#size++) & (this.#slots.length - 1);
    this.#slots[at] = slot;
    this.#generations[at] = generation;
    this.#dueMs[at] = dueMs;
  }

  shift(): void {
    this.#from = (this.#from + 1) & (this.#slots.length - 1);
    this.#size--;
  }

  #grow(): void {
    const { length } = this.#slots;
    const slots = new Int32Array(length * 2);
    const generations = new Uint32Array(length * 2);
    const dueMs = new Float64Array(length * 2);
    for (let i = 0; i < length; i++) {
      const at = (this.#from + i) & (length - 1);
      slots[i] = this.#slots[at] as number;
      generations[i] = this.#generations[at] as number;
      dueMs[i] = this.#dueMs[at] as number;
    }
    this.#slots = slots;
    this.#generations = generations;
    this.#dueMs = dueMs;
    this.#from = 0;
  }
}
