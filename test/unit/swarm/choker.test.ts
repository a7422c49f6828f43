// Slots: who gets one, when, and for how long.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import {
  type ChokeCandidate,
  type ChokeContext,
  type ChokePolicy,
  titForTat,
} from '../../../core/swarm/choke-policy.ts';
import { type Chokeable, Choker } from '../../../core/swarm/choker.ts';

const MB = 1 << 20;

interface TestPeer extends Chokeable {
  name: string;
  received: number;
  snubs: boolean;
  peerInterested: boolean;
}

class Rig {
  readonly peers = new Set<TestPeer>();
  readonly log: string[] = [];
  readonly choker: Choker<TestPeer>;
  nowMs = 0;
  isSeeding = false;

  constructor(policy: ChokePolicy = titForTat(), seed = 1) {
    this.choker = new Choker<TestPeer>({
      policy,
      rng: seededRng(seed),
      peers: this.peers,
      context: (): ChokeContext => ({ isSeeding: this.isSeeding, pieceCount: 100, pieceLength: MB }),
      onUnchoke: (peer) => this.log.push(`+${peer.name}`),
      onChoke: (peer) => this.log.push(`-${peer.name}`),
    });
  }

  add(name: string, received = 0): TestPeer {
    const peer: TestPeer = {
      name,
      received,
      snubs: false,
      peerInterested: true,
      unchokeReason: undefined,
      chokeChangedAtMs: this.nowMs,
      joinedAtMs: this.nowMs,
      luckySinceMs: 0,
      wasUnchoked: false,
      chokeCandidate: (nowMs): ChokeCandidate => ({
        receivedBytes: peer.received,
        sentBytes: 0,
        sentSinceUnchokeBytes: 0,
        isUnchoked: peer.unchokeReason !== undefined,
        sinceChangeMs: nowMs - peer.chokeChangedAtMs,
        connectedMs: nowMs - peer.joinedAtMs,
        isSnubbingUs: peer.snubs,
        pieceCount: 0,
      }),
    };
    this.peers.add(peer);
    this.choker.handleInterested(peer, this.nowMs);
    return peer;
  }

  addMany(count: number, received = 0): TestPeer[] {
    return Array.from({ length: count }, (_, index) => this.add(`p${this.peers.size}.${index}`, received));
  }

  round(rate = 0): void {
    this.nowMs += 10_000;
    this.choker.handleTimeout(rate, this.nowMs);
  }

  unchoked(): TestPeer[] {
    return [...this.peers].filter(({ unchokeReason }) => unchokeReason !== undefined);
  }
}

describe('choker', () => {
  it('unchokes the interested at once while slots are free: four and one', () => {
    const rig = new Rig();
    rig.addMany(8);
    expect(rig.log).toHaveLength(5);
    expect(rig.unchoked().every(({ unchokeReason }) => unchokeReason === 'free-slot')).toBe(true);
  });

  it('fills a slot at once when its holder leaves or loses interest', () => {
    const rig = new Rig();
    const peers = rig.addMany(6);
    const [first, second] = peers as [TestPeer, TestPeer];
    const last = peers[5] as TestPeer;
    expect(last.unchokeReason).toBeUndefined();
    rig.peers.delete(first);
    rig.choker.handleRemoved(first, 100);
    expect(last.unchokeReason).toBe('free-slot');
    const late = rig.add('late');
    expect(late.unchokeReason).toBeUndefined();
    second.peerInterested = false;
    rig.choker.handleNotInterested(second, 200);
    expect(second.unchokeReason).toBeUndefined();
    expect(late.unchokeReason).toBe('free-slot');
    expect(rig.choker.unchokedCount).toBe(rig.unchoked().length);
  });

  it('gives regular slots to the four best payers and one by lot', () => {
    const rig = new Rig();
    const poor = rig.addMany(5);
    const rich = [5, 4, 3, 2, 1].map((paid) => rig.add(`rich${paid}`, paid * MB));
    rig.round();
    rig.round();
    rig.round();
    expect(rich.slice(0, 4).map(({ unchokeReason }) => unchokeReason)).toEqual(Array(4).fill('regular'));
    const lucky = [...poor, rich[4]].filter((peer) => peer?.unchokeReason !== undefined);
    expect(lucky.map((peer) => peer?.unchokeReason)).toEqual(['optimistic']);
    expect(rig.choker.unchokedCount).toBe(5);
  });

  it('turns it with the round that comes a moment early, not ten seconds late', () => {
    const rig = new Rig(undefined, 3);
    rig.addMany(4, MB);
    rig.addMany(6);
    rig.round();
    const [holder] = rig.unchoked().filter(({ received }) => received === 0);
    const drawnAtMs = holder?.luckySinceMs as number;
    for (const afterMs of [10_000, 20_000]) {
      rig.choker.runRound(0, drawnAtMs + afterMs);
      expect(holder?.luckySinceMs).toBe(drawnAtMs);
    }
    rig.choker.runRound(0, drawnAtMs + 29_600);
    const [next] = rig.unchoked().filter(({ received }) => received === 0);
    expect(next?.luckySinceMs).toBe(drawnAtMs + 29_600);
  });

  it('turns the optimistic slot every 30 s, not sooner', () => {
    const rig = new Rig();
    rig.addMany(4, MB);
    rig.addMany(30);
    const holders: string[] = [];
    for (let round = 0; round < 60; round++) {
      rig.round();
      const optimistic = rig.unchoked().filter(({ unchokeReason }) => unchokeReason === 'optimistic');
      expect(optimistic).toHaveLength(1);
      holders.push(optimistic[0]?.name as string);
    }
    let changes = 0;
    let stretch = 1;
    for (let round = 1; round < holders.length; round++) {
      if (holders[round] === holders[round - 1]) {
        stretch++;
        continue;
      }
      // The very first holder had its slot, as a free one, before the first round.
      if (changes++ > 0) expect(stretch % 3).toBe(0);
      stretch = 1;
    }
    expect(changes).toBeGreaterThan(12);
  });

  it('draws newcomers about three times as often', () => {
    let newcomers = 0;
    const draws = 600;
    for (let seed = 1; seed <= draws; seed++) {
      const rig = new Rig(titForTat(), seed);
      rig.addMany(4, MB);
      rig.add('sitting');
      const old = rig.addMany(5);
      for (const peer of old) peer.wasUnchoked = true;
      rig.addMany(5);
      for (let round = 0; round < 3; round++) rig.round();
      const lucky = rig.unchoked().find(({ unchokeReason }) => unchokeReason === 'optimistic');
      if (lucky !== undefined && !old.includes(lucky) && lucky.name !== 'sitting') newcomers++;
    }
    // 15 of 21 tickets.
    expect(newcomers / draws).toBeGreaterThan(0.62);
    expect(newcomers / draws).toBeLessThan(0.8);
  });

  it('takes the regular slot from who snubs us; all slots go by lot while everybody does', () => {
    const rig = new Rig();
    const payers = rig.addMany(4, MB);
    rig.addMany(10);
    rig.round();
    for (const payer of payers) payer.snubs = true;
    rig.round();
    expect(rig.unchoked().filter(({ unchokeReason }) => unchokeReason === 'regular')).toHaveLength(0);
    expect(rig.choker.unchokedCount).toBe(5);
  });

  it('does not choke anybody while there is room for all', () => {
    const rig = new Rig();
    rig.addMany(5);
    for (let round = 0; round < 20; round++) rig.round();
    expect(rig.log.filter((entry) => entry.startsWith('-'))).toEqual([]);
  });

  it('grows with the rate in steps, shrinks again, and keeps a fixed number fixed', () => {
    const rig = new Rig();
    rig.addMany(100);
    const slots: number[] = [];
    for (let round = 0; round < 14; round++) {
      rig.round(16_384 * 400);
      slots.push(rig.choker.regularSlots);
    }
    expect(slots.slice(0, 4)).toEqual([5, 7, 9, 12]);
    expect(slots.at(-1)).toBe(20);
    expect(rig.unchoked()).toHaveLength(rig.choker.allSlots);
    expect(rig.choker.allSlots).toBe(25);
    for (let round = 0; round < 20; round++) rig.round(0);
    expect(rig.choker.regularSlots).toBe(4);
    rig.choker.setSlots(2, rig.nowMs);
    rig.round(16_384 * 400);
    expect(rig.choker.allSlots).toBe(3);
    expect(rig.unchoked()).toHaveLength(3);
    rig.choker.setSlots(0, rig.nowMs);
    expect(rig.unchoked()).toHaveLength(0);
  });

  it('sleeps while nobody is interested', () => {
    const rig = new Rig();
    expect(rig.choker.nextTimeoutMs).toBe(Number.POSITIVE_INFINITY);
    const peer = rig.add('only');
    expect(rig.choker.nextTimeoutMs).toBe(10_000);
    peer.peerInterested = false;
    rig.choker.handleNotInterested(peer, 1);
    rig.round();
    expect(rig.choker.nextTimeoutMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('choke policies', () => {
  const base: ChokeCandidate = {
    receivedBytes: 0,
    sentBytes: 0,
    sentSinceUnchokeBytes: 0,
    isUnchoked: false,
    sinceChangeMs: 0,
    connectedMs: 0,
    isSnubbingUs: false,
    pieceCount: 0,
  };
  const seeding: ChokeContext = { isSeeding: true, pieceCount: 100, pieceLength: MB };

  it('leeching: nothing paid is no claim, whatever else', () => {
    const context = { ...seeding, isSeeding: false };
    expect(titForTat().score(base, context)).toBeNaN();
    expect(titForTat().score({ ...base, receivedBytes: 5 }, context)).toBe(5);
    expect(titForTat().score({ ...base, receivedBytes: 5, isSnubbingUs: true }, context)).toBeNaN();
  });

  it('round robin: a turn lasts 20 pieces and 60 s, then the longest waiting comes', () => {
    const { score } = titForTat('round-robin');
    const inTurn = { ...base, isUnchoked: true, sinceChangeMs: 61_000, sentSinceUnchokeBytes: 19 * MB };
    const quick = { ...base, isUnchoked: true, sinceChangeMs: 10_000, sentSinceUnchokeBytes: 90 * MB };
    const served = { ...inTurn, sentSinceUnchokeBytes: 20 * MB };
    const waiting = { ...base, sinceChangeMs: 5000 };
    const waitingLonger = { ...base, sinceChangeMs: 50_000 };
    const order = [served, waiting, inTurn, waitingLonger].sort(
      (left, right) => score(right, seeding) - score(left, seeding),
    );
    expect(order).toEqual([inTurn, waitingLonger, waiting, served]);
    expect(score(quick, seeding)).toBe(score(inTurn, seeding));
  });

  it('fastest upload: who takes most; the untried after, by waiting', () => {
    const { score } = titForTat('fastest-upload');
    const scores = [
      score({ ...base, sentBytes: 10 }, seeding),
      score({ ...base, sentBytes: 1 }, seeding),
      score({ ...base, sinceChangeMs: 1000 }, seeding),
      score(base, seeding),
    ];
    expect(scores).toEqual([...scores].sort((left, right) => right - left));
    expect(new Set(scores).size).toBe(4);
  });

  it('anti-leech: the beginning and the end before the middle', () => {
    const { score } = titForTat('anti-leech');
    const at = (pieceCount: number): number => score({ ...base, pieceCount }, seeding);
    expect(at(0)).toBe(at(100));
    expect(at(10)).toBeGreaterThan(at(30));
    expect(at(90)).toBeGreaterThan(at(60));
    expect(at(50)).toBe(0);
  });
});
