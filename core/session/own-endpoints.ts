// Which endpoints lead back to ourselves. Trackers, peers and the DHT hand everybody to everybody, us included, under the address that they
// see: whoever tried that one would knock at its own gateway, ask relays for itself, and take a place from somebody else.
import { networkInterfaces } from 'node:os';
import { type Endpoint, endpointKey, isIPv6, normalizeHost } from '../base/endpoint.ts';

/** So long what was gathered counts, unless `refresh` says that it does not: interfaces and mappings come and go by the minute. */
const FRESH_MS = 1_000;
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

export interface OwnPlace {
  /** What is listened at on this machine; undefined: all addresses of both families. */
  readonly bound: readonly string[] | undefined;
  /** Ports of this machine that take TCP or uTP; 0: none. */
  ports(family: 4 | 6): readonly number[];
  /** Addresses under which the outside sees us: as most tell, and as the gateway or DHT nodes say. */
  outerHosts(family: 4 | 6): readonly (string | undefined)[];
  /** Ports that lead to us from outside where they are not our own: what the gateway forwards, what others see of our UDP port. */
  outerPorts(family: 4 | 6): readonly (number | undefined)[];
}

export class OwnEndpoints {
  readonly #place: OwnPlace;
  readonly #nowMs: () => number;
  readonly #interfaces: () => readonly string[];
  #keys: ReadonlySet<string> = new Set();
  /** Most endpoints are told apart by this alone. */
  #ports: ReadonlySet<number> = new Set();
  #untilMs = Number.NEGATIVE_INFINITY;

  /** @param interfaces addresses of this machine */
  constructor(place: OwnPlace, nowMs: () => number, interfaces = addressesOfMachine) {
    this.#place = place;
    this.#nowMs = nowMs;
    this.#interfaces = interfaces;
  }

  /** Somebody said something new about where we are. */
  refresh(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  has(endpoint: Endpoint): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#untilMs) this.#gather(nowMs);
    return this.#ports.has(endpoint.port) && this.#keys.has(endpointKey(endpoint));
  }

  #gather(nowMs: number): void {
    this.#untilMs = nowMs + FRESH_MS;
    const machine = this.#interfaces().flatMap((host) => normalizeHost(host) ?? []);
    const keys = new Set<string>();
    const ports = new Set<number>();
    const add = (hosts: readonly (string | undefined)[], own: readonly (number | undefined)[]): void => {
      for (const port of own) {
        if (port === undefined || port === 0) continue;
        ports.add(port);
        for (const host of hosts) if (host !== undefined) keys.add(endpointKey({ host, port }));
      }
    };
    for (const family of [4, 6] as const) {
      const ofFamily = (host: string): boolean => isIPv6(host) === (family === 6);
      const listening = this.#place.ports(family);
      const bound = this.#place.bound?.filter(ofFamily) ?? WILDCARDS.filter(ofFamily);
      const isEverywhere = bound.some((host) => WILDCARDS.includes(host));
      add(isEverywhere ? machine.filter(ofFamily) : bound, listening);
      add(this.#place.outerHosts(family), [...listening, ...this.#place.outerPorts(family)]);
    }
    this.#keys = keys;
    this.#ports = ports;
  }
}

function addressesOfMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}
