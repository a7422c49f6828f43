// What is known of peers that relays led to: how they said they can be reached, and by which key relays know them. A call for anybody of
// a torrent may lead to whom we have already.
import { toHex } from '../../base/bytes.ts';
import type { Candidate } from '../../discovery/candidates.ts';
import type { Reach } from '../../nat/ladder-reach.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** Several calls of one peer wait together for somebody who was away: one call back answers them all. */
const CALLED_BACK_MS = 15_000;
const MAX_CALLED_BACK = 256;

/** What a called peer said of itself. */
export interface CalledPeer {
  readonly reach: Reach;
  /** Undefined for a peer without a place at the relay. */
  readonly key: Uint8Array | undefined;
  readonly answeredAtMs: number;
}

export class CalledPeers {
  readonly #byCandidate = new WeakMap<Candidate, CalledPeer>();
  readonly #byStream = new WeakMap<ByteStream, string>();
  readonly #calledBackMs = new Map<string, number>();

  get(candidate: Candidate | undefined): CalledPeer | undefined {
    return candidate && this.#byCandidate.get(candidate);
  }

  set(candidate: Candidate, called: CalledPeer): void {
    this.#byCandidate.set(candidate, called);
  }

  /** A stream that a relay led to. @param key undefined for a peer without a place at the relay */
  noteStream(stream: ByteStream, key: Uint8Array | undefined): void {
    if (key !== undefined) this.#byStream.set(stream, toHex(key));
  }

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

  /** Whether one of these leads to the owner of the key. */
  isConnected(key: Uint8Array | undefined, connections: Iterable<PeerConnection>): boolean {
    if (key === undefined) return false;
    const name = toHex(key);
    for (const connection of connections) {
      if (!connection.isAdmitted || connection.isClosing) continue;
      const known = this.get(connection.candidate)?.key;
      if (this.#byStream.get(connection.stream) === name) return true;
      if (known !== undefined && toHex(known) === name) return true;
    }
    return false;
  }

  /** Whether one of these leads to the owner of the key through a relay, which passes its bytes on. */
  isSpliced(key: Uint8Array | undefined, connections: Iterable<PeerConnection>): boolean {
    return this.isConnected(
      key,
      [...connections].filter(({ stream }) => stream.transport === 'relayed'),
    );
  }
}
