// Rates and DHT round trips of the last minutes for the graphs: one sample a second for the session and for each torrent, bounded.
import type { SessionSnapshot } from '../../core/session/snapshot.ts';

const SAMPLE_INTERVAL_MS = 1_000;
/** Pictures come once a second, give or take: one that is a little early is still that second's. */
const EARLY_MS = 200;
/** Enough for a graph across the widest terminal, two samples a column. */
const MOST_SAMPLES = 600;

export interface RateHistory {
  readonly down: number[];
  readonly up: number[];
}

/** Milliseconds that a tenth and nine tenths of the answers came within. */
export interface RoundTripHistory {
  readonly low: number[];
  readonly high: number[];
}

const NO_HISTORY: RateHistory = { down: [], up: [] };

export class History {
  readonly total: RateHistory = { down: [], up: [] };
  readonly roundTrips: RoundTripHistory = { low: [], high: [] };
  private readonly torrents = new Map<string, RateHistory>();
  private nextAtMs = Number.NEGATIVE_INFINITY;

  add(snapshot: SessionSnapshot): void {
    if (snapshot.atMs < this.nextAtMs - EARLY_MS) return;
    this.nextAtMs += SAMPLE_INTERVAL_MS;
    // A process that was stopped for an hour owes no samples for it.
    if (this.nextAtMs <= snapshot.atMs) this.nextAtMs = snapshot.atMs + SAMPLE_INTERVAL_MS;
    const { roundTripP10Ms, roundTripP90Ms } = snapshot.dht ?? {};
    if (roundTripP10Ms !== undefined && roundTripP90Ms !== undefined) {
      keep(this.roundTrips.low, roundTripP10Ms);
      keep(this.roundTrips.high, roundTripP90Ms);
    }
    push(this.total, snapshot.downRateBytesPerSec, snapshot.upRateBytesPerSec);
    const gone = new Set(this.torrents.keys());
    for (const torrent of snapshot.torrents) {
      gone.delete(torrent.infoHash);
      const history = this.torrents.get(torrent.infoHash) ?? { down: [], up: [] };
      this.torrents.set(torrent.infoHash, history);
      push(history, torrent.downRateBytesPerSec, torrent.upRateBytesPerSec);
    }
    for (const infoHash of gone) this.torrents.delete(infoHash);
  }

  of(infoHash: string): RateHistory {
    return this.torrents.get(infoHash) ?? NO_HISTORY;
  }
}

function push(history: RateHistory, down: number, up: number): void {
  keep(history.down, down);
  keep(history.up, up);
}

function keep(values: number[], value: number): void {
  values.push(value);
  if (values.length > MOST_SAMPLES) values.shift();
}
