// The opt-out file: prefixes of those who do not want to be asked, one a line. Looked at before anything is sent.
import { readU32 } from '../../core/base/bytes.ts';
import { formatIp, parseIp } from '../../core/base/endpoint.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import type { DhtAddress, Family } from '../base/address.ts';

/** Beyond that it is no list of people any more. */
const MAX_PREFIXES = 100_000;

interface Prefix {
  readonly ip: Uint8Array;
  readonly bits: number;
}

/** @returns undefined when it is none */
function prefixOf(word: string): Prefix | undefined {
  const [host, length, ...rest] = word.split('/');
  const ip = parseIp(host as string);
  const most = (ip?.length ?? 0) * 8;
  const bits = length === undefined ? most : /^[0-9]{1,3}$/.test(length) ? Number(length) : -1;
  return ip === undefined || rest.length > 0 || bits < 0 || bits > most ? undefined : { ip, bits };
}

export class OptOut {
  /** IPv4 by length: first words. */
  readonly #v4 = new Map<number, Set<number>>();
  /** IPv6 by length: masked addresses as text. */
  readonly #v6 = new Map<number, Set<string>>();
  /** Each once, as `192.0.2.0/24`. */
  readonly prefixes: readonly string[];

  private constructor(prefixes: readonly Prefix[]) {
    const texts = new Set<string>();
    for (const { ip, bits } of prefixes) {
      const first = masked(ip, bits);
      const text = formatIp(first);
      texts.add(`${text}/${bits}`);
      if (ip.length === 4) add(this.#v4, bits, readU32(first, 0) | 0);
      else add(this.#v6, bits, text);
    }
    this.prefixes = [...texts];
  }

  static readonly none = new OptOut([]);

  get size(): number {
    return this.prefixes.length;
  }

  /** Lines `192.0.2.0/24`, `2001:db8::/32`, `198.51.100.7`; `#` begins a comment. */
  static parse(text: string): Result<OptOut> {
    const prefixes: Prefix[] = [];
    for (const [index, line] of text.split('\n').entries()) {
      const word = line.replace(/#.*/, '').trim();
      if (word === '') continue;
      const prefix = prefixOf(word);
      if (prefix === undefined)
        return reject(`line ${index + 1}: "${word.slice(0, 60)}" is no address or prefix like 192.0.2.0/24`);
      if (prefixes.push(prefix) > MAX_PREFIXES) return reject(`more than ${MAX_PREFIXES} prefixes`);
    }
    return accept(new OptOut(prefixes));
  }

  /** Who is in either of both. */
  with(other: OptOut): OptOut {
    if (other.size === 0) return this;
    if (this.size === 0) return other;
    return new OptOut([...this.prefixes, ...other.prefixes].map((text) => prefixOf(text) as Prefix));
  }

  has(address: DhtAddress): boolean {
    if (address.family === 4) {
      for (const [bits, words] of this.#v4)
        if (words.has(bits === 0 ? 0 : address.w0 & (-1 << (32 - bits)))) return true;
      return false;
    }
    if (this.#v6.size === 0) return false;
    const ip = address.ip();
    for (const [bits, texts] of this.#v6) if (texts.has(formatIp(masked(ip, bits)))) return true;
    return false;
  }
}

function add<T>(groups: Map<number, Set<T>>, bits: number, value: T): void {
  groups.set(bits, (groups.get(bits) ?? new Set<T>()).add(value));
}

/** The first `bits` of an address, zeros behind. */
export function masked(ip: Uint8Array, bits: number): Uint8Array {
  return ip.map((byte, i) => byte & (0xff00 >>> Math.min(8, Math.max(0, bits - i * 8))) & 0xff);
}

/** Prefix by which addresses are told apart where they must not be told: /24, /48. */
export function privatePrefixBits(family: Family): 24 | 48 {
  return family === 4 ? 24 : 48;
}
