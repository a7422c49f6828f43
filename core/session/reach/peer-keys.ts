// By which key relays know the peers that we are connected with: a call for anybody of a torrent may lead to whom we have already.
import { toHex } from '../../base/bytes.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** Several calls of one peer wait together for somebody who was away: one call back answers them all. */
const CALLED_BACK_MS = 15_000;
const MAX_CALLED_BACK = 256;

export class PeerKeys {
  readonly #byStream = new WeakMap<ByteStream, string>();
  readonly #calledBackMs = new Map<string, number>();

  /** @returns whether the owner of the key is to be called back now; if so it is remembered */
  takeCallBack(key: Uint8Array, nowMs: number): boolean {
    const name = toHex(key);
    const lastMs = this.#calledBackMs.get(name);
    if (lastMs !== undefined && nowMs - lastMs < CALLED_BACK_MS) return false;
    this.#calledBackMs.delete(name);
    this.#calledBackMs.set(name, nowMs);
    if (this.#calledBackMs.size > MAX_CALLED_BACK)
      this.#calledBackMs.delete(this.#calledBackMs.keys().next().value as string);
    return true;
  }

  /** A stream that a relay led to. @param key undefined for a peer without a place at the relay */
  note(stream: ByteStream, key: Uint8Array | undefined): void {
    if (key !== undefined) this.#byStream.set(stream, toHex(key));
  }

  /** @param keyOf what is known of the peer otherwise */
  isConnected(
    key: Uint8Array | undefined,
    connections: Iterable<PeerConnection>,
    keyOf: (connection: PeerConnection) => Uint8Array | undefined,
  ): boolean {
    if (key === undefined) return false;
    const name = toHex(key);
    for (const connection of connections) {
      if (!connection.isAdmitted || connection.isClosing) continue;
      const known = keyOf(connection);
      if (this.#byStream.get(connection.stream) === name) return true;
      if (known !== undefined && toHex(known) === name) return true;
    }
    return false;
  }
}
