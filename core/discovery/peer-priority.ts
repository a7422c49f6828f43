// Canonical peer priority (BEP 40): both ends of a connection arrive at the same number, and nobody can choose it.
import { compareBytes, concatBytes } from '../base/bytes.ts';
import { type Endpoint, parseIp } from '../base/endpoint.ts';

/** Castagnoli, reflected. */
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
  return crc;
});
/** What a bit pattern leaves of the part of an address that is easy to choose. */
const MASKED = 0x55;
/** Whole bytes that always count: /16 of IPv4, /48 of IPv6. */
const PREFIX_BYTES_V4 = 2;
const PREFIX_BYTES_V6 = 6;

/** CRC32-C (Castagnoli), unsigned, as BEPs 40 and 42 use it. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC32C_TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * @param own our address as the peer sees it
 * @returns 0 to 2^32 - 1, higher is better; 0 when the two are not of one family
 */
export function peerPriority(own: Endpoint, peer: Endpoint): number {
  const a = parseIp(own.host);
  const b = parseIp(peer.host);
  if (a === undefined || b === undefined || a.length !== b.length) return 0;
  if (compareBytes(a, b) === 0) {
    const [low, high] = own.port < peer.port ? [own.port, peer.port] : [peer.port, own.port];
    return crc32c(Uint8Array.of(low >>> 8, low, high >>> 8, high));
  }
  let shared = 0;
  while (a[shared] === b[shared]) shared++;
  // The mask leaves one byte whole beyond the shared ones, and never less than the prefix.
  const prefix = a.length === 4 ? PREFIX_BYTES_V4 : PREFIX_BYTES_V6;
  const whole = Math.max(prefix, shared + 1);
  for (let i = whole; i < a.length; i++) {
    a[i] = (a[i] as number) & MASKED;
    b[i] = (b[i] as number) & MASKED;
  }
  return crc32c(concatBytes(compareBytes(a, b) < 0 ? [a, b] : [b, a]));
}
