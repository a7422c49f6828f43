import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../core/base/bytes.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import { decodeLsd, encodeLsd, LSD_GROUP_V4, LSD_GROUP_V6 } from '../../../core/discovery/lsd-codec.ts';
import fc from '../../support/property.ts';

const hash = infoHashOf(Uint8Array.from({ length: 20 }, (_, i) => i * 7));

describe('local discovery messages (BEP 14)', () => {
  it('says what it means to itself, in both families', () => {
    for (const group of [LSD_GROUP_V4, LSD_GROUP_V6]) {
      const announce = { port: 6881, infoHashes: [hash], cookie: 'abc' };
      expect(decodeLsd(utf8(encodeLsd(announce, group)))).toEqual(announce);
    }
  });

  it('reads what libtorrent sends: other case, no cookie, several hashes', () => {
    const hex = '0123456789abcdef0123456789abcdef01234567';
    const text = `BT-SEARCH * HTTP/1.1\r\nHOST: 239.192.152.143:6771\r\nPORT: 51413\r\nInfohash: ${hex}\r\nINFOHASH: ${hex}\r\n\r\n\r\n`;
    const announce = decodeLsd(utf8(text));
    expect(announce?.port).toBe(51413);
    expect(announce?.infoHashes).toHaveLength(2);
    expect(announce?.cookie).toBeUndefined();
  });

  it.each([
    ['another method', 'NOTIFY * HTTP/1.1\r\nPort: 1\r\nInfohash: 00\r\n\r\n'],
    ['no port', `BT-SEARCH * HTTP/1.1\r\nInfohash: ${'00'.repeat(20)}\r\n\r\n`],
    ['port 0', `BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: ${'00'.repeat(20)}\r\n\r\n`],
    ['a port that is none', `BT-SEARCH * HTTP/1.1\r\nPort: 99999\r\nInfohash: ${'00'.repeat(20)}\r\n\r\n`],
    ['a short hash', 'BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: 00\r\n\r\n'],
    ['too long', `BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nX: ${'y'.repeat(2000)}\r\n\r\n`],
  ])('passes over %s', (_, text) => {
    expect(decodeLsd(utf8(text))).toBeUndefined();
  });

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
        decodeLsd(bytes);
      }),
    );
  });
});
