// How a relay speaks to its links: answers, refusals (each counted), heartbeats; and how often it listens to one. Pure.
import { type Rng, randomInt } from '../base/clock.ts';
import { networkPrefix } from './addresses.ts';
import { BucketsByPrefix, type RelayLimits } from './limits.ts';
import { encodeMessage } from './message-codec.ts';
import type { Refusal, ToPeer } from './messages.ts';
import { RelayCounters } from './server-counters.ts';
import type { Link, LinkId, Links } from './server-links.ts';

const BEAT_INTERVAL_MS = 120_000;
/** Longer round trips are the network's or the peer's trouble, and no measure for a start. */
const MAX_RTT_MS = 3_000;

export class ServerVoice {
  readonly counters = new RelayCounters();
  readonly #links: Links;
  readonly #rng: Rng;
  readonly #send: (link: LinkId, payload: Uint8Array) => void;
  readonly #networkSignals: BucketsByPrefix;

  constructor(
    links: Links,
    limits: RelayLimits,
    rng: Rng,
    send: (link: LinkId, payload: Uint8Array) => void,
  ) {
    this.#links = links;
    this.#rng = rng;
    this.#send = send;
    this.#networkSignals = new BucketsByPrefix(limits.networkSignalsPerMinute);
  }

  takeSignal(link: Link, nowMs: number): boolean {
    return link.signals.take(nowMs) && this.#networkSignals.take(networkPrefix(link.info.remote.host), nowMs);
  }

  reply(link: Link, message: ToPeer): void {
    this.#send(link.id, encodeMessage(message));
  }

  refuse(link: Link, of: number, code: Refusal, about: { request?: number; nonce?: Uint8Array }): void {
    this.counters.refuse(code);
    this.reply(link, { type: 'refuse', of, code, request: about.request, nonce: about.nonce });
  }

  refuseTo(id: LinkId, of: number, code: Refusal, about: { nonce: Uint8Array }): void {
    const link = this.#links.get(id);
    if (link !== undefined) this.refuse(link, of, code, about);
  }

  beat(link: Link, nowMs: number): void {
    // One that was never answered does not keep us from asking again.
    if (link.beat !== undefined && nowMs < link.nextBeatMs) return;
    const count = randomInt(this.#rng, 2 ** 32);
    link.beat = { count, atMs: nowMs };
    link.nextBeatMs = nowMs + BEAT_INTERVAL_MS;
    this.reply(link, { type: 'beat', count, isEcho: false });
  }

  handleBeat(link: Link, count: number, isEcho: boolean, nowMs: number): void {
    if (!isEcho) {
      this.reply(link, { type: 'beat', count, isEcho: true });
      return;
    }
    if (link.beat?.count !== count) return;
    const rttMs = Math.min(MAX_RTT_MS, Math.round(nowMs - link.beat.atMs));
    // The smallest of late: the rest is queues.
    link.rttMs = link.rttMs === undefined ? rttMs : Math.min(link.rttMs + 1, rttMs);
    link.beat = undefined;
  }
}
