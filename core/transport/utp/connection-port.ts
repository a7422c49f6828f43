// What one uTP connection is given, and what it tells.
import type { SendPacket, SendProbe } from './sender.ts';

export interface ConnectionEvents {
  /** The handshake is done. */
  onOpen(): void;
  /** The receiver owns `payload`. */
  onBytes(payload: Uint8Array): void;
  /** Little or nothing of what was written still waits to be sent. */
  onDrain(): void;
  /** Exactly once; `code` undefined: the peer ended. Nothing is delivered after it; `isGone` follows later. */
  onClose(code: string | undefined): void;
}

export interface ConnectionIds {
  readonly receive: number;
  readonly send: number;
}

export interface ConnectionOptions {
  readonly ids: ConnectionIds;
  readonly family: 4 | 6;
  /** Packets to the peer never leave this machine. */
  readonly isLoopback: boolean;
  /** Hop limit of the first SYN, and for how long. */
  readonly firstTtl?: number;
  readonly firstTtlMs?: number;
}

export interface ConnectionParts {
  readonly send: SendPacket;
  readonly sendProbe?: SendProbe | undefined;
  readonly events: ConnectionEvents;
  /** For a SYN that is repeated; undefined: there are none left. Without it the same ones. */
  readonly moreIds?: () => ConnectionIds | undefined;
}
