// How a swarm stands at one moment, in a few numbers: for the account of where the time goes. O(peers), some ten times a second.
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import type { Swarm } from './swarm.ts';
import type { SwarmPeer } from './swarm-peer.ts';

/** Less than a line's own content and half of it again runs dry at the first jitter (the same figure as Pipeline's). */
const LINE_FACTOR = 1.5;

export interface SwarmLoad {
  /** Peers that have any piece. */
  readonly withPieces: number;
  /** Of these: have something that we miss. */
  readonly useful: number;
  /** Of these: may be asked, or owe us blocks that BEP 6 allows while choked. */
  readonly open: number;
  /** Of these: would send more than we could ask for, and owe one block at most. */
  readonly spare: number;
  /** Blocks asked for and not here. */
  readonly requestsOut: number;
  /** Every block that anybody could send is asked for. */
  readonly isAllRequested: boolean;
  /** Of all open peers, and of those whose queue cannot fill their line. */
  readonly rateBytesPerSec: number;
  readonly shortRateBytesPerSec: number;
}

/** O(peers). */
export function swarmLoad(swarm: Swarm, nowMs: number): SwarmLoad {
  let withPieces = 0;
  let useful = 0;
  let open = 0;
  let spare = 0;
  let requestsOut = 0;
  let rate = 0;
  let shortRate = 0;
  for (const peer of swarm.peers) {
    if (peer.isEnding) continue;
    if (peer.pieces.count > 0) withPieces++;
    if (peer.neededCount === 0) continue;
    useful++;
    const { requestsOut: owed } = peer;
    requestsOut += owed;
    if (peer.peerChoking && owed === 0) continue;
    open++;
    if (peer.isHungry && owed <= 1) spare++;
    const peerRate = Math.max(peer.pipeline.rateBytesPerSec, peer.down.rateBytesPerSec(nowMs));
    rate += peerRate;
    if (isQueueShort(peer, peerRate)) shortRate += peerRate;
  }
  return {
    withPieces,
    useful,
    open,
    spare,
    requestsOut,
    isAllRequested: swarm.picker.inEndgame,
    rateBytesPerSec: rate,
    shortRateBytesPerSec: shortRate,
  };
}

/** What may be outstanding is less than what fits on the line. Before the first block nothing is known of the line. */
function isQueueShort({ pipeline }: SwarmPeer, rateBytesPerSec: number): boolean {
  const { depth, roundTripMs } = pipeline;
  if (roundTripMs === Number.POSITIVE_INFINITY || pipeline.isStalled) return false;
  return depth * BLOCK_BYTES < (LINE_FACTOR * rateBytesPerSec * roundTripMs) / 1000;
}
