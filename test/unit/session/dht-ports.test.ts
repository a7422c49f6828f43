import { expect, it } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { DhtPorts } from '../../../core/session/peer/dht-ports.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';

function peer(offersDht: boolean, isAdmitted = true) {
  const told: number[] = [];
  const connection = {
    isAdmitted,
    handshake: { offersDht },
    stream: { remote: { host: '192.0.2.7', port: 6881 } },
    wire: { sendPort: (port: number) => told.push(port) },
  } as unknown as PeerConnection;
  return { connection, told };
}

function neighbour() {
  const named: Endpoint[] = [];
  const dht = { now: 0, port: () => dht.now, addNode: (endpoint: Endpoint) => named.push(endpoint), named };
  return dht;
}

it('tells those who asked, once, as soon as our node has a port', () => {
  const dht = neighbour();
  const ports = new DhtPorts(dht);
  const [asks, silent, early] = [peer(true), peer(false), peer(true, false)];
  const all = [asks, silent, early].map(({ connection }) => connection);
  ports.tick(all);
  expect(asks.told).toEqual([]);
  dht.now = 6891;
  ports.tick(all);
  ports.tick(all);
  expect([asks.told, silent.told, early.told]).toEqual([[6891], [], []]);
});

it('hands on a few ports of one connection, not what a flood of them names', () => {
  const dht = neighbour();
  const ports = new DhtPorts(dht);
  const [flood, honest] = [peer(true), peer(true)];
  for (let port = 1; port < 65_536; port++) ports.handlePort(flood.connection, port);
  expect(dht.named.length).toBe(4);
  ports.handlePort(honest.connection, 7000);
  expect(dht.named.at(-1)?.port).toBe(7000);
});

it('hands on the port that a peer names; none without a node of ours', () => {
  const dht = neighbour();
  const ports = new DhtPorts(dht);
  ports.handlePort(peer(true).connection, 7000);
  ports.handlePort(peer(true).connection, 0);
  expect(dht.named).toEqual([{ host: '192.0.2.7', port: 7000 }]);
  const without = new DhtPorts(undefined);
  expect(without.isOffered).toBe(false);
  expect(() => without.handlePort(peer(true).connection, 7000)).not.toThrow();
});
