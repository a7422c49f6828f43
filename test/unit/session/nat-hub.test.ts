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
  for (let i = 0; i < 5; i++) await vain();
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
  nowMs = 6 * 60_000;
  await vain();
  expect(tried.at(-1)).toEqual([2, 300]);
});
