// Traps: whoever invents nodes without end must answer from addresses, and those come in subnets. Counts what each /24 and /16
// (IPv6: /48 and /32) lists and answers; above what chance allows a subnet is set aside, its nodes are asked no more and
// count no more. Sketches of fixed size, so that ten million addresses cost what ten thousand do.
import { DhtAddress } from '../base/address.ts';
import { mix } from '../base/mix.ts';

const SLOTS = 1 << 19;
const MASK = SLOTS - 1;
const MAX_COUNT = 0xffff;
/** Subnets set aside that are remembered by name; more are an attack that no list helps against. */
const MAX_NAMED = 4096;
const ROW_SALTS = [0x51ed270b, 0x2545f491];

/** A count-min sketch of two rows: what it says is never too low. */
class Sketch {
  readonly #rows = ROW_SALTS.map(() => new Uint16Array(SLOTS));

  add(key: number, amount: 1 | -1): void {
    for (let row = 0; row < ROW_SALTS.length; row++) {
      const counts = this.#rows[row] as Uint16Array;
      const at = mix(key ^ (ROW_SALTS[row] as number)) & MASK;
      counts[at] = Math.min(MAX_COUNT, Math.max(0, (counts[at] as number) + amount));
    }
  }

  count(key: number): number {
    let least = MAX_COUNT;
    for (let row = 0; row < ROW_SALTS.length; row++) {
      const at = mix(key ^ (ROW_SALTS[row] as number)) & MASK;
      least = Math.min(least, (this.#rows[row] as Uint16Array)[at] as number);
    }
    return least;
  }
}

export interface TrapPolicy {
  /** Endpoints that one /24 (or /48) may list in the zone. */
  readonly perSubnet: number;
  /** The same for a /16 (or /32). */
  readonly perNetwork: number;
}

/**
 * Far above what a zone of so many bits holds of honest nodes: a /24 has 256 addresses, a few of them with many nodes behind
 * one translator; of those a share of 2^-bits is in the zone.
 */
export function trapPolicy(zoneBits: number): TrapPolicy {
  const share = 2 ** -zoneBits;
  return { perSubnet: 16 + Math.floor(1024 * share), perNetwork: 64 + Math.floor(32_768 * share) };
}

export interface Trap {
  /** `192.0.2.0/24`. */
  readonly subnet: string;
  /** Endpoints listed there until it was noticed, and afterwards. */
  readonly listed: number;
  /** How many of them had answered with the right id: they are no longer counted. */
  readonly verified: number;
}

export class Subnets {
  readonly #policy: TrapPolicy;
  readonly #listed = [new Sketch(), new Sketch()];
  readonly #verified = [new Sketch(), new Sketch()];
  readonly #traps = new Map<string, { listed: number; verified: number }>();
  #verifiedInTraps = 0;
  readonly #traced = new Set<string>();

  constructor(policy: TrapPolicy) {
    this.#policy = policy;
  }

  get traps(): readonly Trap[] {
    return [...this.#traps].map(([subnet, counts]) => ({ subnet, ...counts }));
  }

  /** Verified nodes that turned out to be in traps: to be taken off the count. */
  get verifiedInTraps(): number {
    return this.#verifiedInTraps;
  }

  /** One more endpoint is heard of. @returns whether it may be asked */
  admit(address: DhtAddress): boolean {
    if (this.isTrapped(address)) {
      this.#countTrapped(address);
      return false;
    }
    const keys = subnetKeys(address);
    for (let level = 0; level < keys.length; level++) {
      const sketch = this.#listed[level] as Sketch;
      const key = keys[level] as number;
      sketch.add(key, 1);
      const most = level === 0 ? this.#policy.perSubnet : this.#policy.perNetwork;
      if (sketch.count(key) > most) {
        this.#setTrap(address, level, key, sketch.count(key));
        return false;
      }
    }
    return true;
  }

  /** One more verified node; who answers after the trap was noticed is taken off at once. */
  countVerified(address: DhtAddress): void {
    if (this.isTrapped(address)) {
      const trap = this.#traps.get(subnetName(address, 0)) ?? this.#traps.get(subnetName(address, 1));
      if (trap !== undefined) trap.verified++;
      this.#verifiedInTraps++;
      return;
    }
    const keys = subnetKeys(address);
    for (let level = 0; level < keys.length; level++) this.#verified[level]?.add(keys[level] as number, 1);
  }

  /** True once for every small subnet of a trap: so that each leaves a trace among the visits. */
  isFirstOfSubnet(address: DhtAddress): boolean {
    const name = subnetName(address, 0);
    if (this.#traced.has(name) || this.#traced.size >= MAX_NAMED) return false;
    this.#traced.add(name);
    return true;
  }

  isTrapped(address: DhtAddress): boolean {
    if (this.#traps.size === 0) return false;
    return this.#traps.has(subnetName(address, 0)) || this.#traps.has(subnetName(address, 1));
  }

  #countTrapped(address: DhtAddress): void {
    for (const level of [1, 0]) {
      const trap = this.#traps.get(subnetName(address, level));
      if (trap === undefined) continue;
      trap.listed++;
      return;
    }
  }

  #setTrap(address: DhtAddress, level: number, key: number, listed: number): void {
    if (this.#traps.size >= MAX_NAMED) return;
    let verified = this.#verified[level]?.count(key) ?? 0;
    // Smaller ones inside were taken off before.
    if (level === 1) {
      const [, network] = subnetKeys(address);
      for (const [name, inner] of this.#traps) {
        const at = DhtAddress.of({ host: name.split('/')[0] as string, port: 1 });
        if (at !== undefined && subnetKeys(at)[1] === network) verified -= inner.verified;
      }
    }
    verified = Math.max(0, verified);
    this.#verifiedInTraps += verified;
    this.#traps.set(subnetName(address, level), { listed, verified });
  }
}

/** Of the small and of the large subnet. */
function subnetKeys(address: DhtAddress): readonly [small: number, large: number] {
  if (address.family === 4) return [address.w0 >>> 8, address.w0 >>> 16];
  return [mix(address.w0) ^ (address.w1 >>> 16), address.w0];
}

/** @param level 0 for the /24 (IPv6: /48), 1 for the /16 (/32) */
function subnetName(address: DhtAddress, level: number): string {
  if (address.family === 4) {
    const mask = level === 0 ? 0xffffff00 : 0xffff0000;
    return `${DhtAddress.v4(address.w0 & mask, 1).host}/${level === 0 ? 24 : 16}`;
  }
  const w1 = level === 0 ? address.w1 & 0xffff0000 : 0;
  return `${DhtAddress.v6(address.w0, w1, 0, 0, 1).host}/${level === 0 ? 48 : 32}`;
}
