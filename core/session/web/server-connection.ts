// The connection to a web seed's server: one at a time, read as far as the download limit allows, its bytes counted over all there were.
import { asOperationError } from '../../base/result.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { FilePlace } from '../../webseed/file-urls.ts';
import type { SessionShared } from '../shared.ts';

export interface ServerEvents {
  /** @param isLocal the server is on this machine or network */
  onOpened(isLocal: boolean, nowMs: number): void;
  /** The bytes are lent until this returns. */
  onBytes(bytes: Uint8Array, nowMs: number): void;
  /** The download limit holds the reading, or lets it go. */
  onHeld(isHeld: boolean, nowMs: number): void;
  /** It ended, or never stood. @param why undefined when the server simply closed it @param isFinal it will not be otherwise the next time */
  onClosed(why: string | undefined, isFinal: boolean, nowMs: number): void;
  /** After each of these but `onHeld`, and what followed from it. */
  onTold(): void;
}

const silent = { onBytes: (): void => {}, onDrain: (): void => {}, onClose: (): void => {} };

export class ServerConnection {
  readonly #shared: SessionShared;
  readonly #events: ServerEvents;
  #stream: ByteStream | undefined;
  #dialling: AbortController | undefined;
  /** Of connections that are gone. */
  #closedReceived = 0;
  #closedSent = 0;
  #heldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(shared: SessionShared, events: ServerEvents) {
    this.#shared = shared;
    this.#events = events;
  }

  /** When the download limit last let it read again; Infinity while it holds it. */
  get heldUntilMs(): number {
    return this.#heldUntilMs;
  }
  /** HTTP and TLS included. */
  get receivedBytes(): number {
    return this.#closedReceived + (this.#stream?.receivedBytes ?? 0);
  }
  get sentBytes(): number {
    return this.#closedSent + (this.#stream?.sentBytes ?? 0);
  }

  open(place: FilePlace): void {
    const given = new AbortController();
    this.#dialling = given;
    this.#shared
      .connectToWeb(place.url, place.mayBeLocal, given.signal)
      .then(({ stream, isLocal }) => {
        if (given.signal.aborted) {
          stream.destroy();
          return;
        }
        this.#dialling = undefined;
        this.#stream = stream;
        stream.events = {
          onBytes: (bytes) => this.#onBytes(bytes),
          onDrain: () => {},
          onClose: (error) => this.#onClose(stream, error),
        };
        this.#events.onOpened(isLocal, this.#shared.clock.nowMs());
        this.#events.onTold();
      })
      .catch((error: unknown) => {
        if (given.signal.aborted) return;
        this.#dialling = undefined;
        const { slug, message } = asOperationError(error);
        this.#events.onClosed(message, slug === 'refused', this.#shared.clock.nowMs());
        this.#events.onTold();
      });
  }

  send(bytes: Uint8Array): void {
    this.#stream?.write(bytes);
  }

  /** Nothing more is heard of it. */
  hangUp(): void {
    this.#dialling?.abort();
    this.#dialling = undefined;
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#forget(stream);
    stream.destroy();
  }

  #onBytes(bytes: Uint8Array): void {
    const { downLimiter, clock } = this.#shared;
    this.#events.onBytes(bytes, clock.nowMs());
    downLimiter.spend(bytes.length);
    const stream = this.#stream;
    if (stream !== undefined && !downLimiter.isOpen()) {
      stream.pause();
      this.#heldUntilMs = Number.POSITIVE_INFINITY;
      this.#events.onHeld(true, clock.nowMs());
      downLimiter.whenOpen(() => this.#resumeReading(stream));
    }
    this.#events.onTold();
  }

  #resumeReading(stream: ByteStream): void {
    if (stream !== this.#stream) return;
    const { downLimiter } = this.#shared;
    if (!downLimiter.isOpen()) {
      downLimiter.whenOpen(() => this.#resumeReading(stream));
      return;
    }
    this.#letGo();
    stream.resume();
  }

  #onClose(stream: ByteStream, error: Error | undefined): void {
    if (stream !== this.#stream) return;
    this.#forget(stream);
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    const why = error === undefined ? undefined : `the connection broke (${code ?? error.message})`;
    this.#events.onClosed(why, false, this.#shared.clock.nowMs());
    this.#events.onTold();
  }

  #forget(stream: ByteStream): void {
    stream.events = silent;
    this.#stream = undefined;
    this.#closedReceived += stream.receivedBytes ?? 0;
    this.#closedSent += stream.sentBytes ?? 0;
    if (this.#heldUntilMs === Number.POSITIVE_INFINITY) this.#letGo();
  }

  #letGo(): void {
    this.#heldUntilMs = this.#shared.clock.nowMs();
    this.#events.onHeld(false, this.#heldUntilMs);
  }
}
