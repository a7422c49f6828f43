// One state of a download, one cause: each of them, and who wins when two would hold.
import { describe, expect, it } from 'vitest';
import { CAUSES, type TimeCause } from '../../../core/account/causes.ts';
import { classify, type StorageLoad, type TransferFacts } from '../../../core/account/classify.ts';
import { RecentCause } from '../../../core/account/recent-cause.ts';
import { SmoothedShare } from '../../../core/account/smoothed-share.ts';
import type { SwarmLoad } from '../../../core/swarm/swarm-load.ts';

const SWARM: SwarmLoad = {
  withPieces: 3,
  useful: 3,
  open: 3,
  spare: 0,
  requestsOut: 90,
  isAllRequested: false,
  rateBytesPerSec: 1e6,
  shortRateBytesPerSec: 0,
};
const STORAGE: StorageLoad = {
  waitingSegments: 0,
  buffersInUse: 8,
  isShortOfBuffers: false,
  hashShare: 0.1,
};

function facts(
  changes: Partial<Omit<TransferFacts, 'swarm' | 'storage'>> & {
    swarm?: Partial<SwarmLoad>;
    storage?: Partial<StorageLoad>;
  },
): TransferFacts {
  return {
    phase: 'transfer',
    connectedPeers: 3,
    isHeldByLimit: false,
    mainThreadShare: 0.2,
    ...changes,
    swarm: { ...SWARM, ...changes.swarm },
    storage: { ...STORAGE, ...changes.storage },
  };
}

/** In the order of CAUSES: each with a state that makes it so. */
const STATES: Readonly<Record<TimeCause, TransferFacts>> = {
  error: facts({ phase: 'error' }),
  paused: facts({ phase: 'paused' }),
  check: facts({ phase: 'check' }),
  hash: facts({ storage: { waitingSegments: 5, isShortOfBuffers: true, hashShare: 0.6 } }),
  disk: facts({ storage: { waitingSegments: 5, isShortOfBuffers: true } }),
  peers: facts({ connectedPeers: 1, swarm: { withPieces: 0, useful: 0, open: 0, requestsOut: 0 } }),
  metadata: facts({ phase: 'metadata' }),
  pieces: facts({ swarm: { useful: 0, open: 0, requestsOut: 0, isAllRequested: true } }),
  unchoke: facts({ swarm: { open: 0, requestsOut: 0 } }),
  limit: facts({ isHeldByLimit: true }),
  cpu: facts({ mainThreadShare: 0.95 }),
  queue: facts({ swarm: { shortRateBytesPerSec: 6e5 } }),
  endgame: facts({ swarm: { isAllRequested: true, spare: 2 } }),
  slow: facts({}),
};

describe('what a download waits for', () => {
  it.each(CAUSES.map(({ id }) => id))('%s', (cause) => {
    expect(classify(STATES[cause])).toBe(cause);
  });

  it('is the disk too when everything has come and not all of it is written', () => {
    const last = { isAllRequested: true, requestsOut: 0 };
    expect(classify(facts({ swarm: last, storage: { waitingSegments: 1 } }))).toBe('disk');
    expect(classify(facts({ swarm: last, storage: { waitingSegments: 1, hashShare: 0.9 } }))).toBe('hash');
    // Peers that part while the last pieces are written are not what it waits for.
    const alone = { ...last, withPieces: 0, useful: 0, open: 0 };
    expect(classify(facts({ swarm: alone, storage: { waitingSegments: 1 } }))).toBe('disk');
  });

  it('is not the disk while it keeps up, or while buffers are full of what slow peers owe', () => {
    expect(classify(facts({ storage: { waitingSegments: 5 } }))).toBe('slow');
    expect(classify(facts({ storage: { waitingSegments: 3, isShortOfBuffers: true } }))).toBe('slow');
  });

  it('is peers before metadata: nobody can send it', () => {
    expect(classify(facts({ phase: 'metadata', connectedPeers: 0 }))).toBe('peers');
  });

  it('is no endgame with one peer alone, nor while all have work: it is as slow as it is', () => {
    expect(classify(facts({ swarm: { isAllRequested: true, open: 1, spare: 1, requestsOut: 1 } }))).toBe(
      'slow',
    );
    expect(classify(facts({ swarm: { isAllRequested: true, spare: 0 } }))).toBe('slow');
  });

  it('is the queue when nothing is asked though something could be', () => {
    expect(classify(facts({ swarm: { requestsOut: 0 } }))).toBe('queue');
  });

  it('goes by the order of the definitions when several hold', () => {
    const order: readonly TimeCause[] = ['peers', 'pieces', 'unchoke', 'limit', 'cpu', 'queue', 'endgame'];
    const swarms = order.map((cause) => STATES[cause]);
    for (const [i, cause] of order.entries()) {
      const later = swarms.slice(i + 1);
      const merged = facts({
        isHeldByLimit: true,
        mainThreadShare: 1,
        swarm: Object.assign({}, ...later.map(({ swarm }) => swarm), swarms[i]?.swarm),
      });
      // From `limit` on the facts stand beside the swarm.
      const expected = order.indexOf(cause) <= order.indexOf('limit') ? cause : 'limit';
      expect(classify(merged)).toBe(expected);
    }
  });

  it('is not known before the torrent is open', () => {
    expect(classify({ ...facts({}), swarm: undefined, storage: undefined })).toBe('check');
  });
});

describe('what it waited for lately', () => {
  it('is what filled the last seconds, not the last moment', () => {
    const recent = new RecentCause();
    for (let i = 0; i < 100; i++) recent.note('peers', 100);
    recent.note('slow', 200);
    expect(recent.cause).toBe('peers');
    for (let i = 0; i < 80; i++) recent.note('slow', 100);
    expect(recent.cause).toBe('slow');
  });
});

describe('a smoothed share', () => {
  it('follows what lasts and shrugs off one burst', () => {
    const share = new SmoothedShare();
    share.note(20, 20);
    expect(share.value).toBeLessThan(0.1);
    for (let i = 0; i < 100; i++) share.note(20, 20);
    expect(share.value).toBeGreaterThan(0.95);
    for (let i = 0; i < 100; i++) share.note(0, 20);
    expect(share.value).toBeLessThan(0.05);
    share.note(5, 0);
    expect(share.value).toBeLessThan(0.05);
  });
});
