// Virtual time: events ordered by (microseconds, sequence), so that equal instants run in the order they were scheduled.
// Two 4-ary heaps over typed arrays: no object per event, which is what lets one process hold a network. Datagrams on their way
// are few and turn over fast, timers are many and rest: apart, the former stay in the fastest memory there is.

/** What an event is about; the numbers mean what the kind says. */
export interface SimEvent {
  kind: number;
  a: number;
  b: number;
  c: number;
  ref: unknown;
}

const ARITY = 4;
const FIRST_CAPACITY = 1024;
/** What is due within this time goes to the small heap: nearly every datagram. */
const NEAR_US = 1_000_000;

export class EventQueue {
  readonly #near = new Heap();
  readonly #far = new Heap();
  #kinds = new Uint8Array(FIRST_CAPACITY);
  #as = new Int32Array(FIRST_CAPACITY);
  #bs = new Int32Array(FIRST_CAPACITY);
  #cs = new Int32Array(FIRST_CAPACITY);
  readonly #refs: unknown[] = [];
  readonly #free: number[] = [];
  #used = 0;
  #order = 0;
  /** The event taken last: valid until the next `pop`. */
  readonly event: SimEvent = { kind: 0, a: 0, b: 0, c: 0, ref: undefined };
  #nowUs: number;
  #popped = 0;

  constructor(startUs: number) {
    this.#nowUs = startUs;
  }

  get size(): number {
    return this.#near.size + this.#far.size;
  }

  /** Time of the event taken last. */
  get nowUs(): number {
    return this.#nowUs;
  }

  /** Events taken so far. */
  get popped(): number {
    return this.#popped;
  }

  /** Infinity when empty. */
  get nextUs(): number {
    return Math.min(this.#near.firstUs, this.#far.firstUs);
  }

  /** @param atUs whole microseconds; the past counts as now */
  push(atUs: number, kind: number, a: number, b: number, c: number, ref: unknown): void {
    if (this.#used === this.#kinds.length && this.#free.length === 0) this.#grow();
    const slot = this.#free.pop() ?? this.#used++;
    this.#kinds[slot] = kind;
    this.#as[slot] = a;
    this.#bs[slot] = b;
    this.#cs[slot] = c;
    this.#refs[slot] = ref;
    const dueUs = Math.max(atUs, this.#nowUs);
    (dueUs - this.#nowUs < NEAR_US ? this.#near : this.#far).push(dueUs, this.#order++, slot);
  }

  /** Takes the next event into `event` and moves time to it. @returns false when there is none at or before `untilUs` */
  pop(untilUs: number): boolean {
    const heap = this.#near.isBefore(this.#far) ? this.#near : this.#far;
    const dueUs = heap.firstUs;
    if (dueUs > untilUs || dueUs === Number.POSITIVE_INFINITY) return false;
    this.#nowUs = dueUs;
    this.#popped++;
    const slot = heap.pop();
    const { event } = this;
    event.kind = this.#kinds[slot] as number;
    event.a = this.#as[slot] as number;
    event.b = this.#bs[slot] as number;
    event.c = this.#cs[slot] as number;
    event.ref = this.#refs[slot];
    this.#refs[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  /** Lets time pass without an event: to the end of a run. */
  advanceTo(us: number): void {
    this.#nowUs = Math.max(this.#nowUs, us);
  }

  #grow(): void {
    const capacity = this.#kinds.length * 2;
    this.#kinds = copied(new Uint8Array(capacity), this.#kinds);
    this.#as = copied(new Int32Array(capacity), this.#as);
    this.#bs = copied(new Int32Array(capacity), this.#bs);
    this.#cs = copied(new Int32Array(capacity), this.#cs);
  }
}

/** Slots by (time, order), earliest first. */
class Heap {
  #times = new Float64Array(FIRST_CAPACITY);
  #orders = new Float64Array(FIRST_CAPACITY);
  #slots = new Int32Array(FIRST_CAPACITY);
  size = 0;

  /** Infinity when empty. */
  get firstUs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  /** Does its first come before the other's? */
  isBefore(other: Heap): boolean {
    const mine = this.firstUs;
    const its = other.firstUs;
    return (
      mine < its ||
      (mine === its && this.size > 0 && (this.#orders[0] as number) < (other.#orders[0] as number))
    );
  }

  /** @param order above all that were pushed before */
  push(time: number, order: number, slot: number): void {
    if (this.size === this.#times.length) this.#grow();
    this.#siftUp(this.size++, time, order, slot);
  }

  /** @returns the first slot, taken out; there must be one */
  pop(): number {
    const first = this.#slots[0] as number;
    const last = --this.size;
    if (last > 0)
      this.#siftDown(this.#times[last] as number, this.#orders[last] as number, this.#slots[last] as number);
    return first;
  }

  #siftUp(from: number, time: number, order: number, slot: number): void {
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 2;
      // The newest order is the highest, so only the time decides here.
      if ((times[parent] as number) <= time) break;
      times[at] = times[parent] as number;
      orders[at] = orders[parent] as number;
      slots[at] = slots[parent] as number;
      at = parent;
    }
    times[at] = time;
    orders[at] = order;
    slots[at] = slot;
  }

  #siftDown(time: number, order: number, slot: number): void {
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    const { size } = this;
    let at = 0;
    for (;;) {
      const first = at * ARITY + 1;
      if (first >= size) break;
      const end = Math.min(first + ARITY, size);
      let best = first;
      let bestTime = times[first] as number;
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child] as number;
        if (childTime > bestTime) continue;
        if (childTime === bestTime && (orders[child] as number) > (orders[best] as number)) continue;
        best = child;
        bestTime = childTime;
      }
      if (bestTime > time || (bestTime === time && (orders[best] as number) > order)) break;
      times[at] = bestTime;
      orders[at] = orders[best] as number;
      slots[at] = slots[best] as number;
      at = best;
    }
    times[at] = time;
    orders[at] = order;
    slots[at] = slot;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    this.#times = copied(new Float64Array(capacity), this.#times);
    this.#orders = copied(new Float64Array(capacity), this.#orders);
    this.#slots = copied(new Int32Array(capacity), this.#slots);
  }
}

function copied<T extends Float64Array | Int32Array | Uint8Array>(into: T, from: T): T {
  into.set(from);
  return into;
}
