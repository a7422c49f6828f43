// What several relays hold for one owner as one list: every call once, oldest first, no relay's own order broken. Pure.
import type { Endpoint } from '../base/endpoint.ts';
import type { QueueEntry } from './messages.ts';
import { MAX_ITEM_TTL_SECONDS, type QueueItem } from './queue-item.ts';

/** Relays clip so too: a sender's clock may be off, and nothing older is kept anywhere. */
const MAX_CLOCK_ERROR_MS = 30_000;

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
  const timeOf = ({ item }: HeldItem): number =>
    Math.min(
      wallMs + MAX_CLOCK_ERROR_MS,
      Math.max(wallMs - MAX_ITEM_TTL_SECONDS * 1000 - MAX_CLOCK_ERROR_MS, item.timeMs),
    );
  const comesFirst = (a: HeldItem, b: HeldItem): boolean =>
    timeOf(a) === timeOf(b) ? a.name < b.name : timeOf(a) < timeOf(b);
  const at = lists.map(() => 0);
  const taken = new Set<string>();
  const merged: HeldItem[] = [];
  for (;;) {
    let first: HeldItem | undefined;
    for (const [index, list] of lists.entries()) {
      while (taken.has(list[at[index] as number]?.name ?? '')) at[index] = (at[index] as number) + 1;
      const head = list[at[index] as number];
      if (head !== undefined && (first === undefined || comesFirst(head, first))) first = head;
    }
    if (first === undefined) return merged;
    taken.add(first.name);
    merged.push(first);
  }
}
