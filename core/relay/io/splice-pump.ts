// Copies bytes between the two connections of a splice, as fast as its limits and the slower end allow, and counts them.
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { RelayServer } from '../server.ts';
import type { Direction, Splice, SpliceEnd } from '../splices.ts';

/** More than this unsent and the sender is paused: a relay's memory is not for others' bytes. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** For the last bytes of a splice that is over. */
const LINGER_MS = 2_000;

export class SplicePump {
  readonly splice: Splice;
  readonly #server: RelayServer;
  readonly #clock: Clock;
  readonly #streams: readonly [ByteStream, ByteStream];
  /** Why each end is not read: its limit, or the other end. */
  readonly #timers: [NodeJS.Timeout | undefined, NodeJS.Timeout | undefined] = [undefined, undefined];
  readonly #isFull: [boolean, boolean] = [false, false];
  #isClosed = false;

  /** @param early what came from each end before the other was there */
  constructor(
    server: RelayServer,
    clock: Clock,
    splice: Splice,
    streams: readonly [ByteStream, ByteStream],
    early: readonly [Uint8Array, Uint8Array],
  ) {
    this.splice = splice;
    this.#server = server;
    this.#clock = clock;
    this.#streams = streams;
    for (const side of [0, 1] as const) {
      streams[side].events = {
        onBytes: (bytes) => this.#pass(side, bytes),
        onDrain: () => this.#handleDrain(side),
        onClose: () => this.#end('closed'),
      };
    }
    for (const side of [0, 1] as const) {
      if (early[side].length > 0) this.#pass(side, early[side]);
      if (!this.#isClosed) this.#update(side);
    }
  }

  /** Ends both connections once what was passed on has left. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const side of [0, 1] as const) {
      clearTimeout(this.#timers[side]);
      const stream = this.#streams[side];
      if (stream.queuedBytes === 0) stream.destroy();
      else this.#endWhenSent(stream);
    }
  }

  /** A last piece is still on its way out; an end that does not read loses it. */
  #endWhenSent(stream: ByteStream): void {
    const timer = setTimeout(() => stream.destroy(), LINGER_MS);
    stream.pause();
    stream.events = {
      onBytes: () => {},
      onDrain: () => stream.destroy(),
      onClose: () => clearTimeout(timer),
    };
  }

  #pass(from: Direction, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    const to = this.#streams[from === 0 ? 1 : 0];
    const passed = this.#server.passBytes(this.splice, from, bytes.length, this.#clock.nowMs());
    // A copy: the buffer belongs to all sockets.
    if (passed > 0) to.write(bytes.slice(0, passed));
    if (passed < bytes.length || this.#server.splices.isUsedUp(this.splice, from)) this.#end('bytes');
    else this.#update(from);
  }

  #update(side: Direction): void {
    const other = side === 0 ? 1 : 0;
    const nowMs = this.#clock.nowMs();
    this.#isFull[side] = this.#streams[other].queuedBytes > MAX_UNSENT_BYTES;
    const openAtMs = this.#server.splices.openAtMs(this.splice, side, nowMs);
    if (openAtMs > nowMs && this.#timers[side] === undefined) {
      this.#timers[side] = setTimeout(() => {
        this.#timers[side] = undefined;
        if (!this.#isClosed) this.#update(side);
      }, openAtMs - nowMs);
    }
    if (this.#timers[side] !== undefined || this.#isFull[side]) this.#streams[side].pause();
    else this.#streams[side].resume();
  }

  /** What an end was sent has left: the other one may go on. */
  #handleDrain(side: Direction): void {
    const other = side === 0 ? 1 : 0;
    if (!this.#isClosed && this.#isFull[other]) this.#update(other);
  }

  #end(end: SpliceEnd): void {
    if (this.#isClosed) return;
    // Calls `close` through the machine's port.
    this.#server.handleSpliceEnd(this.splice, end);
    this.close();
  }
}
