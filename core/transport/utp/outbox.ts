// What was written and not yet put into packets: a queue of the writer's own buffers, copied out once.
import { HEADER_BYTES } from './packet.ts';

/**
 * So much of a connection's beginning leaves as it was written: one write, one packet. Transmission 3.00 takes the handshake out of
 * a packet and forgets what lies behind it until another packet comes; over TCP the two would be two segments as well.
 */
const BEGINNING_BYTES = 4_096;

interface Written {
  readonly bytes: Uint8Array;
  readonly sent: (() => void) | undefined;
}

export class Outbox {
  #queue: Written[] = [];
  /** Of the first in the queue. */
  #at = 0;
  #head = 0;
  #byteCount = 0;
  #takenBytes = 0;

  get isBeginning(): boolean {
    return this.#takenBytes < BEGINNING_BYTES;
  }

  /** What may go into one packet. */
  get packableBytes(): number {
    if (!this.isBeginning) return this.#byteCount;
    return (this.#queue[this.#head]?.bytes.length ?? 0) - this.#at;
  }

  get byteCount(): number {
    return this.#byteCount;
  }

  /** Keeps `bytes` until `take` has copied them; then calls `sent`. */
  push(bytes: Uint8Array, sent: (() => void) | undefined): void {
    if (bytes.length === 0) {
      sent?.();
      return;
    }
    this.#queue.push({ bytes, sent });
    this.#byteCount += bytes.length;
  }

  /** Moves `count` bytes behind the header of a packet; so many must be there. */
  take(packet: Uint8Array, count: number): void {
    let to = HEADER_BYTES;
    const end = HEADER_BYTES + count;
    while (to < end) {
      const { bytes, sent } = this.#queue[this.#head] as Written;
      const length = Math.min(end - to, bytes.length - this.#at);
      if (length === bytes.length) packet.set(bytes, to);
      else packet.set(bytes.subarray(this.#at, this.#at + length), to);
      to += length;
      this.#at += length;
      if (this.#at < bytes.length) continue;
      this.#at = 0;
      this.#head++;
      sent?.();
    }
    this.#byteCount -= count;
    this.#takenBytes += count;
    this.#tidy();
  }

  /** What waits will never be sent; who waits for it is told. */
  clear(): void {
    const waiting = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    this.#at = 0;
    this.#byteCount = 0;
    for (const { sent } of waiting) sent?.();
  }

  #tidy(): void {
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= 64) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
