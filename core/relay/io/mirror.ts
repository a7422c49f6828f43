// What a relay shows to peers that want to know as whom TCP brings them here: one frame in, one out, on one connection. It is kept
// for as long as they punch, since routers may forget a mapping with its last connection. Nothing is dialled, nothing is passed on.
import type { ByteStream } from '../../transport/byte-stream.ts';
import { hostPrefix } from '../addresses.ts';
import { encodeMirrorAnswer } from '../frame.ts';

/** Peers close them sooner. */
const HOLD_MS = 30_000;
const MAX_HELD = 128;
/** As many as reservations: carriers share addresses. */
const MAX_OF_HOST = 8;

interface Held {
  readonly host: string;
  readonly timer: NodeJS.Timeout;
}

export class Mirror {
  readonly #held = new Map<ByteStream, Held>();

  get count(): number {
    return this.#held.size;
  }

  handleFrame(stream: ByteStream, token: Uint8Array): void {
    const host = hostPrefix(stream.remote.host);
    const ofHost = [...this.#held.values()].filter((each) => each.host === host).length;
    if (this.#held.size >= MAX_HELD || ofHost >= MAX_OF_HOST) {
      stream.destroy();
      return;
    }
    const timer = setTimeout(() => stream.destroy(), HOLD_MS);
    timer.unref();
    this.#held.set(stream, { host, timer });
    stream.events = {
      // It has nothing more to say.
      onBytes: () => stream.destroy(),
      onDrain: () => {},
      onClose: () => {
        clearTimeout(timer);
        this.#held.delete(stream);
      },
    };
    stream.write(encodeMirrorAnswer(token, stream.remote));
  }

  close(): void {
    for (const stream of [...this.#held.keys()]) stream.destroy();
  }
}
