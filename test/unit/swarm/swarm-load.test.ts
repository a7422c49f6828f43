// The few numbers in which a swarm stands: who could send, who has nothing to do, whose queue cannot fill its line.
import { describe, expect, it } from 'vitest';
import { swarmLoad } from '../../../core/swarm/swarm-load.ts';
import { SwarmRig } from '../../support/swarm-rig.ts';

describe('the load of a swarm', () => {
  it('counts peers by what they could do', () => {
    const rig = new SwarmRig({ pieceCount: 64 });
    const load = (): ReturnType<typeof swarmLoad> => swarmLoad(rig.swarm, rig.nowMs);
    expect(load()).toMatchObject({ withPieces: 0, useful: 0, open: 0, isAllRequested: true });
    const empty = rig.join();
    expect(load()).toMatchObject({ withPieces: 0, useful: 0 });
    const choking = rig.joinSeed();
    rig.swarm.handleChoke(choking.peer, rig.nowMs);
    rig.answer(choking);
    expect(load()).toMatchObject({ withPieces: 1, useful: 1, isAllRequested: false });
    rig.joinSeed();
    expect(load()).toMatchObject({
      withPieces: 2,
      useful: 2,
      open: 2 - Number(choking.peer.requestsOut === 0),
    });
    expect(load().requestsOut).toBeGreaterThan(0);
    rig.swarm.removePeer(empty.peer, rig.nowMs);
    expect(load().withPieces).toBe(2);
  });

  it('counts a peer with nothing left to ask for as spare, in the endgame', () => {
    const rig = new SwarmRig({ pieceCount: 1, blocksPerPiece: 8 });
    rig.joinSeed();
    rig.joinSeed();
    const load = swarmLoad(rig.swarm, rig.nowMs);
    expect(load).toMatchObject({ open: 2, spare: 1, isAllRequested: true });
  });

  it('finds the queue too short while it holds less than the line', () => {
    const rig = new SwarmRig({ pieceCount: 400, slotCount: 1000 });
    const seed = rig.joinSeed();
    rig.swarm.setPeerRequestLimit(seed.peer, 8);
    // Eight blocks a round trip of 100 ms, and never more: the line would take anything.
    for (let round = 0; round < 20; round++) {
      rig.nowMs += 100;
      rig.answer(seed, seed.port.requests.length);
      rig.verifyFilled();
    }
    const short = swarmLoad(rig.swarm, rig.nowMs);
    expect(short.rateBytesPerSec).toBeGreaterThan(0);
    expect(short.shortRateBytesPerSec).toBe(short.rateBytesPerSec);
  });

  it('and long enough where blocks wait at the peer', () => {
    const rig = new SwarmRig({ pieceCount: 400, slotCount: 1000 });
    const seed = rig.joinSeed();
    // The first block tells the round trip; afterwards one comes every 100 ms while a second's worth waits.
    rig.nowMs += 5;
    rig.answer(seed, 1);
    for (let i = 0; i < 60; i++) {
      rig.nowMs += 100;
      rig.answer(seed, 1);
      rig.verifyFilled();
    }
    const load = swarmLoad(rig.swarm, rig.nowMs);
    expect(load.rateBytesPerSec).toBeGreaterThan(0);
    expect(load.shortRateBytesPerSec).toBe(0);
  });
});
