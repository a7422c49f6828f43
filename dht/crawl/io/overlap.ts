// How much of what a repeat finds the first pass had found: p, while it is being measured. The summary counts the same from the tables.
import { fromHex } from '../../../core/base/bytes.ts';
import { DhtAddress } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import type { VisitRow } from '../../dataset/visit-table.ts';
import type { CrawlMachine } from '../crawl-machine.ts';
import { NodeState } from '../node-table.ts';

export interface OverlapCounts {
  /** Verified nodes (id and endpoint) of the repeat, and those of them that the first pass had verified too. */
  readonly of: number;
  readonly hits: number;
  /** Verified by the first pass, traps left out. */
  readonly firstVerified: number;
  /** Of the first pass: a repeat may look at a part of its zone. */
  readonly zoneBits: number;
}

export class Overlap implements OverlapCounts {
  readonly #first: CrawlMachine;
  of = 0;
  hits = 0;

  constructor(first: CrawlMachine) {
    this.#first = first;
  }

  get zoneBits(): number {
    return this.#first.options.zone.bits;
  }

  get firstVerified(): number {
    return this.#first.counts.verified - this.#first.subnets.verifiedInTraps;
  }

  /** @param row a visit of the repeat, its address as it is */
  take({ outcome, is_in_zone, id_observed, ip, port }: VisitRow): void {
    if (!is_in_zone || (outcome !== 'ok' && outcome !== 'stalled_late') || id_observed === null) return;
    const address = DhtAddress.of({ host: ip, port });
    const bytes = fromHex(id_observed);
    if (address === undefined || bytes === undefined) return;
    this.of++;
    const { table } = this.#first;
    const node = table.find(address);
    if (node >= 0 && table.state(node) === NodeState.verified && table.id(node).equals(Id160.of(bytes)))
      this.hits++;
  }
}
