// A node's address as 32-bit words, so that tables, limits and transactions compare integers; the text form is made only
// when somebody wants it. Owns scopes (what may be gossiped to whom) and compact forms (BEP 5: 6 bytes, BEP 32: 18 bytes).
import { type Endpoint, formatIp, parseIp } from '../../core/base/endpoint.ts';

/** The two DHTs of BEP 32: they share nothing but the process. */
export type Family = 4 | 6;

/** Where an address means something: gossip across scopes is refused. */
export type Scope = 'global' | 'private' | 'loopback' | 'unusable';

/**
 * A map key for one IP address; IPv6 by /64, because a host has all of one. IPv4 keys are exact; the others are 52 mixed bits,
 * which nobody can make collide with an address that is not theirs.
 */
export type HostKey = number;

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** An IP address and UDP port; immutable. IPv4 uses `w0` only. Words are signed 32-bit, big-endian. */
export class DhtAddress implements Endpoint {
  readonly family: Family;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly port: number;
  #host: string | undefined;

  private constructor(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
    host: string | undefined,
  ) {
    this.family = family;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
    this.port = port;
    this.#host = host;
  }

  /** @param w0 the four octets as one signed 32-bit word */
  static v4(w0: number, port: number): DhtAddress {
    return new DhtAddress(4, w0 | 0, 0, 0, 0, port, undefined);
  }

  static v6(w0: number, w1: number, w2: number, w3: number, port: number): DhtAddress {
    return new DhtAddress(6, w0 | 0, w1 | 0, w2 | 0, w3 | 0, port, undefined);
  }

  /** @returns undefined when `host` is not an IP address or the port is not 1 to 65535 */
  static of(endpoint: Endpoint): DhtAddress | undefined {
    if (endpoint instanceof DhtAddress) return endpoint;
    const { host, port } = endpoint;
    if (!Number.isInteger(port) || port < 1 || port > 65535) return undefined;
    const v4 = fastV4(host);
    if (v4 !== undefined) return new DhtAddress(4, v4, 0, 0, 0, port, host);
    const zone = host.indexOf('%');
    const bytes = parseIp(zone < 0 ? host : host.slice(0, zone));
    if (bytes === undefined) return undefined;
    if (bytes.length === 4) return DhtAddress.v4(word(bytes, 0), port);
    const w0 = word(bytes, 0);
    const w1 = word(bytes, 4);
    const w2 = word(bytes, 8);
    const w3 = word(bytes, 12);
    // A dual-stack socket shows IPv4 senders as ::ffff:a.b.c.d.
    if (w0 === 0 && w1 === 0 && w2 === 0xffff) return DhtAddress.v4(w3, port);
    return DhtAddress.v6(w0, w1, w2, w3, port);
  }

  /** Reads 6 or 18 bytes at `at`; the caller has checked that they are there. Port 0 comes out as it is. */
  static fromCompact(family: Family, bytes: Uint8Array, at: number): DhtAddress {
    if (family === 4) {
      const port = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
      return DhtAddress.v4(word(bytes, at), port);
    }
    const port = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
    return DhtAddress.v6(
      word(bytes, at),
      word(bytes, at + 4),
      word(bytes, at + 8),
      word(bytes, at + 12),
      port,
    );
  }

  /** Textual IP address in RFC 5952 form. */
  get host(): string {
    this.#host ??= formatIp(this.ip());
    return this.#host;
  }

  /** 4 or 16 bytes. */
  ip(): Uint8Array {
    const bytes = new Uint8Array(this.family === 4 ? 4 : 16);
    this.writeIp(bytes, 0);
    return bytes;
  }

  /** @returns how many bytes were written: 4 or 16 */
  writeIp(bytes: Uint8Array, at: number): number {
    putWord(bytes, at, this.w0);
    if (this.family === 4) return 4;
    putWord(bytes, at + 4, this.w1);
    putWord(bytes, at + 8, this.w2);
    putWord(bytes, at + 12, this.w3);
    return 16;
  }

  /** @returns how many bytes were written: 6 or 18 */
  writeCompact(bytes: Uint8Array, at: number): number {
    const length = this.writeIp(bytes, at);
    bytes[at + length] = this.port >>> 8;
    bytes[at + length + 1] = this.port;
    return length + 2;
  }

  withPort(port: number): DhtAddress {
    return new DhtAddress(this.family, this.w0, this.w1, this.w2, this.w3, port, this.#host);
  }

  equals(other: DhtAddress): boolean {
    return this.port === other.port && this.sameHost(other);
  }

  sameHost(other: DhtAddress): boolean {
    return (
      this.w0 === other.w0 &&
      this.w1 === other.w1 &&
      this.w2 === other.w2 &&
      this.w3 === other.w3 &&
      this.family === other.family
    );
  }

  /** Is its IP address what stands at `at`, in the compact form of its family? The caller has checked the length. */
  isHostAt(bytes: Uint8Array, at: number): boolean {
    return (
      this.w0 === word(bytes, at) &&
      (this.family === 4 ||
        (this.w1 === word(bytes, at + 4) &&
          this.w2 === word(bytes, at + 8) &&
          this.w3 === word(bytes, at + 12)))
    );
  }

  get scope(): Scope {
    return this.family === 4 ? scopeOfV4(this.w0) : scopeOfV6(this);
  }

  /**
   * One key for one host: what limits and "one node per IP" count by. On a loopback or private network many nodes share a
   * machine, so that there the port belongs to the key.
   */
  get hostKey(): HostKey {
    const { w0, w1, w2, w3, port } = this;
    if (this.family === 4)
      return scopeOfV4(w0) === 'global' ? w0 : LOCAL_V4_KEYS + (w0 >>> 0) * 2 ** 16 + port;
    if (scopeOfV6(this) === 'global') return keyOf(mixed(mixed(1, w0), w1), mixed(mixed(2, w1), w0));
    const low = mixed(mixed(mixed(mixed(3, w0), w1), w2), w3);
    return keyOf(mixed(low, port), mixed(mixed(low, w3), port));
  }
}

/** Beyond all 32-bit keys. */
const LOCAL_V4_KEYS = 2 ** 49;
const V6_KEYS = 2 ** 33;
const HIGH_KEY_BITS = 20;

/** One step of a 32-bit hash (murmur3's). */
function mixed(hash: number, value: number): number {
  const k = Math.imul(value, 0xcc9e2d51);
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const turned = (h << 13) | (h >>> 19);
  const next = (Math.imul(turned, 5) + 0xe6546b64) | 0;
  return next ^ (next >>> 15);
}

/** Negative, so that no IPv4 key meets one. */
function keyOf(low: number, high: number): HostKey {
  return -(V6_KEYS + (high >>> (32 - HIGH_KEY_BITS)) * 2 ** 32 + (low >>> 0));
}

/** What sockets hand us with every datagram: a dotted quad in canonical form. Anything else goes the strict, slow way. */
function fastV4(text: string): number | undefined {
  let ip = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (octet === 0) return undefined;
      octet = (octet < 0 ? 0 : octet) * 10 + digit;
      if (octet > 255) return undefined;
    } else if (digit === -2 && octet >= 0 && dots < 3) {
      ip = (ip << 8) | octet;
      octet = -1;
      dots++;
    } else return undefined;
  }
  return dots === 3 && octet >= 0 ? (ip << 8) | octet : undefined;
}

/** Bytes of an address with port: BEP 5, BEP 32. */
export function compactBytes(family: Family): 6 | 18 {
  return family === 4 ? 6 : 18;
}

export function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Signed 32-bit big-endian. */
export { word as getWord };

function scopeOfV4(ip: number): Scope {
  const first = ip >>> 24;
  const second = (ip >>> 16) & 0xff;
  if (first === 127) return 'loopback';
  // 0/8 is "this network", 224/4 multicast, 240/4 reserved and broadcast.
  if (first === 0 || first >= 224) return 'unusable';
  if (first === 10 || (first === 172 && second >= 16 && second < 32)) return 'private';
  if ((first === 192 && second === 168) || (first === 169 && second === 254)) return 'private';
  // RFC 6598, carrier-grade NAT: nobody outside reaches it.
  if (first === 100 && second >= 64 && second < 128) return 'private';
  return 'global';
}

function scopeOfV6(address: DhtAddress): Scope {
  const { w0, w1, w2, w3 } = address;
  if (w0 === 0 && w1 === 0 && w2 === 0) return w3 === 1 ? 'loopback' : 'unusable';
  const first = w0 >>> 24;
  if (first === 0xff) return 'unusable';
  // fe80::/10 link-local, fc00::/7 unique local.
  if (w0 >>> 22 === 0x3fa || first >>> 1 === 0x7e) return 'private';
  // An IPv4 address in IPv6 clothes belongs to the other DHT.
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return 'unusable';
  return 'global';
}
