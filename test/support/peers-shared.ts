// As much of a session as the connections of one torrent ask for: nobody banned, no limit reached, no NAT known.
import { seededRng } from '../../core/base/clock.ts';
import type { SessionShared } from '../../core/session/shared.ts';

export const OWN_PEER_ID = new Uint8Array(20).fill(9);

/** @param relays what stands for `nat.relays` */
export function sharedForPeers(
  nowMs: () => number,
  relays: object = {},
  peerId: Uint8Array = OWN_PEER_ID,
): SessionShared {
  return {
    clock: { nowMs },
    rng: seededRng(1),
    peerId,
    maxPeersPerTorrent: 10,
    isFull: () => false,
    makePlace: () => false,
    crowdedPlaces: () => 0,
    isBanned: () => false,
    isSelf: () => false,
    externalAddress: () => undefined,
    dials: { poke: () => {} },
    log: () => {},
    nat: { ownFacts: () => ({ state: 'unknown' }), relays },
  } as unknown as SessionShared;
}
