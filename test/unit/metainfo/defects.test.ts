// Inputs that make `bencode`, `parse-torrent` or `magnet-uri` hang, die, or answer wrongly, put to our own readers. Where the
// package survives the input, its wrong answer is shown beside ours, so that a fixed version shows up here.
import { createHash } from 'node:crypto';
import packageParse from 'parse-torrent';
import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { parseMagnet } from '../../../core/metainfo/magnet.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { parseInfo } from '../../../core/metainfo/parse-info.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { type Loose, looseBencode, Raw } from '../../support/bencode-text.ts';

const HASH = 'cd'.repeat(20);
const PIECES = new Uint8Array(20).fill(7);

function torrentOf(info: Record<string, Loose>): { bytes: Uint8Array; infoHash: string } {
  const infoBytes = looseBencode(info);
  return {
    bytes: looseBencode({ info: new Raw(Buffer.from(infoBytes).toString('latin1')) }),
    infoHash: createHash('sha1').update(infoBytes).digest('hex'),
  };
}

function parsed(bytes: Uint8Array): Metainfo {
  const result = parseTorrent(bytes);
  if (!result.ok) throw new Error(result.reason.what);
  return result.value;
}

describe('1: four bytes that never end', () => {
  it.each(['l-3:', 'd4:infol-3:ee', 'd4:infod4:namel-3:eee', 'd8:announcel-3:e'])('%s is refused', (text) => {
    expect(parseTorrent(utf8(text)).ok).toBe(false);
    expect(parseInfo(utf8(text)).ok).toBe(false);
  });
});

describe('9: the info hash is over the bytes as found', () => {
  const cases: [string, Record<string, Loose>][] = [
    ['unsorted keys', { pieces: PIECES, 'piece length': 16_384, name: 'a', length: 5 }],
    ['i05e', { length: new Raw('i05e'), name: 'a', 'piece length': 16_384, pieces: PIECES }],
    [
      'an integer past 2^53',
      { length: 5, name: 'a', 'piece length': 16_384, pieces: PIECES, x: 9_007_199_254_740_993n },
    ],
  ];
  it.each(cases)('%s', async (_, info) => {
    const { bytes, infoHash } = torrentOf(info);
    expect(toHex(parsed(bytes).infoHash)).toBe(infoHash);
    expect((await packageParse(bytes)).infoHash).not.toBe(infoHash);
  });

  it('a key that is not UTF-8', async () => {
    const infoBytes = Buffer.concat([
      Buffer.from('d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:'),
      PIECES,
      Buffer.from('2:'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('i1ee'),
    ]);
    const bytes = Buffer.concat([Buffer.from('d4:info'), infoBytes, Buffer.from('e')]);
    const infoHash = createHash('sha1').update(infoBytes).digest('hex');
    expect(toHex(parsed(bytes).infoHash)).toBe(infoHash);
    expect((await packageParse(bytes)).infoHash).not.toBe(infoHash);
  });
});

describe('10: v2', () => {
  const root = new Uint8Array(32).fill(3);
  const info = {
    'file tree': { 'a.txt': { '': { length: 5, 'pieces root': root } } },
    'meta version': 2,
    name: 'a.txt',
    'piece length': 16_384,
  };

  it('a v2-only torrent is read and named as such', async () => {
    const { bytes } = torrentOf(info);
    const metainfo = parsed(bytes);
    const sha256 = createHash('sha256').update(looseBencode(info)).digest('hex');
    expect(metainfo.version).toBe('v2');
    expect(toHex(metainfo.infoHashV2 as Uint8Array)).toBe(sha256);
    expect(toHex(metainfo.infoHash)).toBe(sha256.slice(0, 40));
    expect(metainfo.files.map(({ path, length }) => [path, length])).toEqual([[['a.txt'], 5]]);
    await expect(packageParse(bytes)).rejects.toThrow();
  });

  it('a magnet link with only btmh is read', async () => {
    const uri = `magnet:?xt=urn:btmh:1220${'cd'.repeat(32)}`;
    const magnet = parseMagnet(uri);
    expect(magnet.ok && [magnet.value.hasV1, toHex(magnet.value.infoHash)]).toEqual([false, HASH]);
    await expect(packageParse(uri)).rejects.toThrow();
  });
});

describe('11: select-only ranges are never expanded', () => {
  it('100 million indices are one range', () => {
    const magnet = parseMagnet(`magnet:?xt=urn:btih:${HASH}&so=0-99999999`);
    expect(magnet.ok && magnet.value.selectOnly).toEqual([[0, 99_999_999]]);
  });
});

describe('12: malformed magnet links', () => {
  it('a hash that is not hex is refused', () => {
    expect(parseMagnet(`magnet:?xt=urn:btih:${'z'.repeat(40)}`).ok).toBe(false);
  });

  it('a broken percent escape is kept as text and never throws', async () => {
    const uri = `magnet:?xt=urn:btih:${HASH}&dn=a%E0%A4%A&tr=%`;
    const magnet = parseMagnet(uri);
    expect(magnet.ok && magnet.value.displayName).toBe('a\ufffd%A');
    expect(magnet.ok && magnet.value.trackerTiers).toEqual([['%']]);
    await expect(packageParse(uri)).rejects.toThrow(URIError);
  });
});

describe('13: nothing is dropped in silence when encoding', () => {
  it('a BigInt is refused, not left out', () => {
    expect(() => encodeBencode({ a: 1n, b: 2 } as never)).toThrow(TypeError);
  });
});

describe('14: truncated, trailing and non-canonical bytes', () => {
  const rest = `4:name1:a12:piece lengthi16384e6:pieces20:${'x'.repeat(20)}`;
  it.each([
    ['a string past the end', `d4:infod6:lengthi5e${rest}e7:comment99:abce`],
    ['bytes after the dictionary', `d4:infod6:lengthi5e${rest}eeXYZ`],
    ['a fraction', `d4:infod6:lengthi1.5e${rest}ee`],
    ['no digits', `d4:infod6:lengthie${rest}ee`],
    ['a key twice', `d4:infod6:lengthi5e6:lengthi6e${rest}ee`],
    ['two info dictionaries', `d4:infod6:lengthi5e${rest}e4:infod6:lengthi6e${rest}ee`],
  ])('%s is refused', (_, text) => {
    expect(parseTorrent(utf8(text)).ok).toBe(false);
  });

  it('the same torrent without them is read', () => {
    expect(parseTorrent(utf8(`d4:infod6:lengthi5e${rest}ee`)).ok).toBe(true);
  });
});

describe('15: piece layers are found by their raw hash', () => {
  const root = Uint8Array.from({ length: 32 }, (_, i) => 0xff - i);
  const info = looseBencode({
    'file tree': { a: { '': { length: 40_000, 'pieces root': root } } },
    'meta version': 2,
    name: 'a',
    'piece length': 16_384,
  });
  const withLayer = (bytes: number) =>
    Buffer.concat([
      Buffer.from('d4:info'),
      info,
      Buffer.from('12:piece layersd32:'),
      root,
      Buffer.from(`${bytes}:`),
      new Uint8Array(bytes).fill(1),
      Buffer.from('ee'),
    ]);

  it('a layer of one hash for each piece is accepted, any other length refused', () => {
    expect(parseTorrent(withLayer(96)).ok).toBe(true);
    expect(parseTorrent(withLayer(64)).ok).toBe(false);
    expect(parseTorrent(withLayer(128)).ok).toBe(false);
  });

  it('a hash that is not there is refused', () => {
    expect(
      parseTorrent(Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('12:piece layersdee')])).ok,
    ).toBe(false);
  });
});

describe('16: __proto__', () => {
  it('is an ordinary key and changes nothing', () => {
    const { bytes, infoHash } = torrentOf({
      ['__proto__']: { length: 1, pieces: 'x' },
      length: 5,
      name: '__proto__',
      'piece length': 16_384,
      pieces: PIECES,
    });
    const metainfo = parsed(bytes);
    expect(toHex(metainfo.infoHash)).toBe(infoHash);
    expect(metainfo.name).toBe('__proto__');
    expect(metainfo.layout.totalLength).toBe(5);
    expect('pieces' in {}).toBe(false);
  });

  it('may be a folder', () => {
    const { bytes } = torrentOf({
      files: [
        { length: 2, path: ['__proto__', 'toString'] },
        { length: 3, path: ['constructor'] },
      ],
      name: 'n',
      'piece length': 16_384,
      pieces: PIECES,
    });
    expect(parsed(bytes).files.map(({ path }) => path.join('/'))).toEqual([
      'n/__proto__/toString',
      'n/constructor',
    ]);
  });
});
