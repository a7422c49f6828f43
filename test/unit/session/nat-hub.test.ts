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
