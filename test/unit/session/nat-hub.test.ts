import { expect, it } from 'vitest';
import type { DatagramPort } from '../../../core/base/datagram-port.ts';
import { NatHub } from '../../../core/session/reach/nat-hub.ts';

type Sent = Parameters<DatagramPort['send']>;

it('opens our own door before anybody is asked to introduce us, by a packet that comes to no other gateway', () => {
  const sent: Sent[] = [];
  const hub = new NatHub({
    utp: () => undefined,
    datagrams: () => ({ send: (...datagram: Sent) => void sent.push(datagram) }),
    isSelf: () => false,
    nowMs: () => 0,
    utpPeerCount: () => 0,
  });
  const outside = { host: '44.1.1.1', port: 6881 };
  hub.openDoor(outside);
  // Inside there is no gateway between us.
  hub.openDoor({ host: '192.168.1.11', port: 6881 });
  expect(sent.map(([, to, options]) => [to, options?.ttl])).toEqual([[outside, 2]]);
});

it('a hole that did not open is tried with more patience, and every other time behind an outer gateway as well', async () => {
  const tried: (number | undefined)[][] = [];
  let nowMs = 0;
  const hub = new NatHub({
    utp: () => ({
      port: () => 6881,
      connect: (_to, options) => {
        tried.push([options?.firstTtl, options?.firstTtlMs]);
        return Promise.reject(new Error('nobody answers'));
      },
    }),
    datagrams: () => undefined,
    isSelf: () => false,
    nowMs: () => nowMs,
    utpPeerCount: () => 0,
  });
  const { signal } = new AbortController();
  const vain = (waitedMs?: number) =>
    expect(hub.punch({ host: '44.1.1.1', port: 6881 }, signal, waitedMs)).rejects.toThrow('nobody');
  for (let i = 0; i < 5; i++) {
    await vain();
    // Two a minute.
    nowMs += 30_001;
  }
  await vain(40);
  expect(tried).toEqual([
    [2, 300],
    [2, 1_500],
    [3, 1_500],
    [2, 1_500],
    [3, 1_500],
    [2, 1_540],
  ]);
  // What was long ago says nothing.
  nowMs += 6 * 60_000;
  await vain();
  expect(tried.at(-1)).toEqual([2, 300]);
});

/** A hub whose holes stay open questions. */
function hubWithHoles() {
  const sent: Sent[] = [];
  const tried: (number | undefined)[] = [];
  const world = { nowMs: 0, sent, tried, settle: (() => {}) as (error: Error) => void };
  const hub = new NatHub({
    utp: () => ({
      port: () => 6881,
      connect: (_to, options) => {
        tried.push(options?.firstTtl);
        return new Promise((_resolve, reject) => {
          world.settle = reject;
        });
      },
    }),
    datagrams: () => ({ send: (...datagram: Sent) => void sent.push(datagram) }),
    isSelf: () => false,
    nowMs: () => world.nowMs,
    utpPeerCount: () => 0,
  });
  return { hub, world };
}

const TARGET = { host: '44.1.1.1', port: 6881 };
const { signal: forever } = new AbortController();

it('the first packets go as far as our own outermost gateway where a relay has measured that, also of holes that are under way', async () => {
  const { hub, world } = hubWithHoles();
  const hole = hub.punch(TARGET, forever);
  hub.learnOwnHops(3);
  expect(world.sent.map(([, to, options]) => [to, options?.ttl])).toEqual([[TARGET, 3]]);
  // Packets of the hole go all the way now.
  world.nowMs = 301;
  hub.learnOwnHops(4);
  expect(world.sent).toHaveLength(1);
  world.settle(new Error('nobody answers'));
  await expect(hole).rejects.toThrow('nobody');
  world.nowMs = 60_001;
  hub.punch(TARGET, forever).catch(() => {});
  hub.openDoor({ host: '44.1.1.2', port: 6881 });
  expect([world.tried, world.sent.at(-1)?.[2]?.ttl]).toEqual([[2, 4], 4]);
});

it('whatever introductions ask for, two attempts a minute leave for one address, and one of a kind at a time', async () => {
  const { hub, world } = hubWithHoles();
  let dials = 0;
  let fail: (error: Error) => void = () => {};
  const dial = (): Promise<never> => {
    dials++;
    return new Promise((_resolve, reject) => {
      fail = reject;
    });
  };
  const first = hub.dialIntroduced(TARGET, dial);
  // Introduced by two, or by one twice: it is the same peer that waits, or the same victim.
  const again = hub.dialIntroduced(TARGET, dial);
  const hole = hub.punch(TARGET, forever);
  const holeAgain = hub.punch(TARGET, forever);
  expect([dials, world.tried.length]).toEqual([1, 1]);
  fail(new Error('silence'));
  world.settle(new Error('silence'));
  await expect(
    Promise.all([first, again, hole, holeAgain].map((each) => each.catch(({ message }) => message))),
  ).resolves.toEqual([
    'silence',
    'dialled on another word',
    'silence',
    'the hole was punched on another word',
  ]);
  for (const port of [6881, 6882]) {
    await expect(hub.dialIntroduced({ ...TARGET, port }, dial)).rejects.toThrow('too many');
    await expect(hub.punch({ ...TARGET, port }, forever)).rejects.toThrow('too many');
    expect(hub.canFollow({ ...TARGET, port })).toBe(false);
  }
  expect([dials, world.tried.length]).toEqual([1, 1]);
  world.nowMs = 60_000;
  expect(hub.canFollow(TARGET)).toBe(true);
  hub.dialIntroduced(TARGET, dial).catch(() => {});
  expect(dials).toBe(2);
});
