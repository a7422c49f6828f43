// The 68 bytes that open a connection between a relay and a peer which is no control connection. Shaped like a BitTorrent handshake
// with another 19-byte name, so that a listener tells it from BitTorrent and from MSE by its first 20 bytes. Pure.
import { bytesEqual, concatBytes, latin1 } from '../base/bytes.ts';
import { decodeCompact, type Endpoint, encodeCompact } from '../base/endpoint.ts';

export const FRAME_BYTES = 68;
/** Length byte and protocol name: what tells a frame from anything else. */
const FRAME_NAME_BYTES = 20;
/** Nonces and tickets alike. */
export const TOKEN_BYTES = 16;

/**
 * `splice`: to a relay, with a ticket. `test`: a relay's dial-back, with the nonce of the question; also as a datagram. `mirror`: to
 * a relay, which answers with another one: the same token, and the endpoint that it sees. `fathom`: how far away our own gateways are (fathom.ts).
 */
export type FrameKind = 'splice' | 'test' | 'mirror' | 'fathom';

export interface RelayFrame {
  readonly kind: FrameKind;
  /** 16 bytes: a ticket (splice) or a nonce. */
  readonly token: Uint8Array;
  /** 20 bytes: digest of the sender's key; zeros where it has none to show. */
  readonly sender: Uint8Array;
}

const nameBytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const NAMES: Readonly<Record<FrameKind, Uint8Array>> = {
  splice: nameBytes('\x13tt relay splice/1.0'),
  test: nameBytes('\x13tt relay answer/1.0'),
  mirror: nameBytes('\x13tt relay mirror/1.0'),
  fathom: nameBytes('\x13tt relay fathom/1.0'),
};
const KINDS: readonly FrameKind[] = ['splice', 'test', 'mirror', 'fathom'];
/** For later versions. */
const RESERVED = new Uint8Array(8);
export const SENDER_BYTES = 20;
const NO_SENDER = new Uint8Array(SENDER_BYTES);

export function encodeFrame(kind: FrameKind, token: Uint8Array, sender: Uint8Array = NO_SENDER): Uint8Array {
  return concatBytes([NAMES[kind], RESERVED, token, new Uint8Array(4), sender]);
}

/**
 * Looks at the first bytes of a connection.
 * @returns 'more' while they may still become a frame's name, 'other' as soon as they cannot
 */
export function looksLikeFrame(bytes: Uint8Array): 'frame' | 'more' | 'other' {
  const length = Math.min(bytes.length, FRAME_NAME_BYTES);
  const start = bytes.subarray(0, length);
  if (!KINDS.some((kind) => bytesEqual(start, NAMES[kind].subarray(0, length)))) return 'other';
  return length === FRAME_NAME_BYTES ? 'frame' : 'more';
}

/** @returns undefined when the bytes do not begin with a frame */
export function decodeFrame(bytes: Uint8Array): RelayFrame | undefined {
  if (bytes.length < FRAME_BYTES) return undefined;
  const name = bytes.subarray(0, FRAME_NAME_BYTES);
  const kind = KINDS.find((each) => bytesEqual(name, NAMES[each]));
  if (kind === undefined) return undefined;
  return { kind, token: bytes.slice(28, 28 + TOKEN_BYTES), sender: bytes.slice(48, FRAME_BYTES) };
}

/** What a relay sees, in place of the sender: 6 or 18, so many bytes of address and port, zeros. */
export function encodeMirrorAnswer(token: Uint8Array, seen: Endpoint): Uint8Array {
  const compact = encodeCompact(seen);
  const rest = new Uint8Array(SENDER_BYTES - 1 - compact.length);
  return encodeFrame('mirror', token, concatBytes([Uint8Array.of(compact.length), compact, rest]));
}

/** @returns undefined when it says nothing of use */
export function seenInMirror({ kind, sender }: RelayFrame): Endpoint | undefined {
  const length = sender[0] as number;
  if (kind !== 'mirror' || (length !== 6 && length !== 18)) return undefined;
  return decodeCompact(sender.subarray(1, 1 + length), length, 1)[0];
}

/** A token as a map key. */
export function tokenKey(token: Uint8Array): string {
  return latin1(token);
}
