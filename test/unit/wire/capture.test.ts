// A recorded magnet download (libtorrent fetching from Transmission): both directions must make sense to our wire.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import { clientName } from '../../../core/wire/client-name.ts';
import { MetadataFetch } from '../../../core/wire/metadata-fetch.ts';
import { decodeMetadataMessage } from '../../../core/wire/ut-metadata.ts';
import { tcpFlows } from '../../support/pcap.ts';
import { newPeer, ownHandshake, type TestPeer } from '../../support/wire.ts';

const flows = tcpFlows(
  readFileSync(new URL('../../../fixtures/captures/peerwire-magnet-transmission.pcap', import.meta.url)),
);
const fromTransmission = flows.find((flow) => flow.name.startsWith('10.77.1.7'))?.bytes as Uint8Array;
const fromLibtorrent = flows.find((flow) => flow.name.startsWith('10.77.1.1'))?.bytes as Uint8Array;

function replay(
  bytes: Uint8Array,
  size: number,
  extensions: string[],
  prepare: (peer: TestPeer) => void,
): TestPeer {
  const peer = newPeer();
  prepare(peer);
  const infoHash = bytes.slice(28, 48);
  peer.wire.sendHandshake(ownHandshake({ infoHash, extensions }));
  for (let at = 0; at < bytes.length; at += size) peer.wire.receive(bytes.slice(at, at + size));
  return peer;
}

describe('a recorded transfer', () => {
  for (const size of [1, 1448, 65536]) {
    it(`from Transmission, read ${size} bytes at a time`, () => {
      const infoHash = infoHashOf(fromTransmission.slice(28, 48));
      const fetch = new MetadataFetch<string>(infoHash);
      let payloadBytes = 0;
      const peer = replay(fromTransmission, size, ['ut_pex'], ({ wire, seen }) => {
        seen.onExtendedHandshake = (handshake) => {
          fetch.addPeer('transmission', handshake.metadataSize);
          fetch.poll(0);
          seen.calls.push(`client ${clientName(undefined, handshake.client)}`);
        };
        seen.onExtended = (name, payload) => {
          const message = decodeMetadataMessage(payload);
          // libtorrent gave ut_metadata the id that is ut_pex for us.
          if (name !== 'ut_pex' || !message.ok || message.value.kind === 'request') return;
          expect(fetch.handleMessage('transmission', message.value, 1)).toBeUndefined();
          // All of the payload belongs to pieces of the torrent that the metadata describes.
          if (fetch.result !== undefined) wire.setPieceCount(100);
        };
        seen.onBlockEnd = (_piece, _begin, length) => {
          payloadBytes += length;
        };
      });
      expect(peer.wire.isClosed).toBe(false);
      expect(peer.seen.calls.filter((call) => call.startsWith('violation'))).toEqual([]);
      expect(peer.seen.calls[1]).toBe('client Transmission 3.00');
      expect(
        toHex(
          createHash('sha1')
            .update(fetch.result as Uint8Array)
            .digest(),
        ),
      ).toBe(toHex(infoHash));
      expect(payloadBytes).toBeGreaterThan(90_000);
    });
  }

  it('from libtorrent, with what it says of itself', () => {
    const peer = replay(fromLibtorrent, 100, [], ({ wire }) => wire.setPieceCount(100));
    expect(peer.seen.calls.filter((call) => call.startsWith('violation'))).toEqual([]);
    const names = peer.seen.calls.map((call) => call.split(' ')[0]);
    expect(names).toContain('interested');
    expect(names.filter((name) => name === 'request').length).toBeGreaterThan(3);
    expect(clientName(fromLibtorrent.slice(48, 68))).toMatch(/^libtorrent 2\.0\.8/);
  });
});

it('qBittorrent’s extended handshake', () => {
  const peer = newPeer();
  peer.wire.sendHandshake(ownHandshake());
  const handshake = fromTransmission.slice(0, 68);
  handshake.set(fromHex('000102030405060708090a0b0c0d0e0f10111213') as Uint8Array, 28);
  peer.wire.receive(handshake);
  peer.seen.calls.length = 0;
  peer.wire.receive(
    readFileSync(new URL('../../../fixtures/messages/extension-handshake-qbittorrent.bin', import.meta.url)),
  );
  expect(peer.seen.calls).toEqual([
    'extended handshake {"extensionIds":{"lt_donthave":7,"upload_only":3,"ut_holepunch":4,"ut_metadata":2,"ut_pex":1},"client":"qBittorrent/4.4.0alpha1","yourIp":"127.0.0.1","requestQueue":500,"metadataSize":138876,"uploadOnly":true}',
  ]);
});
