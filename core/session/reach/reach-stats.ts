// How peers were reached, as numbers: by which ways, with how many bytes, what came of introductions and of holes.
import type { Reached, Rung } from '../../nat/ladder.ts';
import type { NatSnapshot } from '../../nat/nat-snapshot.ts';
import type { NatState, Way } from '../../relay/messages.ts';
import type { QueueCounts } from '../../relay/queue-counts.ts';
import type { RelaySnapshot } from '../../relay/snapshot.ts';

/** Which way led to a peer, and what is known of it. */
export interface ReachedBy extends Reached {
  /** Ways that were begun; absent for who came in unasked. */
  readonly tried?: readonly Rung[];
  /** What each side knew of its own place; absent where nobody said. */
  readonly own?: NatState;
  readonly peer?: NatState;
  /** Who introduced us, or passes the bytes on: `host:port`. */
  readonly relay?: string;
}

export interface ReachSnapshot {
  /** Peers that we know of, connected ones included. */
  readonly knownPeers: number;
  readonly connectedPeers: number;
  /** Connections that shook hands, ended ones included. */
  readonly connections: Readonly<Counts>;
  /** Payload of both directions, ended connections included. */
  readonly bytes: Readonly<Counts>;
  /** Holes that both sides wanted, and those that opened. */
  readonly punches: { readonly tried: number; readonly opened: number };
  /** Calls through relays by what came of them: a way (`go reverse`, ...) or why not. */
  readonly introductions: Readonly<Record<string, number>>;
  /** Ports that gateways say they forward, and those through which somebody came in. */
  readonly mappings: { readonly claimed: number; readonly verified: number };
  /** Absent where no relays are used. */
  readonly queue?: QueueCounts;
  /** What we do for others of our swarms; absent where that is nothing. */
  readonly relaying?: RelaySnapshot;
}

/** A way that nobody was reached by is absent. */
type Counts = Partial<Record<Rung, number>>;

export class ReachStats {
  readonly connections: Counts = {};
  readonly introductions: Record<string, number> = {};
  readonly punches = { tried: 0, opened: 0 };
  /** Of connections that have ended. */
  readonly #bytes: Counts = {};

  handleConnected(rung: Rung): void {
    this.connections[rung] = (this.connections[rung] ?? 0) + 1;
  }
  handleEnded(rung: Rung, bytes: number): void {
    this.#bytes[rung] = (this.#bytes[rung] ?? 0) + bytes;
  }
  handlePunch(hasOpened: boolean): void {
    this.punches.tried++;
    if (hasOpened) this.punches.opened++;
  }
  /** @param result a way, or the code of a refusal: both are words of ours, so that this stays small */
  handleIntroduction(result: { readonly way: Way } | { readonly refused: string }): void {
    const name = 'way' in result ? `go ${result.way}` : result.refused;
    this.introductions[name] = (this.introductions[name] ?? 0) + 1;
  }

  /** @param live rung and payload bytes of every connection that stands */
  bytes(live: Iterable<{ readonly rung: Rung; readonly bytes: number }>): Counts {
    const sum = { ...this.#bytes };
    for (const { rung, bytes } of live) sum[rung] = (sum[rung] ?? 0) + bytes;
    return sum;
  }
}

export function mappingCounts(nat: NatSnapshot | undefined): ReachSnapshot['mappings'] {
  const states = (nat?.families ?? []).flatMap(({ mappings }) => mappings.map(({ state }) => state));
  const count = (wanted: string): number => states.filter((state) => state === wanted).length;
  return { claimed: count('claimed') + count('verified') + count('refuted'), verified: count('verified') };
}
