// Upload slots of one torrent. Regular slots go by the policy's score every 10 s; the others (one optimistic in five, and
// every regular one without a claimant) go by lot for 30 s. A slot that comes free is filled at once.
import type { Rng } from '../base/clock.ts';
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import type { ChokeCandidate, ChokeContext, ChokePolicy } from './choke-policy.ts';
import type { UnchokeReason } from './swarm-types.ts';

/** BEP 3: long enough for TCP to find its rate before it is judged. */
const ROUND_MS = 10_000;
/** BEP 3: three rounds, so that a peer can show what it would pay. */
const LUCKY_MS = 30_000;
/** The seed text: four, which keeps every stream quick enough to be reciprocated. */
const REGULAR_SLOTS = 4;
/** Beyond, choking is no longer what limits anything. */
const MAX_AUTOMATIC_SLOTS = 50;
/** One optimistic slot for so many regular ones: 20 % of all. */
const REGULAR_PER_OPTIMISTIC = 4;
/** BEP 3: a newcomer has nothing to trade, so its ticket counts thrice. */
const NEWCOMER_WEIGHT = 3;
const NEWCOMER_MS = 60_000;
/** A lucky holder whose time ends within this of the round ends now. */
const ROUND_SLACK_MS = 500;
/** At most by this a round. */
const SLOT_GROWTH = 1.25;

/** What the choker keeps and reads of a peer. */
export interface Chokeable {
  readonly peerInterested: boolean;
  unchokeReason: UnchokeReason | undefined;
  /** When it was unchoked or choked last, or joined. */
  chokeChangedAtMs: number;
  /** When it last drew a slot, or took a free one. */
  luckySinceMs: number;
  readonly joinedAtMs: number;
  /** Whether it ever held a slot. */
  wasUnchoked: boolean;
  chokeCandidate(nowMs: number): ChokeCandidate;
}

export interface ChokerOptions<P extends Chokeable> {
  readonly policy: ChokePolicy;
  readonly rng: Rng;
  readonly peers: ReadonlySet<P>;
  readonly context: () => ChokeContext;
  readonly onUnchoke: (peer: P) => void;
  readonly onChoke: (peer: P) => void;
}

interface Ranked<P> {
  readonly peer: P;
  readonly score: number;
  /** Decides between equal scores. */
  readonly lot: number;
}

export class Choker<P extends Chokeable> {
  readonly #options: ChokerOptions<P>;
  #fixedSlots: number | undefined = undefined;
  #automaticSlots = REGULAR_SLOTS;
  #nextRoundAtMs = Number.POSITIVE_INFINITY;
  #unchoked = 0;

  constructor(options: ChokerOptions<P>) {
    this.#options = options;
  }

  get regularSlots(): number {
    return this.#fixedSlots ?? this.#automaticSlots;
  }

  get allSlots(): number {
    const regular = this.regularSlots;
    return regular === 0 ? 0 : regular + Math.max(1, Math.round(regular / REGULAR_PER_OPTIMISTIC));
  }

  get nextTimeoutMs(): number {
    return this.#nextRoundAtMs;
  }

  get unchokedCount(): number {
    return this.#unchoked;
  }

  /** @param slots regular slots; undefined = as many as the line feeds */
  setSlots(slots: number | undefined, nowMs: number): void {
    this.#fixedSlots = slots;
    this.runRound(0, nowMs);
  }

  handleInterested(peer: P, nowMs: number): void {
    if (this.#nextRoundAtMs === Number.POSITIVE_INFINITY) this.#nextRoundAtMs = nowMs + ROUND_MS;
    if (peer.unchokeReason !== undefined || this.#unchoked >= this.allSlots) return;
    this.#unchoke(peer, 'free-slot', nowMs);
  }

  handleNotInterested(peer: P, nowMs: number): void {
    if (peer.unchokeReason === undefined) return;
    this.#choke(peer, nowMs);
    this.#fillFree(nowMs);
  }

  /** The peer is no longer in the set. */
  handleRemoved(peer: P, nowMs: number): void {
    if (peer.unchokeReason === undefined) return;
    peer.unchokeReason = undefined;
    this.#unchoked--;
    this.#fillFree(nowMs);
  }

  handleTimeout(uploadRateBytesPerSec: number, nowMs: number): void {
    if (nowMs >= this.#nextRoundAtMs) this.runRound(uploadRateBytesPerSec, nowMs);
  }

  /** Judges everybody anew. */
  runRound(uploadRateBytesPerSec: number, nowMs: number): void {
    this.#adaptSlots(uploadRateBytesPerSec);
    const ranked = this.#rank(nowMs, false);
    this.#nextRoundAtMs = ranked.length === 0 ? Number.POSITIVE_INFINITY : nowMs + ROUND_MS;
    const chosen = new Map<P, UnchokeReason>();
    for (const { peer, score } of ranked) {
      if (chosen.size >= this.regularSlots || Number.isNaN(score)) break;
      chosen.set(peer, 'regular');
    }
    this.#drawLucky(ranked, chosen, nowMs);
    for (const { peer } of ranked) {
      if (peer.unchokeReason !== undefined && !chosen.has(peer)) this.#choke(peer, nowMs);
    }
    for (const [peer, reason] of chosen) {
      if (peer.unchokeReason === undefined) this.#unchoke(peer, reason, nowMs);
      else peer.unchokeReason = reason;
    }
  }

  /**
   * Fills what merit left. Who was lucky less than 30 s ago stays; the rest is drawn, newcomers with three tickets, and
   * yesterday's lucky may win again. Exactly the optimistic share is called so; more are lent regular slots.
   */
  #drawLucky(ranked: readonly Ranked<P>[], chosen: Map<P, UnchokeReason>, nowMs: number): void {
    const slots = this.allSlots - chosen.size;
    let optimistic = this.allSlots - this.regularSlots;
    const staying: P[] = [];
    const tickets: P[] = [];
    for (const { peer } of ranked) {
      if (chosen.has(peer)) continue;
      const isFresh = nowMs - peer.luckySinceMs < LUCKY_MS - ROUND_SLACK_MS;
      if (isFresh && (peer.unchokeReason === 'optimistic' || peer.unchokeReason === 'free-slot'))
        staying.push(peer);
      else tickets.push(peer);
    }
    const winners = staying.slice(0, slots);
    while (winners.length < slots && tickets.length > 0) {
      const winner = this.#drawTicket(tickets, nowMs);
      winner.luckySinceMs = nowMs;
      winners.push(winner);
    }
    for (const peer of winners) chosen.set(peer, optimistic-- > 0 ? 'optimistic' : 'free-slot');
  }

  /** Takes one out of `tickets`. */
  #drawTicket(tickets: P[], nowMs: number): P {
    const weightOf = (peer: P): number =>
      !peer.wasUnchoked && nowMs - peer.joinedAtMs < NEWCOMER_MS ? NEWCOMER_WEIGHT : 1;
    let total = 0;
    for (const peer of tickets) total += weightOf(peer);
    let point = this.#options.rng.next() * total;
    let index = 0;
    while (index < tickets.length - 1) {
      point -= weightOf(tickets[index] as P);
      if (point < 0) break;
      index++;
    }
    const [winner] = tickets.splice(index, 1);
    return winner as P;
  }

  /** Between rounds: merit first, then luck. */
  #fillFree(nowMs: number): void {
    if (this.#unchoked >= this.allSlots) return;
    const ranked = this.#rank(nowMs, true);
    const waiting = ranked.filter(({ score }) => Number.isNaN(score)).map(({ peer }) => peer);
    let next = 0;
    while (this.#unchoked < this.allSlots) {
      const best = ranked[next++];
      if (best !== undefined && !Number.isNaN(best.score)) this.#unchoke(best.peer, 'free-slot', nowMs);
      else if (waiting.length > 0) this.#unchoke(this.#drawTicket(waiting, nowMs), 'free-slot', nowMs);
      else return;
    }
  }

  /** Interested peers, best first, those without a claim last. */
  #rank(nowMs: number, onlyChoked: boolean): Ranked<P>[] {
    const context = this.#options.context();
    const ranked: Ranked<P>[] = [];
    for (const peer of this.#options.peers) {
      if (!peer.peerInterested || (onlyChoked && peer.unchokeReason !== undefined)) continue;
      const score = this.#options.policy.score(peer.chokeCandidate(nowMs), context);
      ranked.push({ peer, score, lot: this.#options.rng.next() });
    }
    return ranked.sort(compareRanked);
  }

  #unchoke(peer: P, reason: UnchokeReason, nowMs: number): void {
    peer.unchokeReason = reason;
    peer.chokeChangedAtMs = nowMs;
    if (reason !== 'regular') peer.luckySinceMs = nowMs;
    this.#unchoked++;
    this.#options.onUnchoke(peer);
    peer.wasUnchoked = true;
  }

  #choke(peer: P, nowMs: number): void {
    peer.unchokeReason = undefined;
    peer.chokeChangedAtMs = nowMs;
    this.#unchoked--;
    this.#options.onChoke(peer);
  }

  /** The square root of blocks per second: streams and their rate grow alike. In small steps, so as not to chase noise. */
  #adaptSlots(uploadRateBytesPerSec: number): void {
    const wanted = Math.floor(Math.sqrt(uploadRateBytesPerSec / BLOCK_BYTES));
    const bounded = Math.min(MAX_AUTOMATIC_SLOTS, Math.max(REGULAR_SLOTS, wanted));
    const highest = Math.ceil(this.#automaticSlots * SLOT_GROWTH);
    this.#automaticSlots = Math.min(highest, Math.max(bounded, this.#automaticSlots - 1));
  }
}

function compareRanked(left: Ranked<unknown>, right: Ranked<unknown>): number {
  const leftHas = !Number.isNaN(left.score);
  const rightHas = !Number.isNaN(right.score);
  if (leftHas !== rightHas) return leftHas ? -1 : 1;
  if (leftHas && left.score !== right.score) return right.score - left.score;
  return left.lot - right.lot;
}
