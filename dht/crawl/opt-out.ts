// The opt-out file: prefixes of those who do not want to be asked, one a line. Looked at before anything is sent.
import { formatIp, parseIp } from '../../core/base/endpoint.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import type { DhtAddress, Family } from '../address.ts';

/** Beyond that it is no list of people any more. */
const MAX_PREFIXES = 100_000;

export class OptOut {
  /** By family and length: the masked addresses, as text. */
  readonly #prefixes = new Map<string, Set<string>>();
  readonly size: number;

  private constructor(prefixes: readonly { readonly ip: Uint8Array; readonly bits: number }[]) {
    for (const { ip, bits } of prefixes) {
      const group = `${ip.length}/${bits}`;
      const set = this.#prefixes.get(group) ?? new Set();
      this.#prefixes.set(group, set.add(formatIp(masked(ip, bits))));
    }
    this.size = prefixes.length;
  }

  static readonly none = new OptOut([]);

  /** Lines `192.0.2.0/24`, `2001:db8::/32`, `198.51.100.7`; `#` begins a comment. */
  static parse(text: string): Result<OptOut> {
    const prefixes: { ip: Uint8Array; bits: number }[] = [];
    for (const [index, line] of text.split('\n').entries()) {
      const word = line.replace(/#.*/, '').trim();
      if (word === '') continue;
      const [host, length, ...rest] = word.split('/');
      const ip = parseIp(host as string);
      const most = (ip?.length ?? 0) * 8;
      const bits = length === undefined ? most : /^[0-9]{1,3}$/.test(length) ? Number(length) : -1;
      if (ip === undefined || rest.length > 0 || bits < 0 || bits > most)
        return reject(`line ${index + 1}: "${word.slice(0, 60)}" is no address or prefix like 192.0.2.0/24`);
      if (prefixes.push({ ip, bits }) > MAX_PREFIXES) return reject(`more than ${MAX_PREFIXES} prefixes`);
    }
    return accept(new OptOut(prefixes));
  }

  has(address: DhtAddress): boolean {
    if (this.size === 0) return false;
    const ip = address.ip();
    for (const [group, set] of this.#prefixes) {
      const [length, bits] = group.split('/').map(Number) as [number, number];
      if (length === ip.length && set.has(formatIp(masked(ip, bits)))) return true;
    }
    return false;
  }
}

/** The first `bits` of an address, zeros behind. */
export function masked(ip: Uint8Array, bits: number): Uint8Array {
  return ip.map((byte, i) => byte & (0xff00 >>> Math.min(8, Math.max(0, bits - i * 8))) & 0xff);
}

/** Prefix by which addresses are told apart where they must not be told: /24, /48. */
export function privatePrefixBits(family: Family): 24 | 48 {
  return family === 4 ? 24 : 48;
}
