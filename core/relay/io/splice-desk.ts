// The streams of splices: ends that wait for each other, pairs that are pumped, all of them by the numbers the machine knows.
import { concatBytes, EMPTY_BYTES } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { RelayServer } from '../server.ts';
import type { Splice, StreamId } from '../splices.ts';
import { SplicePump } from './splice-pump.ts';

interface Waiting {
  readonly stream: ByteStream;
  splice: Splice | undefined;
  /** What came before the other end was there. */
  early: Uint8Array;
}

/** A paused stream delivers one more read at the most. */
const MAX_EARLY_BYTES = 512 * 1024;

export class SpliceDesk {
  readonly #server: RelayServer;
  readonly #clock: Clock;
  readonly #waiting = new Map<StreamId, Waiting>();
  readonly #pumps = new Map<number, SplicePump>();
  #lastId = 0;

  constructor(server: RelayServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  handleTicket(stream: ByteStream, ticket: Uint8Array, rest: Uint8Array): void {
    const id = this.#hold(stream, rest.slice());
    const splice = this.#server.redeem(ticket, id, this.#clock.nowMs());
    this.#proceed(id, splice);
  }

  handleProxied(stream: ByteStream, port: number): void {
    const id = this.#hold(stream, EMPTY_BYTES);
    const { remote } = stream;
    const splice = this.#server.handleProxyConnection(port, id, remote, this.#clock.nowMs());
    this.#proceed(id, splice);
  }

  /** The machine says that it is over. */
  handleEnd(splice: Splice): void {
    this.#pumps.get(splice.id)?.close();
    this.#pumps.delete(splice.id);
    for (const id of splice.streams) {
      const waiting = id === undefined ? undefined : this.#waiting.get(id);
      if (id === undefined || waiting === undefined) continue;
      this.#waiting.delete(id);
      waiting.stream.destroy();
    }
  }

  close(): void {
    for (const pump of this.#pumps.values()) pump.close();
    for (const { stream } of this.#waiting.values()) stream.destroy();
    this.#pumps.clear();
    this.#waiting.clear();
  }

  #hold(stream: ByteStream, early: Uint8Array): StreamId {
    const id = ++this.#lastId;
    const waiting: Waiting = { stream, splice: undefined, early };
    this.#waiting.set(id, waiting);
    stream.events = {
      onBytes: (bytes) => {
        if (waiting.early.length + bytes.length > MAX_EARLY_BYTES) stream.destroy();
        else waiting.early = concatBytes([waiting.early, bytes]);
      },
      onDrain: () => {},
      onClose: () => {
        this.#waiting.delete(id);
        if (waiting.splice !== undefined) this.#server.handleSpliceEnd(waiting.splice, 'closed');
      },
    };
    stream.pause();
    return id;
  }

  #proceed(id: StreamId, splice: Splice | undefined): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (splice === undefined) {
      this.#waiting.delete(id);
      waiting.stream.destroy();
      return;
    }
    waiting.splice = splice;
    const [a, b] = splice.streams;
    const first = a === undefined ? undefined : this.#waiting.get(a);
    const second = b === undefined ? undefined : this.#waiting.get(b);
    if (splice.startedAtMs === undefined || first === undefined || second === undefined) return;
    this.#waiting.delete(a as StreamId);
    this.#waiting.delete(b as StreamId);
    const pump = new SplicePump(
      this.#server,
      this.#clock,
      splice,
      [first.stream, second.stream],
      [first.early, second.early],
    );
    // It may have ended with its first bytes.
    if (this.#server.splices.get(splice.id) !== undefined) this.#pumps.set(splice.id, pump);
  }
}
