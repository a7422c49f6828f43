// What a crawl has counted so far: figures for the screen, the loss self-test, and the first half of every estimate.

import type { Id160 } from '../base/node-id.ts';
import type { Outcome } from '../dataset/visit-table.ts';
import { ANSWERED } from '../dataset/visit-table.ts';

/** What is counted of a visit. */
export interface CountedVisit {
  readonly outcome: Outcome;
  readonly isInZone: boolean;
  readonly isClaimedInZone: boolean;
  readonly tries: number;
  readonly answeredTry: number | undefined;
  readonly roundTripMs: number | undefined;
  readonly client: string | undefined;
  readonly bep42: 'valid' | 'invalid' | 'exempt' | undefined;
  /** Of a node that has answered before: topology mode asks for each bucket, and the node counts once. */
  readonly isAgain?: boolean;
}

/** What a resumed run knows of a visit of the run before. */
export interface RestoredVisit extends CountedVisit {
  readonly number: number;
  readonly node: number;
  readonly observed: Id160 | undefined;
  readonly receivedMs: number | undefined;
  /** Numbers of the nodes its reply listed. */
  readonly listed: readonly number[];
  /** Most bits that any of them shares with it; -1 for none. */
  readonly deepestBits: number;
}

const MAX_CLIENTS = 64;
/** Round trips by powers of 2^(1/4) from 1 ms: 18 % wide bins up to 65 s. */
const BINS_PER_OCTAVE = 4;
const BINS = 16 * BINS_PER_OCTAVE;

export class CrawlCounts {
  readonly outcomes = new Map<Outcome, number>();
  /** Answering nodes of the zone. */
  readonly clients = new Map<string, number>();
  readonly roundTrips = new Uint32Array(BINS);
  /** Endpoints listed under an id of the zone. */
  listed = 0;
  /** Of those: their visit has ended with a question asked, and with an answer. */
  asked = 0;
  askedAndAnswered = 0;
  /** Endpoints that answered with an id of the zone, and those whose id is the one they are listed under. */
  responded = 0;
  verified = 0;
  bep42Valid = 0;
  bep42Invalid = 0;
  visits = 0;
  /** Answers by the try they belong to: the loss self-test. */
  answeredFirst = 0;
  answeredSecond = 0;

  count(visit: CountedVisit): void {
    const { outcome } = visit;
    this.visits++;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    const hasAnswered = ANSWERED.includes(outcome);
    const isAgain = visit.isAgain === true;
    if (visit.isClaimedInZone && visit.tries > 0 && !isAgain) {
      this.asked++;
      if (hasAnswered) this.askedAndAnswered++;
    }
    if (!hasAnswered) return;
    if (visit.answeredTry === 1) this.answeredFirst++;
    else if (visit.answeredTry === 2) this.answeredSecond++;
    if (visit.roundTripMs !== undefined) {
      const bin = Math.floor(Math.log2(Math.max(1, visit.roundTripMs)) * BINS_PER_OCTAVE);
      const at = Math.min(BINS - 1, bin);
      this.roundTrips[at] = (this.roundTrips[at] as number) + 1;
    }
    if (!visit.isInZone || isAgain) return;
    this.responded++;
    if (outcome === 'ok' || outcome === 'stalled_late') this.verified++;
    if (visit.bep42 === 'valid') this.bep42Valid++;
    else if (visit.bep42 === 'invalid') this.bep42Invalid++;
    const client = visit.client ?? 'unsigned';
    if (this.clients.has(client) || this.clients.size < MAX_CLIENTS)
      this.clients.set(client, (this.clients.get(client) ?? 0) + 1);
  }

  /** Upper edge of the bin; undefined before the first answer. */
  roundTripMs(share: number): number | undefined {
    const total = this.roundTrips.reduce((sum, count) => sum + count, 0);
    if (total === 0) return undefined;
    let below = 0;
    for (let bin = 0; bin < BINS; bin++) {
      below += this.roundTrips[bin] as number;
      if (below >= total * share) return 2 ** ((bin + 1) / BINS_PER_OCTAVE);
    }
    return undefined;
  }

  /**
   * Share of round trips lost on the way: an answer to the second try only means that the first one was lost. With loss l the
   * answers come as 1 - l and l (1 - l).
   */
  get lossShare(): number | undefined {
    return this.answeredFirst < 20 ? undefined : this.answeredSecond / this.answeredFirst;
  }
}
