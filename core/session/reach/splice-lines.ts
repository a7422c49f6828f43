// Connections to relays that are opened while both sides are still agreeing upon a splice: the ticket finds the connection there, and one round
// trip to the relay is saved. They go to relays that we speak with already and say nothing before the ticket; those that none comes for are dropped.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';

/** As long as a call and its ticket take; less than relays wait for the first word. */
const HOLD_MS = 6_000;
/** Calls that reach us may lie: beyond these, who gets a ticket dials then. */
const MAX_WAITING = 4;

interface Line {
  readonly relay: string;
  readonly timer: NodeJS.Timeout;
  /** Settles when the dial has ended, whichever way. */
  opened: Promise<void>;
  stream: ByteStream | undefined;
  isDropped: boolean;
}

export class SpliceLines {
  readonly #connect: (relay: Endpoint) => Promise<ByteStream>;
  readonly #waiting = new Set<Line>();
  #isClosed = false;

  /** @param connect dials a relay */
  constructor(connect: (relay: Endpoint) => Promise<ByteStream>) {
    this.#connect = connect;
  }

  /** A splice through this relay is about to be agreed upon. */
  prepare(relay: Endpoint): void {
    if (this.#isClosed || this.#waiting.size >= MAX_WAITING) return;
    const timer = setTimeout(() => this.#drop(line), HOLD_MS);
    timer.unref();
    const line: Line = {
      relay: endpointKey(relay),
      timer,
      opened: this.#connect(relay).then(
        (stream) => this.#hold(line, stream),
        () => this.#drop(line),
      ),
      stream: undefined,
      isDropped: false,
    };
    this.#waiting.add(line);
  }

  /** There is a ticket. @returns what was prepared where it stands, else a new connection; rejects as dials do */
  async take(relay: Endpoint): Promise<ByteStream> {
    const line = this.#to(relay);
    if (line !== undefined) {
      this.#waiting.delete(line);
      clearTimeout(line.timer);
      await line.opened;
      if (line.stream !== undefined) return line.stream;
    }
    return this.#connect(relay);
  }

  /** No splice came of it. */
  release(relay: Endpoint): void {
    const line = this.#to(relay);
    if (line !== undefined) this.#drop(line);
  }

  close(): void {
    this.#isClosed = true;
    for (const line of [...this.#waiting]) this.#drop(line);
  }

  #to(relay: Endpoint): Line | undefined {
    const key = endpointKey(relay);
    return [...this.#waiting].find((line) => line.relay === key);
  }

  #hold(line: Line, stream: ByteStream): void {
    if (line.isDropped) {
      stream.destroy();
      return;
    }
    line.stream = stream;
    stream.events = {
      // A relay has nothing to say before it has seen a ticket.
      onBytes: () => this.#drop(line),
      onDrain: () => {},
      onClose: () => {
        line.stream = undefined;
        this.#drop(line);
      },
    };
  }

  #drop(line: Line): void {
    line.isDropped = true;
    this.#waiting.delete(line);
    clearTimeout(line.timer);
    const { stream } = line;
    line.stream = undefined;
    stream?.destroy();
  }
}
