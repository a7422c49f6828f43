import { describe, expect, it } from 'vitest';
import {
  answerTo,
  Ladder,
  PUNCH_SILENCE_MS,
  type Rung,
  rungsFor,
  type Ways,
} from '../../../core/nat/ladder.ts';
import { canPunch, canPunchTcp, type Reach, reachOf, UNKNOWN_REACH } from '../../../core/nat/ladder-reach.ts';

const ALL_WAYS: Ways = { reverse: true, punch: true, splice: true };
const OPEN = reachOf('open', 'eif');
const CONE = reachOf('eim-open', 'eif');
const ADDRESS = reachOf('eim', 'adf');
const PORT = reachOf('eim', 'apdf');
const SYMMETRIC = reachOf('apdm', 'apdf');
const TCP_ONLY = reachOf('tcp-only', 'unknown');

/** As the lab's 9 kinds are seen by themselves. */
const KINDS: Readonly<Record<string, Reach>> = {
  public: OPEN,
  'full-cone': CONE,
  'addr-restricted': ADDRESS,
  'port-restricted': PORT,
  shift: PORT,
  symmetric: SYMMETRIC,
  firewall: PORT,
  cgnat: PORT,
  'cgnat-symmetric': SYMMETRIC,
};
const PAIRS = Object.keys(KINDS).flatMap((a, i) =>
  Object.keys(KINDS)
    .slice(i)
    .map((b) => [a, b] as const),
);

/** Plays a ladder in a world where `works` says which rung leads somewhere, after `takesMs`. */
function climb(
  own: Reach,
  peer: Reach,
  works: (rung: Rung) => boolean,
  options: { ways?: Ways; isHidden?: boolean; takesMs?: number } = {},
): { log: string[]; ladder: Ladder } {
  const ladder = new Ladder({
    own,
    peer,
    ways: options.ways ?? ALL_WAYS,
    nowMs: 0,
    isHidden: options.isHidden === true,
  });
  const log: string[] = [];
  const done: { atMs: number; rung: Rung }[] = [];
  for (let nowMs = 0; nowMs < 20_000 && ladder.reached === undefined; ) {
    for (let rung = ladder.next(nowMs); rung !== undefined; rung = ladder.next(nowMs)) {
      log.push(`${nowMs} ${rung}`);
      if (works(rung)) done.push({ atMs: nowMs + (options.takesMs ?? 100), rung });
    }
    const due = done.sort((a, b) => a.atMs - b.atMs)[0];
    const nextMs = Math.min(ladder.nextTimeoutMs(), due?.atMs ?? Number.POSITIVE_INFINITY);
    if (nextMs === Number.POSITIVE_INFINITY) break;
    nowMs = nextMs;
    if (due !== undefined && due.atMs <= nowMs) ladder.handleConnected(due.rung, nowMs);
  }
  return { log, ladder };
}

describe('who can punch', () => {
  it('of the 45 pairs of the lab 34 can, and the 11 others have a moving port that faces a filter by port', () => {
    const impossible = PAIRS.filter(([a, b]) => canPunch(KINDS[a] as Reach, KINDS[b] as Reach) === 'no');
    expect(PAIRS).toHaveLength(45);
    expect(impossible).toHaveLength(11);
    for (const [a, b] of impossible) {
      expect([KINDS[a], KINDS[b]].some((reach) => reach?.mapping === 'per-remote')).toBe(true);
    }
    for (const [a, b] of PAIRS) {
      expect(canPunch(KINDS[b] as Reach, KINDS[a] as Reach)).toBe(
        canPunch(KINDS[a] as Reach, KINDS[b] as Reach),
      );
    }
  });

  it('says unknown rather than no while it does not know', () => {
    expect(canPunch(UNKNOWN_REACH, PORT)).toBe('unknown');
    expect(canPunch(SYMMETRIC, UNKNOWN_REACH)).toBe('unknown');
    expect(canPunch(SYMMETRIC, reachOf('eim', 'unknown'))).toBe('unknown');
    expect(canPunch(SYMMETRIC, reachOf('unknown', 'apdf'))).toBe('no');
    expect(canPunch(TCP_ONLY, PORT)).toBe('no');
  });
});

describe('the order of the rungs', () => {
  it.each(PAIRS)('%s to %s: shortest way that can work first', (a, b) => {
    const [own, peer] = [KINDS[a] as Reach, KINDS[b] as Reach];
    const isPossible = (rung: Rung): boolean => {
      if (rung === 'direct') return peer.isOpen === 'yes';
      if (rung === 'reverse') return own.isOpen === 'yes';
      return rung === 'splice' || canPunch(own, peer) === 'yes';
    };
    const { ladder, log } = climb(own, peer, isPossible);
    const reached = ladder.reached;
    const expected =
      peer.isOpen === 'yes'
        ? 'direct'
        : own.isOpen === 'yes'
          ? 'reverse'
          : canPunch(own, peer) === 'yes'
            ? 'punch'
            : 'splice';
    expect(reached?.rung, log.join(', ')).toBe(expected);
    // With both sides known nothing is tried in vain.
    expect(log).toHaveLength(1);
  });

  it('knowing nothing: straight, after a second a hole, and bytes flow before five seconds are over', () => {
    const { log, ladder } = climb(UNKNOWN_REACH, UNKNOWN_REACH, (rung) => rung === 'splice');
    expect(log).toEqual(['0 direct', '1000 punch', '2500 splice']);
    expect(ladder.reached).toEqual({ rung: 'splice', ms: 2600 });
  });

  it('a hidden peer is called for first: an early packet could close its door', () => {
    const { log } = climb(UNKNOWN_REACH, UNKNOWN_REACH, () => false, { isHidden: true });
    // While a hole is tried the straight way waits, and what a relay passes on does not.
    expect(log).toEqual(['0 punch', '1500 splice']);
    expect(rungsFor({ own: PORT, peer: reachOf('eim', 'apdf'), ways: ALL_WAYS })).toEqual([
      'punch',
      'splice',
    ]);
  });

  it('with nobody to help only the straight way is left', () => {
    const ways: Ways = { reverse: false, punch: false, splice: false };
    expect(climb(PORT, PORT, () => false, { ways }).log).toEqual(['0 direct']);
  });

  it('a rung that is late still counts, and the first stream wins', () => {
    const { ladder } = climb(UNKNOWN_REACH, UNKNOWN_REACH, (rung) => rung === 'direct', { takesMs: 1800 });
    expect(ladder.reached).toEqual({ rung: 'direct', ms: 1800 });
    ladder.handleConnected('splice', 1900);
    expect(ladder.reached?.rung).toBe('direct');
  });
});

describe('news on the way', () => {
  it('no hole: the straight way to a hidden peer has its turn, before the relay passes bytes on', () => {
    const options = { own: UNKNOWN_REACH, peer: UNKNOWN_REACH, ways: ALL_WAYS, nowMs: 0, isHidden: true };
    const ladder = new Ladder(options);
    expect(ladder.next(0)).toBe('punch');
    ladder.handleFailed('punch', 90);
    expect([ladder.next(90), ladder.next(90)]).toEqual(['direct', undefined]);
    expect(ladder.next(ladder.nextTimeoutMs())).toBe('splice');
    const helpless = new Ladder({ ...options, ways: { ...ALL_WAYS, splice: false } });
    helpless.next(0);
    expect([helpless.next(5_000), helpless.nextTimeoutMs()]).toEqual([undefined, Number.POSITIVE_INFINITY]);
    helpless.handleFailed('punch', 6_000);
    expect(helpless.next(6_000)).toBe('direct');
  });

  it('a hole that the nearer side begins later has so much more time', () => {
    const budgetOf = (delayMs: number): number => {
      const ladder = new Ladder({ own: PORT, peer: PORT, ways: ALL_WAYS, nowMs: 0 });
      ladder.next(0);
      ladder.handleAnswer('punch', 'punch', 100, delayMs);
      return ladder.nextTimeoutMs();
    };
    expect(budgetOf(500) - budgetOf(0)).toBe(1_000);
  });

  it('a failure starts the next rung at once', () => {
    const ladder = new Ladder({ own: UNKNOWN_REACH, peer: UNKNOWN_REACH, ways: ALL_WAYS, nowMs: 0 });
    expect(ladder.next(0)).toBe('direct');
    expect(ladder.next(40)).toBeUndefined();
    ladder.handleFailed('direct', 50);
    expect(ladder.next(50)).toBe('punch');
    ladder.handleFailed('punch', 60);
    expect(ladder.next(60)).toBe('splice');
    expect(ladder.nextTimeoutMs()).toBe(Number.POSITIVE_INFINITY);
    ladder.handleFailed('splice', 70);
    expect(ladder.isExhausted).toBe(true);
    expect(ladder.wantsSilence).toBe(true);
    expect(PUNCH_SILENCE_MS).toBeGreaterThan(30_000);
  });

  it('learning that a hole is impossible starts the splice at once', () => {
    const ladder = new Ladder({
      own: SYMMETRIC,
      peer: UNKNOWN_REACH,
      ways: ALL_WAYS,
      nowMs: 0,
      isHidden: true,
    });
    expect(ladder.next(0)).toBe('punch');
    ladder.learnPeer(PORT, 80);
    expect(ladder.next(80)).toBe('splice');
  });

  it('the called peer decides: its way replaces ours, with a time of its own', () => {
    const ladder = new Ladder({ own: PORT, peer: UNKNOWN_REACH, ways: ALL_WAYS, nowMs: 0, isHidden: true });
    expect(ladder.next(0)).toBe('punch');
    ladder.handleAnswer('punch', 'splice', 90);
    expect(ladder.next(200)).toBeUndefined();
    expect(ladder.nextTimeoutMs()).toBe(Number.POSITIVE_INFINITY);
    ladder.handleFailed('splice', 300);
    expect(ladder.next(300)).toBe('direct');
  });

  it('a relay that comes late is used, an upgrade never splices again', () => {
    const ways: Ways = { reverse: false, punch: false, splice: false };
    const late = new Ladder({ own: PORT, peer: UNKNOWN_REACH, ways, nowMs: 0 });
    expect(late.next(0)).toBe('direct');
    late.handleWay('splice');
    late.handleWay('punch');
    expect([late.next(1000), late.next(4000)]).toEqual(['punch', 'splice']);
    const upgrade = new Ladder({ own: PORT, peer: PORT, ways: ALL_WAYS, nowMs: 0, isUpgrade: true });
    expect([upgrade.next(0), upgrade.next(9000)]).toEqual(['punch', undefined]);
    upgrade.handleWay('splice');
    expect(upgrade.next(9000)).toBeUndefined();
    // Whoever was called goes the way that he agreed to.
    const called = Ladder.only('punch', 0);
    expect(called.next(0)).toBe('punch');
    called.handleWay('splice');
    expect(called.next(9000)).toBeUndefined();
  });

  it('a rung for which there is no relay at the moment is begun when one is there, whatever the peer said meanwhile', () => {
    const ways: Ways = { reverse: false, punch: true, splice: false };
    const ladder = new Ladder({ own: PORT, peer: UNKNOWN_REACH, ways, nowMs: 0, isHidden: true });
    expect(ladder.next(0)).toBe('punch');
    ladder.handleWay('splice');
    ladder.learnPeer(PORT, 100);
    expect(ladder.next(4000)).toBe('splice');
    ladder.handleMissing('splice', 4000);
    expect([ladder.next(4000), ladder.isExhausted]).toEqual([undefined, false]);
    ladder.handleWay('splice');
    expect(ladder.next(4500)).toBe('splice');
  });

  it('does not wait long for a hole to a port that nobody can foretell: it goes on beside the splice', () => {
    const ladder = new Ladder({
      own: reachOf('eim', 'unknown'),
      peer: SYMMETRIC,
      ways: ALL_WAYS,
      nowMs: 0,
      isHidden: true,
    });
    expect([ladder.next(0), ladder.next(699), ladder.next(700)]).toEqual(['punch', undefined, 'splice']);
  });
});

describe('a hole for TCP', () => {
  const ways: Ways = { ...ALL_WAYS, tcpPunch: true };
  it('is possible where one side has no UDP, unless what is known of the NATs speaks against it', () => {
    expect(canPunchTcp(PORT, TCP_ONLY)).toBe('unknown');
    expect(canPunchTcp(TCP_ONLY, TCP_ONLY)).toBe('unknown');
    expect(canPunchTcp(OPEN, TCP_ONLY)).toBe('yes');
    expect(canPunchTcp({ ...SYMMETRIC, udp: 'no' }, PORT)).toBe('no');
    for (const peer of [PORT, ADDRESS, OPEN, UNKNOWN_REACH]) expect(canPunchTcp(PORT, peer)).toBe('no');
  });
  it('is tried in place of the one for uTP, before a splice, and has its time', () => {
    expect(rungsFor({ own: TCP_ONLY, peer: UNKNOWN_REACH, ways })).toEqual(['direct', 'tcp-punch', 'splice']);
    expect(rungsFor({ own: TCP_ONLY, peer: PORT, ways, isHidden: true })).toEqual(['tcp-punch', 'splice']);
    expect(rungsFor({ own: TCP_ONLY, peer: PORT, ways: ALL_WAYS })).toEqual(['splice']);
    expect(rungsFor({ own: PORT, peer: PORT, ways })).toEqual(['punch', 'splice']);
    expect(climb(TCP_ONLY, PORT, () => false, { ways }).log).toEqual(['0 tcp-punch', '3000 splice']);
    expect(climb(TCP_ONLY, PORT, (rung) => rung === 'tcp-punch', { ways }).ladder.reached).toEqual({
      rung: 'tcp-punch',
      ms: 100,
    });
  });
  it('may come in from the other side, as the other side said', () => {
    const { ladder } = climb(PORT, UNKNOWN_REACH, () => false, { ways });
    ladder.handleAnswer('punch', 'tcp-punch', 20_000);
    expect(ladder.expectsIncoming).toBe('tcp-punch');
  });
});

describe('a splice that was asked for, where the peer wants a hole first', () => {
  it('is asked for again when the hole leads nowhere', () => {
    const ladder = new Ladder({ own: SYMMETRIC, peer: PORT, ways: ALL_WAYS, nowMs: 0 });
    expect(ladder.next(0)).toBe('splice');
    ladder.handleAnswer('splice', 'punch', 100);
    expect([...ladder.tried]).toEqual(['punch']);
    expect([ladder.next(100), ladder.isExhausted]).toEqual([undefined, false]);
    ladder.handleFailed('punch', 700);
    expect(ladder.next(700)).toBe('splice');
    ladder.handleAnswer('splice', 'splice', 800);
    expect(ladder.next(9_000)).toBeUndefined();
  });
});

describe('what the called peer answers', () => {
  const none = new Set<Rung>();
  it('dials whoever is open, punches where that can work, splices else', () => {
    expect(answerTo(PORT, OPEN, { splice: true }, none)).toBe('reverse');
    expect(answerTo(PORT, PORT, { splice: true }, none)).toBe('punch');
    expect(answerTo(SYMMETRIC, PORT, { splice: true }, none)).toBe('splice');
    expect(answerTo(SYMMETRIC, PORT, { splice: false }, none)).toBe('no');
    expect(answerTo(SYMMETRIC, ADDRESS, { splice: true }, none)).toBe('punch');
  });
  it('punches by TCP where one has no UDP and a relay shows the ports, and splices when that has failed', () => {
    const ways = { splice: true, tcpPunch: true };
    expect(answerTo(PORT, TCP_ONLY, ways, none)).toBe('tcp-punch');
    expect(answerTo(TCP_ONLY, TCP_ONLY, ways, none)).toBe('tcp-punch');
    expect(answerTo(PORT, TCP_ONLY, { splice: true }, none)).toBe('splice');
    expect(answerTo(PORT, TCP_ONLY, ways, new Set<Rung>(['tcp-punch']))).toBe('splice');
    // With UDP on both sides the same NATs would say the same to TCP.
    expect(answerTo(PORT, PORT, ways, none)).toBe('punch');
    expect(answerTo(SYMMETRIC, PORT, ways, none)).toBe('splice');
  });
  it('what was tried in vain is not tried again', () => {
    expect(answerTo(PORT, OPEN, { splice: true }, new Set<Rung>(['reverse']))).toBe('punch');
    expect(answerTo(PORT, PORT, { splice: true }, new Set<Rung>(['punch']))).toBe('splice');
  });
});
