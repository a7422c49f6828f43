// What a crawl can say before it has ended: about how many nodes there are, and how long it will take. Pure.
import { shareEstimate } from '../../dht/crawl/estimates.ts';
import type { CrawlProgress } from '../../dht/crawl/io/crawl-setup.ts';
import { fromTwoLooks } from '../../dht/crawl/two-looks.ts';

export interface LiveEstimate {
  /** Nodes of the whole network that can be reached, with a 95 % interval. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** As the second look has measured it so far; undefined during the first, which knows of what is listed only. */
  readonly p: number | undefined;
}

/**
 * First look: as many as there are if who was not asked yet answers like those who were; tightens as the queue gets shorter.
 * Second look: what the first found over the p measured so far, as the summary has it in the end; tightens as p gets firmer.
 */
export function liveEstimate(progress: CrawlProgress): LiveEstimate | undefined {
  const { counts, verified, zoneBits, queueLeft, inFlight, overlap } = progress;
  if (overlap !== undefined) {
    const { firstVerified, of, hits } = overlap;
    // Bernoulli's needs nothing of the part that is looked at again but what it finds.
    const looks = { n1: firstVerified, part: { n1: 0, n2: of, both: hits }, share: 2 ** -overlap.zoneBits };
    const found = fromTwoLooks({ ...looks, turnover: progress.turnover }).bernoulli;
    if (found !== undefined)
      return { value: found.value, low: found.low, high: found.high, p: overlap.hits / overlap.of };
    if (overlap.firstVerified === 0) return undefined;
    const least = overlap.firstVerified * 2 ** overlap.zoneBits;
    return { value: least, low: least, high: least, p: undefined };
  }
  const share = shareEstimate({ hits: counts.askedAndAnswered, of: counts.asked + inFlight });
  if (share === undefined || verified === 0) return undefined;
  // In topology mode who has answered waits in the queue as well, for the next bucket.
  const unasked = Math.max(0, Math.min(queueLeft + inFlight, counts.listed - counts.asked));
  const waiting = Math.max(0, unasked - inFlight);
  const total = (rest: number): number => (verified + rest) * 2 ** zoneBits;
  return {
    value: total(waiting * share.value),
    low: total(waiting * share.low),
    high: total(unasked * share.high),
    p: undefined,
  };
}

/** A pace older than that says little about the next minute. */
const WINDOW_MS = 15_000;
const LEAST_MS = 1_000;

/** How long the queue lasts at the pace of the last seconds. */
export class Pace {
  #pass = 0;
  #marks: { readonly atMs: number; readonly visits: number }[] = [];

  /** @returns milliseconds until the look is over as far as its queue tells; undefined while there is no pace, or nobody left to ask */
  update({ pass, elapsedMs, counts, queueLeft, inFlight }: CrawlProgress): number | undefined {
    if (pass !== this.#pass) this.#marks = [];
    this.#pass = pass;
    this.#marks.push({ atMs: elapsedMs, visits: counts.visits });
    while (this.#marks.length > 2 && elapsedMs - (this.#marks[1]?.atMs ?? 0) >= WINDOW_MS)
      this.#marks.shift();
    const [first] = this.#marks;
    const ms = elapsedMs - (first?.atMs ?? elapsedMs);
    const visits = counts.visits - (first?.visits ?? 0);
    const rest = queueLeft + inFlight;
    // Who is silent is waited for as long as late answers count, whatever the pace was.
    return ms < LEAST_MS || visits <= 0 || queueLeft === 0 ? undefined : (rest / visits) * ms;
  }
}
