// What a coordinator knows of its run before the end: counts of the parts that are merged, and of those seen from both vantage points
// how many nodes both saw. Of a part the nodes are remembered until the other vantage point has it as well, then only their number.
import type { Row } from '../../dataset/columns.ts';
import type { VISIT_TABLE } from '../../dataset/visit-table.ts';
import type { Estimate } from '../estimates.ts';
import { fromTwoLooks } from '../two-looks.ts';

type VisitFacts = Pick<
  Row<typeof VISIT_TABLE>,
  'outcome' | 'is_in_zone' | 'id_observed' | 'ip' | 'port' | 'client' | 'tries'
>;

/** More nodes than that are not remembered: without an estimate on the screen the run is what it is. */
const MOST_REMEMBERED = 2_000_000;
/** Names come from strangers. */
const MOST_CLIENTS = 256;

/** One part, by pass. */
interface Part {
  nodes: Set<string> | undefined;
  pass: number;
}

export class FleetTally {
  visits = 0;
  /** By the first vantage point. */
  verified = 0;
  sent = 0;
  readonly clients = new Map<string, number>();
  /** Of parts that both have seen. */
  #n1 = 0;
  #n2 = 0;
  #both = 0;
  #twice = 0;
  #remembered = 0;
  readonly #parts = new Map<string, Part>();
  #current: Set<string> | undefined;

  /** Parts that two vantage points have seen. */
  get seenTwice(): number {
    return this.#twice;
  }

  /** A merged visit of the part that `endPart` is called for next. */
  visit(pass: number, row: VisitFacts): void {
    const { outcome, is_in_zone: isInZone, id_observed: id, ip, port, client, tries } = row;
    this.sent += tries;
    if (pass === 1) this.visits++;
    if (!isInZone || (outcome !== 'ok' && outcome !== 'stalled_late')) return;
    if (pass === 1) {
      this.verified++;
      const name = client ?? 'unsigned';
      if (this.clients.has(name) || this.clients.size < MOST_CLIENTS)
        this.clients.set(name, (this.clients.get(name) ?? 0) + 1);
    }
    if (pass > 2 || this.#remembered >= MOST_REMEMBERED) return;
    this.#current ??= new Set();
    this.#current.add(`${id} ${ip} ${port}`);
  }

  /** @param zone names the part */
  endPart(zone: string, pass: number): void {
    const nodes = this.#current ?? new Set<string>();
    this.#current = undefined;
    if (pass > 2) return;
    const other = this.#parts.get(zone);
    if (other === undefined || other.pass === pass) {
      this.#remembered += nodes.size;
      this.#parts.set(zone, { nodes, pass });
      return;
    }
    const before = other.nodes ?? new Set<string>();
    let both = 0;
    for (const node of nodes) if (before.has(node)) both++;
    this.#n1 += pass === 1 ? nodes.size : before.size;
    this.#n2 += pass === 1 ? before.size : nodes.size;
    this.#both += both;
    this.#twice++;
    this.#remembered -= before.size;
    this.#parts.set(zone, { nodes: undefined, pass: 0 });
  }

  /** By the parts that two have seen. @param share of all ids that one part is; undefined while there is nothing to say */
  estimate(share: number): (Estimate & { readonly p: number }) | undefined {
    if (this.#twice === 0 || this.#n2 === 0 || this.#remembered >= MOST_REMEMBERED) return undefined;
    const part = { n1: this.#n1, n2: this.#n2, both: this.#both };
    const found = fromTwoLooks({
      n1: this.#n1,
      part,
      share: share * this.#twice,
      turnover: undefined,
    }).bernoulli;
    return found === undefined ? undefined : { ...found, p: this.#both / this.#n2 };
  }
}
