// Packets that came: in order they go on at once, early ones wait in a ring, and while the reader pauses all of them wait.
// Bounded in packets and bytes; what would not fit is as if it had never come.
import { seqDistance } from './packet.ts';

/** libutp keeps as many. */
const RING = 1_024;
/** A mask of our selective acks covers the whole ring. */
const MAX_MASK_BYTES = RING / 8;
/** What may wait: as many packets as the ring holds; it bounds what a peer can make us hold. */
export const RECEIVE_WINDOW_BYTES = 3 << 19;

export type Delivery = (payload: Uint8Array) => void;

export class Inbox {
  readonly #early: (Uint8Array | undefined)[] = [];
  readonly #held: Uint8Array[] = [];
  readonly #deliver: Delivery;
  /** The last that came in order. */
  #ack: number;
  #earlyCount = 0;
  #waitingBytes = 0;
  /** Furthest early packet, counted from the ack. */
  #reach = 0;
  #isPaused = false;
  #isDelivering = false;
  /** Sequence number of the FIN. */
  #end: number | undefined;

  constructor(ack: number, deliver: Delivery) {
    this.#ack = ack & 0xffff;
    this.#deliver = deliver;
  }

  get ack(): number {
    return this.#ack;
  }

  get hasGap(): boolean {
    return this.#earlyCount > 0;
  }

  get windowBytes(): number {
    return Math.max(0, RECEIVE_WINDOW_BYTES - this.#waitingBytes);
  }

  /** Everything up to the peer's FIN came and was handed on. */
  get isAtEnd(): boolean {
    return this.#end === this.#ack && this.#held.length === 0;
  }

  /** @returns whether it was of use; an ack is due in any case */
  handleData(seq: number, payload: Uint8Array): boolean {
    const ahead = seqDistance(this.#ack, seq);
    if (ahead <= 0 || ahead >= RING) return false;
    if (this.#end !== undefined && seqDistance(seq, this.#end) <= 0) return false;
    if (ahead === 1) {
      // The next one in order is taken even past the window: it makes room.
      if (this.#isPaused && this.#waitingBytes >= RECEIVE_WINDOW_BYTES) return false;
      this.#advance();
      this.#handOn(payload);
      this.#drainEarly();
      return true;
    }
    if (this.#waitingBytes + payload.length > RECEIVE_WINDOW_BYTES) return false;
    if (this.#early[seq % RING] !== undefined) return false;
    this.#early[seq % RING] = payload;
    this.#earlyCount++;
    this.#waitingBytes += payload.length;
    if (ahead > this.#reach) this.#reach = ahead;
    return true;
  }

  /** The first FIN counts; one outside of the ring is forged or far too early. */
  handleFin(seq: number): void {
    const ahead = seqDistance(this.#ack, seq);
    if (this.#end !== undefined || ahead <= 0 || ahead >= RING || ahead <= this.#reach) return;
    this.#end = seq;
    this.#drainEarly();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#drainHeld();
  }

  /** Nobody reads any more: what comes is only acked. */
  discard(): void {
    this.#isPaused = false;
    for (const payload of this.#held) this.#waitingBytes -= payload.length;
    this.#held.length = 0;
  }

  /** Bits for `ack + 2` and on (BEP 29), a multiple of 4 bytes; undefined without a gap. */
  mask(): Uint8Array | undefined {
    if (this.#earlyCount === 0) return undefined;
    const bits = this.#reach - 1;
    const mask = new Uint8Array(Math.min(MAX_MASK_BYTES, 4 * Math.ceil(bits / 32)));
    for (let i = 0; i < bits; i++) {
      if (this.#early[((this.#ack + 2 + i) & 0xffff) % RING] !== undefined) {
        mask[i >>> 3] = (mask[i >>> 3] as number) | (1 << (i & 7));
      }
    }
    return mask;
  }

  #advance(): void {
    this.#ack = (this.#ack + 1) & 0xffff;
    if (this.#reach > 0) this.#reach--;
  }

  #drainEarly(): void {
    for (;;) {
      const next = (this.#ack + 1) & 0xffff;
      if (next === this.#end) {
        this.#advance();
        return;
      }
      const payload = this.#early[next % RING];
      if (payload === undefined) return;
      this.#early[next % RING] = undefined;
      this.#earlyCount--;
      this.#waitingBytes -= payload.length;
      this.#advance();
      this.#handOn(payload);
    }
  }

  #handOn(payload: Uint8Array): void {
    if (payload.length === 0) return;
    // What arrives while the reader is busy with the one before must not overtake it.
    if (this.#isPaused || this.#isDelivering || this.#held.length > 0) {
      this.#held.push(payload);
      this.#waitingBytes += payload.length;
      return;
    }
    this.#give(payload);
    // The reader may have paused and resumed in between.
    this.#drainHeld();
  }

  #drainHeld(): void {
    while (!this.#isPaused && !this.#isDelivering) {
      const payload = this.#held.shift();
      if (payload === undefined) return;
      this.#waitingBytes -= payload.length;
      this.#give(payload);
    }
  }

  #give(payload: Uint8Array): void {
    this.#isDelivering = true;
    try {
      this.#deliver(payload);
    } finally {
      this.#isDelivering = false;
    }
  }
}
