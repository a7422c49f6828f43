// The 68 bytes that open every connection which belongs to a relayed introduction. Shaped like a BitTorrent handshake with
// another 19-byte name, so that a listener tells it from BitTorrent and from MSE by its first 20 bytes. Pure.
import { bytesEqual, concatBytes, latin1 } from '../base/bytes.ts';

export const FRAME_BYTES = 68;
/** Length byte and protocol name: what tells a frame from anything else. */
export const FRAME_NAME_BYTES = 20;
/** Nonces and tickets alike. */
export const TOKEN_BYTES = 16;

const NAME = '\x13tt relay direct/1.0';
const SPLICE_NAME = '\x13tt relay splice/1.0';

/**
 * `splice`: to a relay, with a ticket. The others go between peers, with the nonce of the introduction: `reverse` and
 * `punch` ask to be answered by the same frame; `test` is a relay's dial-back and is not answered.
 */
export type FrameKind = 'splice' | 'reverse' | 'punch' | 'test';

export interface RelayFrame {
  readonly kind: FrameKind;
  /** 16 bytes: a ticket (splice) or a nonce. */
  readonly token: Uint8Array;
  /** 20 bytes: digest of the sender's key; zeros where it has none to show. */
  readonly sender: Uint8Array;
}

const KIND_CODES: Readonly<Record<FrameKind, number>> = { splice: 0, reverse: 1, punch: 2, test: 3 };
const DIRECT_KINDS: readonly (FrameKind | undefined)[] = [undefined, 'reverse', 'punch', 'test'];

const nameBytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const DIRECT = nameBytes(NAME);
const SPLICE = nameBytes(SPLICE_NAME);
const NO_SENDER = new Uint8Array(20);

export function encodeFrame(kind: FrameKind, token: Uint8Array, sender: Uint8Array = NO_SENDER): Uint8Array {
  const reserved = new Uint8Array(8);
  reserved[0] = KIND_CODES[kind];
  return concatBytes([kind === 'splice' ? SPLICE : DIRECT, reserved, token, new Uint8Array(4), sender]);
}

/**
 * Looks at the first bytes of a connection.
 * @returns 'more' while they may still become a frame's name, 'other' as soon as they cannot
 */
export function looksLikeFrame(bytes: Uint8Array): 'frame' | 'more' | 'other' {
  const length = Math.min(bytes.length, FRAME_NAME_BYTES);
  const start = bytes.subarray(0, length);
  const fits = bytesEqual(start, DIRECT.subarray(0, length)) || bytesEqual(start, SPLICE.subarray(0, length));
  if (!fits) return 'other';
  return length === FRAME_NAME_BYTES ? 'frame' : 'more';
}

/** @param bytes at least 68. @returns undefined when they are no frame of this version */
export function decodeFrame(bytes: Uint8Array): RelayFrame | undefined {
  if (bytes.length < FRAME_BYTES) return undefined;
  const name = bytes.subarray(0, FRAME_NAME_BYTES);
  const code = bytes[FRAME_NAME_BYTES] as number;
  const isSplice = bytesEqual(name, SPLICE);
  if (!isSplice && !bytesEqual(name, DIRECT)) return undefined;
  const kind = isSplice ? 'splice' : DIRECT_KINDS[code];
  if (kind === undefined) return undefined;
  return { kind, token: bytes.slice(28, 28 + TOKEN_BYTES), sender: bytes.slice(48, FRAME_BYTES) };
}

/** A token as a map key. */
export function tokenKey(token: Uint8Array): string {
  return latin1(token);
}
