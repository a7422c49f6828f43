// What several relays hold for one owner as one list: every call once, oldest first, no relay's own order broken. Pure.
import type { Endpoint } from '../base/endpoint.ts';
import type { QueueEntry } from './messages.ts';
import { MAX_CLOCK_ERROR_MS, MAX_ITEM_TTL_SECONDS, type QueueItem } from './queue-item.ts';

export interface HeldItem {
  /** Of the nonce, as a map key. */
  readonly name: string;
  readonly item: QueueItem;
  readonly entry: QueueEntry;
  /** Who handed it out. */
  readonly relay: Endpoint;
}

/**
 * @param lists one for each relay, as it orders them
 * @param wallMs Unix time in ms
 */
export function mergeQueues(lists: readonly (readonly HeldItem[])[], wallMs: number): HeldItem[] {
  // Relays clip so too, and nothing older is kept anywhere.
  const timeOf = ({ item }: HeldItem): number =>
    Math.min(
      wallMs + MAX_CLOCK_ERROR_MS,
      Math.max(wallMs - MAX_ITEM_TTL_SECONDS * 1000 - MAX_CLOCK_ERROR_MS, item.timeMs),
    );
  const comesFirst = (a: HeldItem, b: HeldItem): boolean =>
    timeOf(a) === timeOf(b) ? a.name < b.name : timeOf(a) < timeOf(b);
  let left = lists.map((list) => [...list]).filter((list) => list.length > 0);
  const merged: HeldItem[] = [];
  while (left.length > 0) {
    // Whoever stands behind another at some relay has to wait for that one; relays that contradict each other have no say.
    const isBehind = ({ name }: HeldItem): boolean =>
      left.some((list) => list.findIndex((each) => each.name === name) > 0);
    const heads = left.map((list) => list[0] as HeldItem);
    const free = heads.filter((head) => !isBehind(head));
    const first = (free.length > 0 ? free : heads).reduce((a, b) => (comesFirst(b, a) ? b : a));
    merged.push(first);
    left = left
      .map((list) => list.filter(({ name }) => name !== first.name))
      .filter((list) => list.length > 0);
  }
  return merged;
}
