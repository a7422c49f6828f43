// Branded identifiers: only the checking constructors here make them, so a PeerId cannot pass as an InfoHash.
import { fromHex, toHex } from './bytes.ts';
import { invariant } from './result.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** 20 bytes: SHA-1 of the raw `info` bytes (BEP 3), or a truncated SHA-256 (BEP 52). */
export type InfoHash = Branded<Uint8Array, 'InfoHash'>;
/** 20 bytes: a peer's id (BEP 3, BEP 20). */
export type PeerId = Branded<Uint8Array, 'PeerId'>;

export const ID_BYTES = 20;

function checked<T>(bytes: Uint8Array, what: string): T {
  invariant(bytes.length === ID_BYTES, `${what} must be ${ID_BYTES} bytes, got ${bytes.length}`);
  return bytes as T;
}

/** @param bytes exactly 20. @throws InvariantError */
export function infoHashOf(bytes: Uint8Array): InfoHash {
  return checked(bytes, 'info hash');
}
/** @param bytes exactly 20. @throws InvariantError */
export function peerIdOf(bytes: Uint8Array): PeerId {
  return checked(bytes, 'peer id');
}

/** @returns undefined unless `text` is 40 hex digits. */
export function infoHashFromHex(text: string): InfoHash | undefined {
  const bytes = fromHex(text);
  return bytes?.length === ID_BYTES ? infoHashOf(bytes) : undefined;
}

export { toHex };
