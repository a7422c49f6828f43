// Address translators by their two properties (RFC 4787), packet by packet: one mapping or one for each remote; let in everybody,
// known addresses, or known addresses and ports.
import { type Reach, reachOf } from '../ladder-reach.ts';

export interface NatModel {
  readonly name: string;
  readonly mapping: 'none' | 'endpoint' | 'per-remote';
  readonly filtering: 'open' | 'address' | 'port';
  readonly passesUdp: boolean;
  /** What such a peer finds out about itself. */
  readonly reach: Reach;
}

const model = (
  name: string,
  mapping: NatModel['mapping'],
  filtering: NatModel['filtering'],
  reach: Reach,
): NatModel => ({ name, mapping, filtering, passesUdp: reach.udp !== 'no', reach });

export const PUBLIC = model('public', 'none', 'open', reachOf('open', 'eif'));
export const FULL_CONE = model('full-cone', 'endpoint', 'open', reachOf('eim-open', 'eif'));
export const ADDRESS_RESTRICTED = model('addr-restricted', 'endpoint', 'address', reachOf('eim', 'adf'));
export const PORT_RESTRICTED = model('port-restricted', 'endpoint', 'port', reachOf('eim', 'apdf'));
export const SYMMETRIC = model('symmetric', 'per-remote', 'port', reachOf('apdm', 'apdf'));
export const TCP_ONLY = model('tcp-only', 'endpoint', 'port', reachOf('tcp-only', 'apdf'));

/** The lab's nine: to the packets a shifted port, a firewall and a carrier behind a home router are all alike. */
export const LAB_KINDS: readonly NatModel[] = [
  PUBLIC,
  FULL_CONE,
  ADDRESS_RESTRICTED,
  PORT_RESTRICTED,
  { ...PORT_RESTRICTED, name: 'shift' },
  SYMMETRIC,
  { ...PORT_RESTRICTED, name: 'firewall', mapping: 'none' },
  { ...PORT_RESTRICTED, name: 'cgnat' },
  { ...SYMMETRIC, name: 'cgnat-symmetric' },
];

const FIRST_DYNAMIC_PORT = 20_000;

/** One machine behind one NAT, with one local port. Remotes are named `host:port`. */
export class NatState {
  readonly model: NatModel;
  #nextPort = FIRST_DYNAMIC_PORT;
  readonly #ports = new Map<string, number>();
  readonly #met = new Set<string>();

  constructor(model: NatModel) {
    this.model = model;
  }

  /** A packet leaves. @returns the port that the remote sees */
  outbound(host: number, port: number): number {
    const key = this.model.mapping === 'per-remote' ? `${host}:${port}` : '';
    let seen = this.#ports.get(key);
    if (seen === undefined) {
      seen = this.#nextPort++;
      this.#ports.set(key, seen);
    }
    this.#met.add(`${seen} ${host}`);
    this.#met.add(`${seen} ${host}:${port}`);
    return seen;
  }

  /** Whether a packet to `to` gets in. */
  admits(to: number, host: number, port: number): boolean {
    if (![...this.#ports.values()].includes(to)) return false;
    switch (this.model.filtering) {
      case 'open':
        return true;
      case 'address':
        return this.#met.has(`${to} ${host}`);
      case 'port':
        return this.#met.has(`${to} ${host}:${port}`);
    }
  }
}
