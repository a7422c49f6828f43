// Calls that wait for peers who are briefly away (DHQ): named queues of signed items, in order of their clipped times, in
// memory only. At least once: an item stays until its owner pops it, and popped nonces are refused when they come again. Pure.
import { latin1, toHex } from '../base/bytes.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { networkPrefix } from './addresses.ts';
import { PrefixCounts, type RelayLimits } from './limits.ts';
import type { QueueEntry, Refusal } from './messages.ts';
import { MAX_CLOCK_ERROR_MS, MAX_ITEM_TTL_SECONDS, type QueueItem } from './queue-item.ts';

/** What a stored item weighs beyond its bytes: objects, keys, map entries; measured with 16 000 of them. */
const ITEM_OVERHEAD_BYTES = 640;
/** A popped nonce is refused for as long as any item lives. */
const TOMBSTONE_MS = MAX_ITEM_TTL_SECONDS * 1000;
/** Popped nonces remembered in a queue: twice what it holds. */
const MAX_TOMBSTONES = 64;

interface Stored {
  entry: QueueEntry;
  readonly nonce: string;
  readonly sender: string;
  readonly network: string;
  readonly orderMs: number;
  expiresAtMs: number;
  readonly weight: number;
}

interface Queue {
  items: Stored[];
  /** Nonce -> until when it is refused. */
  readonly gone: Map<string, number>;
}

export interface QueueStoreClock {
  /** Unix time in ms of a clock time. */
  wallMs(nowMs: number): number;
}

export class QueueStore {
  readonly #limits: RelayLimits;
  readonly #clock: QueueStoreClock;
  readonly #queues = new Map<string, Queue>();
  readonly #networks = new PrefixCounts();
  #weight = 0;

  constructor(limits: RelayLimits, clock: QueueStoreClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get queueCount(): number {
    return this.#queues.size;
  }
  get itemCount(): number {
    let count = 0;
    for (const { items } of this.#queues.values()) count += items.length;
    return count;
  }
  /** Estimated memory in bytes. */
  get weight(): number {
    return this.#weight;
  }

  /**
   * @param item checked: signature and target
   * @returns why it is not stored, or undefined. The same nonce of the same sender again renews it.
   */
  push(bytes: Uint8Array, item: QueueItem, from: Endpoint, nowMs: number): Refusal | undefined {
    const name = toHex(item.target);
    const limits = this.#limits;
    const wallMs = this.#clock.wallMs(nowMs);
    const timeMs = Math.min(wallMs + MAX_CLOCK_ERROR_MS, Math.max(wallMs - MAX_CLOCK_ERROR_MS, item.timeMs));
    const nonce = latin1(item.nonce);
    let queue = this.#queues.get(name);
    if (queue !== undefined) {
      this.#expire(queue, nowMs);
      if (queue.gone.has(nonce)) return 'late';
      const same = queue.items.find((each) => each.nonce === nonce);
      if (same !== undefined) return this.#refresh(same, bytes, item, from, nowMs);
    }
    const sender = toHex(item.sender);
    const network = networkPrefix(from.host);
    const items = queue?.items ?? [];
    if (items.length >= limits.itemsPerQueue) return 'full';
    if (items.filter((each) => each.sender === sender).length >= limits.itemsPerSender) return 'quota';
    if (items.filter((each) => each.network === network).length >= limits.itemsPerNetworkAndQueue)
      return 'quota';
    if (this.#networks.of(network) >= limits.itemsPerNetwork) return 'quota';
    const weight = bytes.length + ITEM_OVERHEAD_BYTES;
    if (this.#weight + weight > limits.queueBytes) this.sweep(nowMs);
    if (this.#weight + weight > limits.queueBytes) return 'full';
    if (queue === undefined) {
      if (this.#queues.size >= limits.queues) this.sweep(nowMs);
      if (this.#queues.size >= limits.queues) return 'full';
      queue = { items: [], gone: new Map() };
      this.#queues.set(name, queue);
    }
    const stored: Stored = {
      entry: { item: bytes, from },
      nonce,
      sender,
      network,
      orderMs: timeMs,
      expiresAtMs: nowMs + item.ttlSeconds * 1000,
      weight,
    };
    queue.items.push(stored);
    queue.items.sort((a, b) => a.orderMs - b.orderMs || (a.nonce < b.nonce ? -1 : 1));
    this.#weight += weight;
    this.#networks.add(network);
    return undefined;
  }

  /** The sender is still interested, and may have moved: it keeps the place that it had. Nobody else renews it. */
  #refresh(
    same: Stored,
    bytes: Uint8Array,
    item: QueueItem,
    from: Endpoint,
    nowMs: number,
  ): Refusal | undefined {
    if (same.sender !== toHex(item.sender)) return 'late';
    same.expiresAtMs = Math.max(same.expiresAtMs, nowMs + item.ttlSeconds * 1000);
    // One of another network counts there, where it may find no room.
    if (same.network === networkPrefix(from.host) && bytes.length + ITEM_OVERHEAD_BYTES <= same.weight)
      same.entry = { item: bytes, from };
    return undefined;
  }

  /** In order, oldest first. */
  peek(owner: Uint8Array, nowMs: number): readonly QueueEntry[] {
    const queue = this.#queues.get(toHex(owner));
    if (queue === undefined) return [];
    this.#expire(queue, nowMs);
    return queue.items.map(({ entry }) => entry);
  }

  /**
   * Takes them out and refuses them from now on.
   * @param remembers also nonces of a queue that is not here (its owner holds a place, so it may cost us something)
   * @returns how many were here
   */
  pop(owner: Uint8Array, nonces: readonly Uint8Array[], remembers: boolean, nowMs: number): number {
    const name = toHex(owner);
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      // Popped at another relay before it came here: remember that, as far as there is room.
      if (!remembers || this.#queues.size >= this.#limits.queues) return 0;
      queue = { items: [], gone: new Map() };
      this.#queues.set(name, queue);
    }
    let count = 0;
    for (const bytes of nonces) {
      const nonce = latin1(bytes);
      const index = queue.items.findIndex((each) => each.nonce === nonce);
      const stored = queue.items[index];
      if (stored !== undefined) {
        this.#drop(queue, stored);
        count++;
      }
      queue.gone.set(nonce, nowMs + TOMBSTONE_MS);
      if (queue.gone.size > MAX_TOMBSTONES) queue.gone.delete(queue.gone.keys().next().value as string);
    }
    return count;
  }

  /** Forgets what is over. */
  sweep(nowMs: number): void {
    for (const [name, queue] of this.#queues) {
      this.#expire(queue, nowMs);
      if (queue.items.length === 0 && queue.gone.size === 0) this.#queues.delete(name);
    }
  }

  #expire(queue: Queue, nowMs: number): void {
    for (const stored of queue.items.filter(({ expiresAtMs }) => expiresAtMs <= nowMs))
      this.#drop(queue, stored);
    for (const [nonce, untilMs] of queue.gone) if (untilMs <= nowMs) queue.gone.delete(nonce);
  }

  #drop(queue: Queue, stored: Stored): void {
    queue.items = queue.items.filter((each) => each !== stored);
    this.#weight -= stored.weight;
    this.#networks.remove(stored.network);
  }
}
