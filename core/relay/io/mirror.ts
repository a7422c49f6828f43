// What a relay shows to peers that want to know as whom TCP brings them here: one frame in, one out, on one connection. It is kept
// for as long as they punch, since routers may forget a mapping with its last connection. Nothing is dialled, nothing is passed on.
import type { ByteStream } from '../../transport/byte-stream.ts';
import { encodeMirrorAnswer } from '../frame.ts';
import { HeldConnections } from './held-connections.ts';

export class Mirror {
  /** Of one host as many as reservations: carriers share addresses. */
  readonly #held = new HeldConnections({ holdMs: 30_000, connections: 128, perHost: 8 });

  handleFrame(stream: ByteStream, token: Uint8Array): void {
    if (this.#held.hold(stream)) stream.write(encodeMirrorAnswer(token, stream.remote));
  }

  close(): void {
    this.#held.close();
  }
}
