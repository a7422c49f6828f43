// What is wanted of a peer that is known by its key alone: to be connected with it, or to leave a call for it. Both go to the relays
// that it keeps, which are found by that key. Pure.
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import type { CallOptions } from './client-calls.ts';
import type { ClientLink, ClientLinks } from './client-links.ts';
import { type CallResult, ROLE } from './client-port.ts';
import type { ClientQueue, PushResult } from './client-queue.ts';
import type { KeptRelays } from './kept-relays.ts';
import type { KeyRelays } from './key-relays.ts';
import type { KnownRelay } from './relay-pool.ts';

/** Asked for one peer: its four, and as many of ours. */
const MAX_RELAYS = 8;

export interface KeyErrandsOptions {
  readonly keyRelays: KeyRelays;
  readonly links: ClientLinks;
  readonly relays: KeptRelays;
  readonly queue: ClientQueue;
  readonly callThrough: (
    relay: Endpoint,
    options: CallOptions,
    onResult: (result: CallResult) => void,
  ) => void;
  readonly nowMs: () => number;
}

export class KeyErrands {
  readonly #options: KeyErrandsOptions;

  constructor(options: KeyErrandsOptions) {
    this.#options = options;
  }

  /** Its relays, and ours, which may be the same: one after the other, until one of them knows it. */
  call(key: Uint8Array, options: CallOptions, onResult: (result: CallResult) => void, nowMs: number): void {
    const { keyRelays, links } = this.#options;
    keyRelays.find(key, nowMs, (found) => {
      const far = found.map(({ endpoint }) => endpoint);
      const isFar = ({ relay }: ClientLink): boolean =>
        far.some((each) => endpointKey(each) === endpointKey(relay));
      const linked = [...links.values()].filter(({ neighbourOf }) => neighbourOf === undefined);
      linked.sort((a, b) => Number(isFar(b)) - Number(isFar(a)));
      const others = far.filter((each) => links.to(each) === undefined);
      const relays = [...linked.map(({ relay }) => relay), ...others].slice(0, MAX_RELAYS);
      this.#callNext(relays, { ...options, key }, { kind: 'refused', code: 'unknown' }, onResult);
    });
  }

  #callNext(
    relays: readonly Endpoint[],
    options: CallOptions,
    last: CallResult,
    onResult: (result: CallResult) => void,
  ): void {
    const [relay, ...rest] = relays;
    if (relay === undefined) {
      onResult(last);
      return;
    }
    this.#options.callThrough(relay, options, (result) => {
      // Whoever does not want says so at every relay.
      const isThere = result.kind === 'go' || result.code === 'policy' || result.code === 'rules';
      if (isThere) onResult(result);
      else this.#callNext(rest, options, result, onResult);
    });
  }

  push(
    target: Uint8Array,
    infoHash: Uint8Array,
    onResult: (result: PushResult) => void,
    nowMs: number,
    nonce: Uint8Array | undefined,
  ): void {
    this.#options.keyRelays.find(target, nowMs, (relays) =>
      this.#pushTo(relays, target, infoHash, onResult, nonce),
    );
  }

  #pushTo(
    found: readonly KnownRelay[],
    target: Uint8Array,
    infoHash: Uint8Array,
    onResult: (result: PushResult) => void,
    nonce: Uint8Array | undefined,
  ): void {
    const { relays, queue, nowMs } = this.#options;
    const links: ClientLink[] = [];
    let missing = found.length;
    const ready = (): void => {
      if (missing === 0) queue.push(links, target, infoHash, onResult, nowMs(), nonce);
    };
    if (missing === 0) ready();
    for (const { endpoint } of found) {
      relays.withLink(endpoint, nowMs(), (link) => {
        if (link !== undefined && (link.offer.roles & ROLE.queue) !== 0) links.push(link);
        missing--;
        ready();
      });
    }
  }
}
