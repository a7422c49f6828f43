// What a relay does with the four queue messages: checks, stores, hands out, forgets. Pure.
import { toHex } from '../base/bytes.ts';
import {
  MAX_MESSAGE_BYTES,
  MessageType,
  type PopMessage,
  type PushMessage,
  type QueueEntry,
  type Refusal,
} from './messages.ts';
import { decodeItem } from './queue-item.ts';
import type { QueueStore } from './queue-store.ts';
import type { Link, Links } from './server-links.ts';
import type { ServerVoice } from './server-voice.ts';

/** Room for the dictionary around them. */
const ITEMS_HEAD_BYTES = 64;
const ENTRY_HEAD_BYTES = 32;

/** As many as one message holds. */
function fitting(entries: readonly QueueEntry[]): QueueEntry[] {
  let left = MAX_MESSAGE_BYTES - ITEMS_HEAD_BYTES;
  const first: QueueEntry[] = [];
  for (const entry of entries) {
    left -= entry.item.length + ENTRY_HEAD_BYTES;
    if (left < 0) break;
    first.push(entry);
  }
  return first;
}

export class QueueDesk {
  readonly #queues: QueueStore;
  readonly #links: Links;
  readonly #voice: ServerVoice;
  readonly #isPrivate: ((infoHash: Uint8Array) => boolean) | undefined;

  constructor(
    queues: QueueStore,
    links: Links,
    voice: ServerVoice,
    isPrivate: ((infoHash: Uint8Array) => boolean) | undefined,
  ) {
    this.#queues = queues;
    this.#links = links;
    this.#voice = voice;
    this.#isPrivate = isPrivate;
  }

  handlePush(link: Link, message: PushMessage, nowMs: number): void {
    const { request, item: bytes } = message;
    const refuse = (code: Refusal): void => this.#voice.refuse(link, MessageType.push, code, { request });
    if (!this.#voice.takeSignal(link, nowMs)) {
      refuse('quota');
      return;
    }
    const item = decodeItem(bytes);
    if (!item.ok || toHex(item.value.target) !== toHex(message.key)) {
      refuse('signature');
      return;
    }
    if (this.#isPrivate?.(item.value.infoHash) === true) {
      refuse('private');
      return;
    }
    const from = { host: link.info.remote.host, port: link.info.remote.port };
    const code = this.#queues.push(bytes, item.value, from, nowMs);
    if (code !== undefined) {
      refuse(code);
      return;
    }
    this.#voice.counters.pushes++;
    const owner = this.#links.withKey(message.key);
    const isOnline = owner !== undefined && owner !== link;
    if (isOnline)
      this.#voice.reply(owner, {
        type: 'items',
        request: 0,
        entries: [{ item: bytes, from }],
        hasMore: false,
      });
    this.#voice.reply(link, { type: 'pushed', request, isOnline });
  }

  handlePeek(link: Link, request: number, nowMs: number): void {
    if (link.key === undefined) {
      this.#voice.refuse(link, MessageType.peek, 'signature', { request });
      return;
    }
    const entries = this.#queues.peek(link.key, nowMs);
    const first = fitting(entries);
    this.#voice.reply(link, {
      type: 'items',
      request,
      entries: first,
      hasMore: first.length < entries.length,
    });
  }

  handlePop(link: Link, { request, nonces }: PopMessage, nowMs: number): void {
    if (link.key === undefined) {
      this.#voice.refuse(link, MessageType.pop, 'signature', { request });
      return;
    }
    const count = this.#queues.pop(link.key, nonces, link.slot !== undefined, nowMs);
    this.#voice.counters.pops += count;
    this.#voice.reply(link, { type: 'popped', request, count });
  }
}
