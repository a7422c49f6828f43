import { expect, it } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import { PeerExchange } from '../../../core/session/peer/peer-exchange.ts';
import type { TorrentPeers } from '../../../core/session/torrent-peers.ts';
import { encodePex } from '../../../core/wire/ut-pex.ts';

const ALL = ['8.8.8.8', '192.168.1.1', '10.1.2.3', '127.0.0.1', '2001:db8::1', 'fd00::1', '::1'];

function namedBy(teller: string): string[] {
  const taken: string[] = [];
  const peers = { add: (endpoints: Endpoint[]) => taken.push(...endpoints.map(({ host }) => host)) };
  const exchange = new PeerExchange(peers as unknown as TorrentPeers);
  const connection = { stream: { remote: { host: teller, port: 1 } } } as unknown as PeerConnection;
  const payload = encodePex({ added: ALL.map((host) => ({ endpoint: { host, port: 6881 } })), dropped: [] });
  expect(exchange.handleMessage(connection, payload, 0)).toBeUndefined();
  return taken;
}

it('believes a peer only what lies where the peer itself is, or out in the open', () => {
  expect(namedBy('9.9.9.9')).toEqual(['8.8.8.8', '2001:db8::1']);
  expect(namedBy('192.168.1.7')).toEqual(['8.8.8.8', '192.168.1.1', '10.1.2.3', '2001:db8::1', 'fd00::1']);
  expect(namedBy('127.0.0.1')).toEqual(ALL);
});
