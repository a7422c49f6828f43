// Message stream encryption (MSE/PE) as a machine: bytes in, bytes out; no socket, no clock, chance injected.
import type { Rng } from '../base/clock.ts';
import type { EncryptionPolicy } from '../session/session-api.ts';

/** Works in place on the bytes of one read or write, in stream order. */
export interface StreamCipher {
  decrypt(bytes: Uint8Array): void;
  encrypt(bytes: Uint8Array): void;
}

export type MseStep =
  /** Send `send` (may be empty) and wait for more. */
  | { readonly kind: 'more'; readonly send: Uint8Array }
  /** Send `send` (final, as is), then `rest` is the peer's first decrypted payload. cipher undefined: plaintext was agreed. */
  | {
      readonly kind: 'done';
      readonly send: Uint8Array;
      readonly rest: Uint8Array;
      readonly cipher: StreamCipher | undefined;
      readonly infoHash: Uint8Array;
    }
  /** Incoming only: the peer speaks plain BitTorrent and the policy allows it; `rest` is all it sent so far. */
  | { readonly kind: 'plain'; readonly rest: Uint8Array }
  /** Drop the connection; outgoing under `prefer`: dial again in plain. */
  | { readonly kind: 'failed'; readonly reason: string };

export declare class MseInitiator {
  constructor(options: {
    infoHash: Uint8Array;
    rng: Rng;
    policy: EncryptionPolicy;
    initialPayload?: Uint8Array;
  });
  /** The first bytes to send. */
  start(): Uint8Array;
  /** `bytes` are copied; after done/failed it must not be called again. */
  receive(bytes: Uint8Array): MseStep;
}

export declare class MseResponder {
  /** @param findTorrent by the 40 hex digits of HASH('req2', info hash): see skeyHash */
  constructor(options: {
    findTorrent: (skeyHash: string) => Uint8Array | undefined;
    rng: Rng;
    policy: EncryptionPolicy;
  });
  receive(bytes: Uint8Array): MseStep;
}

/** Hex key under which a torrent is found by MseResponder. */
export declare function skeyHash(infoHash: Uint8Array): string;
