// UDP connection ids without state (BEP 15): a keyed hash of the sender's address and the minute. Whoever sends one back can
// receive at that address, so no reply larger than its request ever goes to a forged one. Pure: key and time come in.
import { createHmac } from 'node:crypto';
import { bytesEqual, concatBytes, writeU64 } from '../core/base/bytes.ts';
import { CONNECTION_ID_BYTES } from './udp-codec.ts';

/** BEP 15: a tracker should take an id for two minutes. */
const WINDOW_MS = 60_000;
const ACCEPTED_WINDOWS = 3;

export class ConnectionIds {
  readonly #key: Uint8Array;

  /** @param key at least 16 random bytes, new in every process */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  issue(ip: Uint8Array, nowMs: number): Uint8Array {
    return this.#idOf(ip, Math.floor(nowMs / WINDOW_MS));
  }

  /** Accepts ids for two to three minutes. */
  isValid(connectionId: Uint8Array, ip: Uint8Array, nowMs: number): boolean {
    const window = Math.floor(nowMs / WINDOW_MS);
    for (let age = 0; age < ACCEPTED_WINDOWS; age++) {
      if (window - age >= 0 && bytesEqual(connectionId, this.#idOf(ip, window - age))) return true;
    }
    return false;
  }

  #idOf(ip: Uint8Array, window: number): Uint8Array {
    const time = new Uint8Array(8);
    writeU64(time, 0, window);
    const digest = createHmac('sha256', this.#key)
      .update(concatBytes([time, ip]))
      .digest();
    return Uint8Array.from(digest.subarray(0, CONNECTION_ID_BYTES));
  }
}
