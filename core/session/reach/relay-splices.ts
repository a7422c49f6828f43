// Bytes passed on between peers of our own swarms that have no straight way to each other: only where the user allowed it and we are
// in the open ourselves (design rule 10). What comes in is sorted first: a ticket that our own machine handed out, or a peer.
import type { Clock } from '../../base/clock.ts';
import { sortIncoming } from '../../relay/io/first-frame.ts';
import { SpliceDesk } from '../../relay/io/splice-desk.ts';
import type { RelayServer } from '../../relay/server.ts';
import type { Splice } from '../../relay/splices.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';

/** Connections that have not said what they are. */
const MAX_PENDING = 128;
/** For the 68 bytes of a frame, or the first of a handshake. */
const FIRST_WORDS_MS = 10_000;

export class RelaySplices {
  readonly #desk: SpliceDesk;
  readonly #pending = new Map<ByteStream, () => void>();
  readonly #onTicket: () => void;

  /** @param onTicket times of the machine may have moved */
  constructor(server: RelayServer, clock: Clock, onTicket: () => void) {
    this.#desk = new SpliceDesk(server, clock);
    this.#onTicket = onTicket;
  }

  /** @param onPeer gets whatever is no frame, with every byte that came */
  sort(stream: ByteStream, onPeer: (stream: ByteStream) => void): void {
    if (this.#pending.size >= MAX_PENDING) {
      // Nobody can say yet what it is; peers go first.
      onPeer(stream);
      return;
    }
    const giveUp = sortIncoming(stream, {
      onFrame: (_stream, frame, rest) => {
        this.#settle(stream);
        if (frame.kind === 'splice') this.#desk.handleTicket(stream, frame.token, rest);
        else stream.destroy();
        this.#onTicket();
      },
      onOther: () => {
        this.#settle(stream);
        onPeer(stream);
      },
      onGone: () => this.#settle(stream),
    });
    const timer = setTimeout(() => {
      this.#settle(stream);
      giveUp();
    }, FIRST_WORDS_MS);
    timer.unref();
    this.#pending.set(stream, () => clearTimeout(timer));
  }

  /** The machine says that it is over. */
  handleEnd(splice: Splice): void {
    this.#desk.handleEnd(splice);
  }

  close(): void {
    for (const [stream, settle] of this.#pending) {
      settle();
      stream.destroy();
    }
    this.#pending.clear();
    this.#desk.close();
  }

  #settle(stream: ByteStream): void {
    this.#pending.get(stream)?.();
    this.#pending.delete(stream);
  }
}
