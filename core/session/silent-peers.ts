// A peer that should say something and is silent: when it is dialled once more, beside the connection that may be dead. Pure.
import type { PeerConnection } from './peer/peer-connection.ts';
import { FIND_AGAIN_MAX_MS, FIND_AGAIN_MS, FIND_AGAIN_TIMES, STALLED_MS } from './peer-limits.ts';

/** Something was said to it, or waits to be, and nothing was heard since: for too long, if it lives. */
export function isUnheard(
  { lastReceivedAtMs, lastSentAtMs, queuedBytes }: PeerConnection,
  nowMs: number,
): boolean {
  const isOwed = queuedBytes > 0 || lastSentAtMs >= lastReceivedAtMs;
  return isOwed && nowMs - lastReceivedAtMs >= STALLED_MS;
}

/**
 * To be asked once a second; the next time is further off each time.
 * @returns `doubt`: nobody takes what we send, its line may be dead; `seek`: what we wait for does not come, either
 */
export function takeDoubt(connection: PeerConnection, nowMs: number): 'none' | 'doubt' | 'seek' {
  const { swarmPeer, lastReceivedAtMs, heldUntilMs } = connection;
  if (nowMs - Math.max(lastReceivedAtMs, heldUntilMs) < STALLED_MS || swarmPeer === undefined) {
    connection.soughtCount = connection.seekCount = connection.seekAtMs = 0;
    return 'none';
  }
  // Those that lapsed included: others were asked meanwhile, it still owes them.
  const isWaiting = swarmPeer.requests.size > 0;
  // Whoever may ask us and wants to does so all the time; that the last block left tells nothing of whether it got there.
  const isServed = connection.queuedBytes > 0 || (swarmPeer.peerInterested && !swarmPeer.amChoking);
  if ((!isWaiting && !(isServed && isUnheard(connection, nowMs))) || nowMs < connection.seekAtMs)
    return 'none';
  const doublings = Math.max(0, connection.seekCount++ - FIND_AGAIN_TIMES);
  connection.seekAtMs = nowMs + Math.min(FIND_AGAIN_MAX_MS, FIND_AGAIN_MS * 2 ** doublings);
  return isWaiting ? 'seek' : 'doubt';
}
