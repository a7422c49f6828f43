// All deadlines of a node in one binary heap, earliest first. An item is in at most one place, and knows it, so that
// answered queries leave at once instead of waiting for their time.

export interface Deadline {
  dueMs: number;
  /** Index in the heap, -1 while outside; the heap's own. */
  heapAt: number;
}

/** Told that the earliest deadline may be another one now. */
export interface DeadlineWatch {
  isStale: boolean;
}

export class DeadlineHeap<T extends Deadline> {
  readonly #items: T[] = [];
  readonly #watch: DeadlineWatch | undefined;
  /** Kept beside the items: it is asked for after every datagram. Not Infinity for none, which would put it into a box of its own. */
  #nextMs: number | undefined;

  constructor(watch?: DeadlineWatch) {
    this.#watch = watch;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Infinity when empty. */
  get nextMs(): number {
    return this.#nextMs ?? Number.POSITIVE_INFINITY;
  }

  /** Adds the item, or moves it when it is in already. */
  set(item: T, dueMs: number): void {
    item.dueMs = dueMs;
    if (item.heapAt < 0) {
      item.heapAt = this.#items.length;
      this.#items.push(item);
      this.#up(item.heapAt);
    } else {
      this.#up(item.heapAt);
      this.#down(item.heapAt);
    }
    this.#nextMs = (this.#items[0] as T).dueMs;
    if (this.#watch !== undefined) this.#watch.isStale = true;
  }

  remove(item: T): void {
    const at = item.heapAt;
    if (at < 0) return;
    item.heapAt = -1;
    const last = this.#items.pop() as T;
    if (last !== item) {
      this.#items[at] = last;
      last.heapAt = at;
      this.#up(at);
      this.#down(last.heapAt);
    }
    this.#nextMs = this.#items[0]?.dueMs;
    if (this.#watch !== undefined) this.#watch.isStale = true;
  }

  /** Takes the earliest item if it is due. */
  popDue(nowMs: number): T | undefined {
    const first = this.#items[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  #up(from: number): void {
    const items = this.#items;
    const item = items[from] as T;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const parent = items[above] as T;
      if (parent.dueMs <= item.dueMs) break;
      items[at] = parent;
      parent.heapAt = at;
      at = above;
    }
    items[at] = item;
    item.heapAt = at;
  }

  #down(from: number): void {
    const items = this.#items;
    const item = items[from] as T;
    let at = from;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= items.length) break;
      const right = items[below + 1];
      if (right !== undefined && right.dueMs < (items[below] as T).dueMs) below++;
      const child = items[below] as T;
      if (child.dueMs >= item.dueMs) break;
      items[at] = child;
      child.heapAt = at;
      at = below;
    }
    items[at] = item;
    item.heapAt = at;
  }
}
