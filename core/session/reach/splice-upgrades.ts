// When the straight ways to a spliced peer are tried again: soon where a hole is likely, else once a minute, by whoever called. A splice
// costs the relay every byte. Pure.
import { UPGRADE_INTERVAL_MS, UPGRADE_SOON_MS } from '../../nat/ladder.ts';
import { canPunch, type Reach } from '../../nat/ladder-reach.ts';
import type { NatState } from '../../relay/messages.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** What both sides know of their places now. */
export interface UpgradeFacts {
  readonly own: Reach;
  readonly ownState: NatState;
  readonly peer: Reach;
}

export class SpliceUpgrades {
  readonly #triedAtMs = new WeakMap<PeerConnection, number>();

  /** Whether it is one that we are to straighten at all. */
  isOurs({ reached, isIncoming, candidate, leaveAtMs }: PeerConnection): boolean {
    return reached?.rung === 'splice' && !isIncoming && candidate !== undefined && leaveAtMs === undefined;
  }

  isDue(connection: PeerConnection, { own, ownState, peer }: UpgradeFacts, nowMs: number): boolean {
    const lastMs = this.#triedAtMs.get(connection);
    if (lastMs !== undefined) return nowMs >= lastMs + UPGRADE_INTERVAL_MS;
    // The splice was for want of knowledge, which has come since: at once.
    const isWiser = connection.reached?.own === 'unknown' && ownState !== 'unknown';
    const firstMs = isWiser ? 0 : canPunch(own, peer) === 'yes' ? UPGRADE_SOON_MS : UPGRADE_INTERVAL_MS;
    return nowMs >= connection.openedAtMs + firstMs;
  }

  handleTried(connection: PeerConnection, nowMs: number): void {
    this.#triedAtMs.set(connection, nowMs);
  }
}
