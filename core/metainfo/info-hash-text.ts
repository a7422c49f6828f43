// Info hashes as people write them: 40 hex digits or 32 letters of base32 (BEP 9), 64 hex digits for v2, and the multihash
// of `urn:btmh` (BEP 52).
import { fromHex } from '../base/bytes.ts';
import { ID_BYTES, type InfoHash, infoHashOf } from '../base/ids.ts';

/** RFC 4648; each letter is five bits. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const BASE32_HASH_CHARS = 32;
const V2_HASH_BYTES = 32;
/** Multihash: function 0x12 is SHA2-256, length 0x20. */
const MULTIHASH_SHA256 = '1220';

/** `urn:btih:` value, any case. @returns undefined unless it is 40 hex digits or 32 base32 letters */
export function parseV1HashText(text: string): InfoHash | undefined {
  const bytes = text.length === BASE32_HASH_CHARS ? fromBase32(text) : fromHex(text);
  return bytes?.length === ID_BYTES ? infoHashOf(bytes) : undefined;
}

/** `urn:btmh:` value: a SHA2-256 multihash in hex. @returns its 32 bytes */
export function parseMultihashText(text: string): Uint8Array | undefined {
  return text.startsWith(MULTIHASH_SHA256) ? parseV2HashText(text.slice(MULTIHASH_SHA256.length)) : undefined;
}

/** 64 hex digits. @returns 32 bytes */
export function parseV2HashText(text: string): Uint8Array | undefined {
  const bytes = fromHex(text);
  return bytes?.length === V2_HASH_BYTES ? bytes : undefined;
}

function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array((text.length * 5) / 8);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const letter of text.toUpperCase()) {
    const value = BASE32.indexOf(letter);
    if (value < 0) return undefined;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >>> bits;
    }
  }
  return bytes;
}
