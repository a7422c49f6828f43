import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { fromHex, toHex, utf8 } from '../../../core/base/bytes.ts';
import { type Endpoint, endpointKey } from '../../../core/base/endpoint.ts';
import { type InfoHash, infoHashFromHex } from '../../../core/base/ids.ts';
import { crc32c, peerPriority } from '../../../core/discovery/peer-priority.ts';
import { allowedFastSet } from '../../../core/wire/allowed-fast.ts';
import { clientName } from '../../../core/wire/client-name.ts';
import { composeExtendedFacts, decodeExtendedHandshake } from '../../../core/wire/extended-handshake.ts';
import { EXTENSIONS } from '../../../core/wire/extensions.ts';
import { decodeUploadOnly } from '../../../core/wire/upload-only.ts';
import { decodePex, encodePex, type PexPeer, PexReceiver, PexSender } from '../../../core/wire/ut-pex.ts';

function load<T>(name: string): T {
  return JSON.parse(
    readFileSync(new URL(`../../../fixtures/vectors/${name}.json`, import.meta.url), 'utf8'),
  ) as T;
}
function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}

const vectors = load<{ handshakes: { hex: string }[]; pex: { hex: string }[] }>('bep09-10-11');

describe('extended handshake', () => {
  const decode = (payload: Uint8Array): unknown => {
    const handshake = decodeExtendedHandshake(payload);
    if (!handshake.ok) throw new Error(handshake.reason.what);
    const { extensionIds, ...facts } = handshake.value;
    return JSON.parse(JSON.stringify({ ids: Object.fromEntries(extensionIds), ...facts }));
  };

  it('reads the vectors', () => {
    expect(vectors.handshakes.map(({ hex }) => decode(bytes(hex)))).toEqual([
      { ids: { ut_pex: 2 }, client: 'µTorrent 1.2', listenPort: 6881 },
      { ids: { ut_metadata: 3 }, metadataSize: 31235, requestQueue: 250, yourIp: '127.0.0.1' },
      { ids: {} },
    ]);
  });

  it('takes values of wrong types and ranges for absent', () => {
    expect(
      decode(
        encodeBencode({
          m: { ut_pex: 256, ut_metadata: 'x', lt_donthave: -1 },
          p: 70_000,
          v: 7,
          yourip: 'abc',
          ipv4: utf8('16 bytes long ip'),
          ipv6: utf8('4 by'),
          reqq: 0,
          metadata_size: -5,
          upload_only: 'yes',
        }),
      ),
    ).toEqual({ ids: {} });
    expect(decode(encodeBencode({ m: 'not a dictionary' }))).toEqual({ ids: {} });
  });

  it('is read as it is written', () => {
    const facts = {
      client: 'tt 0.1',
      listenPort: 6881,
      yourIp: '2001:db8::1',
      ipv4: '192.0.2.7',
      ipv6: '2001:db8::7',
      requestQueue: 500,
      metadataSize: 12345,
      uploadOnly: false,
    };
    expect(decode(encodeBencode(composeExtendedFacts(facts)))).toEqual({ ids: {}, ...facts });
    expect(composeExtendedFacts({ yourIp: 'host name' })).toEqual({});
  });

  it('gives every extension an id and a name of its own', () => {
    expect(new Set(EXTENSIONS.map(({ localId }) => localId)).size).toBe(EXTENSIONS.length);
    expect(new Set(EXTENSIONS.map(({ name }) => name)).size).toBe(EXTENSIONS.length);
    expect(EXTENSIONS.every(({ localId }) => localId > 0 && localId < 256)).toBe(true);
  });
});

describe('ut_pex', () => {
  const message = (hex: string) => {
    const decoded = decodePex(bytes(hex));
    if (!decoded.ok) throw new Error(decoded.reason.what);
    return decoded.value;
  };
  const peer = (index: number): PexPeer => ({
    endpoint: { host: `10.0.${index >> 8}.${index & 255}`, port: 6881 },
  });
  const mapOf = (peers: readonly PexPeer[]): Map<string, PexPeer> =>
    new Map(peers.map((each) => [endpointKey(each.endpoint), each]));

  it('reads the vector, flags and all', () => {
    const { added, dropped } = message(vectors.pex[0]?.hex as string);
    expect(added.map((each) => [endpointKey(each.endpoint), each.isSeed, each.isReachable])).toEqual([
      ['192.0.2.1:6881', true, false],
      ['192.0.2.2:80', false, true],
      ['[2001:db8::1]:6881', false, false],
    ]);
    expect(dropped).toEqual([]);
  });

  it('writes the vector back', () => {
    expect(toHex(encodePex(message(vectors.pex[0]?.hex as string)))).toBe(vectors.pex[0]?.hex);
  });

  it('keeps flags with their endpoints when one has port 0, and one of each address', () => {
    const payload = encodeBencode({
      added: bytes('0a0000010000' + '0a0000021ae1' + '0a0000021ae2' + '0a0000031ae1'),
      'added.f': bytes('02001002'),
    });
    const decoded = decodePex(payload);
    expect(decoded.ok && decoded.value.added.map((each) => [each.endpoint.host, each.isSeed])).toEqual([
      ['10.0.0.2', false],
      ['10.0.0.3', true],
    ]);
  });

  it('reads no more than 200 of a huge one', () => {
    const decoded = decodePex(
      encodePex({ added: Array.from({ length: 3000 }, (_, i) => peer(i)), dropped: [] }),
    );
    expect(decoded.ok && decoded.value.added.length).toBe(200);
  });

  it('takes one port of each address, and all of them on loopback, where a whole swarm shares one', () => {
    const of = (host: string): PexPeer[] => [1, 2, 2].map((port) => ({ endpoint: { host, port } }));
    const decoded = decodePex(
      encodePex({ added: [...of('127.0.0.1'), ...of('10.0.0.1'), ...of('::1')], dropped: [] }),
    );
    expect(decoded.ok && decoded.value.added.map(({ endpoint }) => endpointKey(endpoint))).toEqual([
      '127.0.0.1:1',
      '127.0.0.1:2',
      '10.0.0.1:1',
      '[::1]:1',
      '[::1]:2',
    ]);
  });

  it('tells changes, 50 at a time, once a minute, and never the peer of itself', () => {
    const sender = new PexSender();
    const peers = Array.from({ length: 120 }, (_, i) => peer(i));
    const self = endpointKey((peers[0] as PexPeer).endpoint);
    const told: Endpoint[] = [];
    const take = (current: readonly PexPeer[], nowMs: number) => {
      const payload = sender.compose(mapOf(current), self, nowMs);
      const decoded = payload === undefined ? undefined : decodePex(payload);
      if (decoded !== undefined && !decoded.ok) throw new Error(decoded.reason.what);
      return decoded?.value;
    };
    const first = take(peers, 0);
    expect(first?.added).toHaveLength(50);
    told.push(...(first?.added.map((each) => each.endpoint) ?? []));
    expect(take(peers, 59_999)).toBeUndefined();
    expect(take(peers, 60_000)?.added).toHaveLength(50);
    expect(take(peers, 120_000)?.added).toHaveLength(19);
    expect(take(peers, 180_000)).toBeUndefined();
    const rest = take(peers.slice(60), 240_000);
    expect(rest?.dropped).toHaveLength(50);
    expect(take(peers.slice(60), 300_000)?.dropped).toHaveLength(9);
    expect(told.map(endpointKey)).not.toContain(self);
    // Gone and back between two messages: nothing to tell.
    expect(take(peers.slice(60), 360_000)).toBeUndefined();
  });

  it('lets six messages a minute pass and no seventh', () => {
    const receiver = new PexReceiver();
    const payload = encodePex({ added: [], dropped: [] });
    for (let i = 0; i < 6; i++) expect(receiver.receive(payload, i).ok).toBe(true);
    expect(receiver.receive(payload, 59_999).ok).toBe(false);
    const slow = new PexReceiver();
    for (let i = 0; i < 100; i++) expect(slow.receive(payload, i * 10_000).ok).toBe(true);
  });
});

it('upload_only is one byte', () => {
  expect(decodeUploadOnly(Uint8Array.of(1))).toEqual({ ok: true, value: true });
  expect(decodeUploadOnly(Uint8Array.of(0))).toEqual({ ok: true, value: false });
  expect(decodeUploadOnly(new Uint8Array(2)).ok).toBe(false);
});

describe('allowed-fast sets (BEP 6)', () => {
  for (const { ip, info_hash, pieces, k, set } of load<{
    allowed_fast: { ip: string; info_hash: string; pieces: number; k: number; set: number[] }[];
  }>('bep06').allowed_fast) {
    it(`of ${k} for ${ip}`, () => {
      expect(allowedFastSet(ip, infoHashFromHex(info_hash) as InfoHash, pieces, k)).toEqual(set);
    });
  }
  it('end in small torrents, and are none for IPv6', () => {
    const infoHash = infoHashFromHex('aa'.repeat(20)) as InfoHash;
    expect(allowedFastSet('80.4.4.200', infoHash, 3, 10).sort()).toEqual([0, 1, 2]);
    expect(allowedFastSet('80.4.4.200', infoHash, 0, 10)).toEqual([]);
    expect(allowedFastSet('2001:db8::1', infoHash, 100, 10)).toEqual([]);
  });
});

describe('peer priority (BEP 40)', () => {
  const { priority, crc32c: checks } = load<{
    priority: { a: string; b: string; hex: string }[];
    crc32c: Record<string, string>;
  }>('bep40');
  it('has the right checksum', () => {
    for (const [text, hex] of Object.entries(checks)) expect(crc32c(utf8(text)).toString(16)).toBe(hex);
  });
  for (const { a, b, hex } of priority) {
    it(`of ${a} and ${b}, from either side`, () => {
      const [one, other] = [
        { host: a, port: 1000 },
        { host: b, port: 2000 },
      ];
      expect(peerPriority(one, other).toString(16).padStart(8, '0')).toBe(hex);
      expect(peerPriority(other, one)).toBe(peerPriority(one, other));
    });
  }
  it('uses the ports of one address, /24 and /48 as told', () => {
    const at = (host: string, port = 1): Endpoint => ({ host, port });
    expect(peerPriority(at('10.0.0.1', 258), at('10.0.0.1', 3))).toBe(crc32c(Uint8Array.of(0, 3, 1, 2)));
    expect(peerPriority(at('10.0.0.1'), at('10.0.0.2'))).toBe(crc32c(bytes('0a0000010a000002')));
    expect(peerPriority(at('10.0.1.255'), at('10.0.2.255'))).toBe(crc32c(bytes('0a0001550a000255')));
    expect(peerPriority(at('2001:db8::ffff'), at('2001:db9::ffff'))).toBe(
      crc32c(bytes(`20010db8${'00'.repeat(10)}5555` + `20010db9${'00'.repeat(10)}5555`)),
    );
    expect(peerPriority(at('2001:db8:0:ff00::'), at('2001:db8:0:0100::'))).toBe(
      crc32c(bytes(`20010db800000100${'00'.repeat(8)}` + `20010db80000ff00${'00'.repeat(8)}`)),
    );
    expect(peerPriority(at('10.0.0.1'), at('2001:db8::1'))).toBe(0);
  });
});

describe('client names', () => {
  const of = (id: string): string => clientName(Uint8Array.from(id, (char) => char.charCodeAt(0)));
  it('come from the peer id', () => {
    expect(of('-TR3000-abcdefghijkl')).toBe('Transmission 3.00');
    expect(of('-TR4060-abcdefghijkl')).toBe('Transmission 4.0.6');
    expect(of('-TR400Z-abcdefghijkl')).toBe('Transmission 4.0.0');
    expect(of('-qB4520-abcdefghijkl')).toBe('qBittorrent 4.5.2');
    expect(of('-LT2080-abcdefghijkl')).toBe('libtorrent 2.0.8');
    expect(of('-lt0D80-abcdefghijkl')).toBe('rTorrent 0.13.8');
    expect(of('A2-1-36-0-abcdefghij')).toBe('aria2 1.36.0');
    expect(of('M7-10-5--abcdefghijk')).toBe('BitTorrent 7.10.5');
    expect(of('S58B-----abcdefghijk')).toBe('Shadow 5.8.B');
    expect(of('-ZZ1234-abcdefghijkl')).toBe('ZZ 1.2.3.4');
    expect(of('\x00'.repeat(20))).toBe('unknown');
    expect(clientName(undefined)).toBe('unknown');
  });
  it('come from the handshake first, without anything that moves a terminal', () => {
    expect(clientName(undefined, 'qBittorrent/4.4.0')).toBe('qBittorrent/4.4.0');
    expect(clientName(undefined, '\x1b[2Jevil\r\n\u202e')).toBe('[2Jevil');
    expect(clientName(undefined, 'x'.repeat(500))).toHaveLength(48);
  });
});
