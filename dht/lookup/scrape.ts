// BEP 33 scrape: filters of many nodes united, plain peer lists of nodes without filters taken as peers, one estimate with
// its error.
import type { DhtAddress } from '../base/address.ts';
import type { SwarmEstimate } from '../base/results.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { BLOOM_BYTES, estimate, hasAddress, insertAddress, mergeFilter } from '../storage/bloom.ts';

/** More lists of this many peers tell little and cost time. */
const MAX_LISTED = 2_000;

export class ScrapeTally {
  readonly #seeds = new Uint8Array(BLOOM_BYTES);
  readonly #peers = new Uint8Array(BLOOM_BYTES);
  readonly #listed: DhtAddress[] = [];
  filters = 0;
  lists = 0;

  add(message: KrpcMessage, values: readonly DhtAddress[]): void {
    const seeds = message.view(message.seedFilter);
    const peers = message.view(message.peerFilter);
    if (seeds?.length === BLOOM_BYTES && peers?.length === BLOOM_BYTES) {
      mergeFilter(this.#seeds, seeds);
      mergeFilter(this.#peers, peers);
      this.filters++;
    } else if (values.length > 0) {
      this.lists++;
      if (this.#listed.length < MAX_LISTED) this.#listed.push(...values);
    }
  }

  result(): { readonly seeds: SwarmEstimate; readonly peers: SwarmEstimate } {
    const peers = this.#peers.slice();
    // A list does not tell seeds from peers: who is known as a seed elsewhere is not counted twice.
    for (const address of this.#listed) if (!hasAddress(this.#seeds, address)) insertAddress(peers, address);
    return { seeds: estimate(this.#seeds), peers: estimate(peers) };
  }
}
