import { expect, it } from 'vitest';
import { utf8 } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { encodeCompact } from '../../../core/base/endpoint.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import type { GetPeersResult } from '../../../dht/base/results.ts';
import { DhtNet } from '../../support/dht-net.ts';
import { liar } from './material.ts';

const NAMED = ['80.1.2.3', '10.0.0.1', '192.168.1.1', '127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'];

it.each([
  ['80.0.0.1', ['80.1.2.3']],
  ['192.168.1.9', ['80.1.2.3', '10.0.0.1', '192.168.1.1']],
  ['127.0.0.1', ['80.1.2.3', '10.0.0.1', '192.168.1.1', '127.0.0.1']],
])(
  'peers of our machine or network are believed from there only, not out of the Internet (%s)',
  (host, expected) => {
    const net = new DhtNet(4);
    const node = net.add({ lookup: { requireValidIds: false }, table: { requireValidIds: false } });
    const address = DhtAddress.of({ host, port: 6881 }) as DhtAddress;
    const id = randomBytes(net.rng, 20);
    const values = NAMED.map((peer) => encodeCompact({ host: peer, port: 6881 }));
    liar(net, address, () => ({ id, token: utf8('x'), values }));
    node.machine.insertVerified({ id, address }, net.nowMs, 5);
    const { peers } = net.ask<GetPeersResult>(node, (onDone, nowMs) =>
      node.machine.getPeers(randomBytes(net.rng, 20), { onDone }, nowMs),
    );
    expect(peers.map((peer) => peer.host).sort()).toEqual([...expected].sort());
  },
);
