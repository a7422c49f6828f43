// From the state of a download to the one thing it waits for. The order of the questions is the order of CAUSES.
import type { SwarmLoad } from '../swarm/swarm-load.ts';
import type { TimeCause } from './causes.ts';

/** Above this share of the time a thread counts as busy all the time. */
const BUSY_SHARE = 0.9;
const MOST = 0.5;

export interface StorageLoad {
  /** Segments that wait to be hashed and written. */
  readonly waitingSegments: number;
  readonly buffersInUse: number;
  /** The last request found no buffer. */
  readonly isShortOfBuffers: boolean;
  /** Share of the last quarter second that the disk thread spent hashing for this torrent. */
  readonly hashShare: number;
}

/** What is true at the end of a window, or was during it. */
export interface TransferFacts {
  readonly phase: 'error' | 'paused' | 'check' | 'metadata' | 'transfer';
  /** Peers whose handshakes are done. */
  readonly connectedPeers: number;
  /** undefined before the torrent is opened. */
  readonly swarm: SwarmLoad | undefined;
  readonly storage: StorageLoad | undefined;
  /** Some connection was paused by the download limit during the window. */
  readonly isHeldByLimit: boolean;
  /** Share of the last quarter second that the main thread was busy. */
  readonly mainThreadShare: number;
}

/** What a download waits for now: the first cause that applies, in the order of docs/explain.md. */
export function classify(facts: TransferFacts): TimeCause {
  const { phase, connectedPeers, swarm, storage } = facts;
  if (phase === 'error' || phase === 'paused' || phase === 'check') return phase;
  if (phase === 'metadata') return connectedPeers === 0 ? 'peers' : 'metadata';
  if (swarm === undefined || storage === undefined) return 'check';
  if (isStorageBehind(swarm, storage)) return storage.hashShare > MOST ? 'hash' : 'disk';
  if (swarm.withPieces === 0) return 'peers';
  if (swarm.useful === 0) return 'pieces';
  if (swarm.open === 0) return 'unchoke';
  if (facts.isHeldByLimit) return 'limit';
  if (facts.mainThreadShare > BUSY_SHARE) return 'cpu';
  if (isQueueShort(swarm)) return 'queue';
  if (swarm.isAllRequested && swarm.spare > 0 && swarm.open > swarm.spare) return 'endgame';
  return 'slow';
}

function isStorageBehind(swarm: SwarmLoad, storage: StorageLoad): boolean {
  const { waitingSegments, buffersInUse, isShortOfBuffers } = storage;
  if (waitingSegments === 0) return false;
  if (isShortOfBuffers && waitingSegments >= buffersInUse * MOST) return true;
  return swarm.isAllRequested && swarm.requestsOut === 0;
}

function isQueueShort(swarm: SwarmLoad): boolean {
  if (swarm.requestsOut === 0) return !swarm.isAllRequested;
  return swarm.shortRateBytesPerSec > swarm.rateBytesPerSec * MOST;
}
