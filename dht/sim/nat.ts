// Address translators in front of simulated hosts: whom they let in, which port the world sees, when they forget (RFC 4787
// terms: mapping and filtering by endpoint).
import { mix } from '../base/mix.ts';
import { SIM_PORT } from './hosts.ts';

export type NatKind =
  /** One mapping, open to everybody while it lives. */
  | 'full-cone'
  /** One mapping, open to those who were sent something lately. */
  | 'restricted'
  /** Another mapping for every peer: whoever hears of one from a third party knocks in vain. */
  | 'symmetric';

export interface NatOptions {
  readonly kind: NatKind;
  /** A mapping nothing was sent through for so long is gone. Home routers: 30 s to 3 min for UDP. */
  readonly lifetimeMs: number;
}

interface Mapping {
  port: number;
  sentUs: number;
}

/** Mappings looked through for expired ones when there are this many. */
const SWEEP_AT = 512;
const FIRST_DYNAMIC_PORT = 1024;

export class NatBox {
  readonly kind: NatKind;
  readonly #lifetimeUs: number;
  /** By peer; the full cone has one, under key 0. */
  readonly #mappings = new Map<number, Mapping>();
  #port = SIM_PORT;
  #portState: number;
  #sentUs = Number.NEGATIVE_INFINITY;

  constructor(options: NatOptions, seed: number) {
    this.kind = options.kind;
    this.#lifetimeUs = options.lifetimeMs * 1000;
    this.#portState = seed;
  }

  /** Something leaves for `peer` (its IP address as a word). @returns the port it is seen to come from */
  outbound(peer: number, nowUs: number): number {
    if (nowUs - this.#sentUs > this.#lifetimeUs) this.#port = this.#newPort();
    this.#sentUs = nowUs;
    if (this.kind === 'full-cone') return this.#port;
    let mapping = this.#mappings.get(peer);
    if (mapping === undefined || nowUs - mapping.sentUs > this.#lifetimeUs) {
      if (this.#mappings.size >= SWEEP_AT) this.#sweep(nowUs);
      mapping = { port: this.kind === 'symmetric' ? this.#newPort() : this.#port, sentUs: nowUs };
      this.#mappings.set(peer, mapping);
    }
    mapping.sentUs = nowUs;
    return mapping.port;
  }

  admits(port: number, peer: number, nowUs: number): boolean {
    if (this.kind === 'full-cone') return port === this.#port && nowUs - this.#sentUs <= this.#lifetimeUs;
    const mapping = this.#mappings.get(peer);
    return mapping !== undefined && mapping.port === port && nowUs - mapping.sentUs <= this.#lifetimeUs;
  }

  #newPort(): number {
    this.#portState = mix(this.#portState + 1);
    return FIRST_DYNAMIC_PORT + ((this.#portState >>> 0) % (65_536 - FIRST_DYNAMIC_PORT));
  }

  #sweep(nowUs: number): void {
    for (const [peer, { sentUs }] of this.#mappings)
      if (nowUs - sentUs > this.#lifetimeUs) this.#mappings.delete(peer);
  }
}
