// What a .torrent may say beyond the fixtures: limits, tiers, names, attributes, symlinks, hybrids; and writing it again.
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { composeTorrent } from '../../../core/metainfo/compose-torrent.ts';
import { PARSE_LIMITS } from '../../../core/metainfo/limits.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { parseInfo, torrentTitle } from '../../../core/metainfo/parse-info.ts';
import { type ParseTorrentOptions, parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { choosePieceLength, isUsablePieceLength } from '../../../core/metainfo/piece-length.ts';
import { type Loose, looseBencode, Raw } from '../../support/bencode-text.ts';
import { expectSafePaths } from './safe-paths.ts';

type Dict = Record<string, Loose>;
const KIB16 = 16_384;
const PIECE = new Uint8Array(20).fill(9);
const SINGLE: Dict = { length: 5, name: 'a', 'piece length': KIB16, pieces: PIECE };

function parse(torrent: Dict, options: ParseTorrentOptions = {}): Metainfo {
  const parsed = parseTorrent(looseBencode(torrent), options);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  expectSafePaths(parsed.value);
  return parsed.value;
}

function refusal(torrent: Dict, options: ParseTorrentOptions = {}): string {
  const parsed = parseTorrent(looseBencode(torrent), options);
  return parsed.ok ? 'accepted' : parsed.reason.what;
}

function multi(files: readonly Loose[], extra: Dict = {}): Dict {
  return { info: { files, name: 'n', 'piece length': KIB16, pieces: PIECE, ...extra } };
}

const paths = (metainfo: Metainfo) => metainfo.files.map((file) => file.path.join('/'));

describe('limits', () => {
  const at = (limits: Partial<typeof PARSE_LIMITS>) => ({ limits: { ...PARSE_LIMITS, ...limits } });

  it.each([
    ['bytes', { info: SINGLE, comment: 'x'.repeat(500) }, at({ maxTorrentBytes: 400 }), 'limit 400'],
    ['files', multi([1, 2, 3].map((i) => ({ length: 1, path: [`${i}`] }))), at({ maxFiles: 2 }), 'limit 2'],
    ['depth', multi([{ length: 1, path: ['a', 'b', 'c'] }]), at({ maxPathDepth: 2 }), 'limit 2'],
    ['path bytes', multi([{ length: 1, path: ['a'.repeat(99)] }]), at({ maxPathBytes: 80 }), 'limit 80'],
    ['piece length, small', { info: { ...SINGLE, 'piece length': 512 } }, {}, "'piece length' 512"],
    [
      'piece length, large',
      { info: { ...SINGLE, 'piece length': 2 ** 30 } },
      {},
      "'piece length' 1073741824",
    ],
    ['piece length, zero', { info: { ...SINGLE, 'piece length': 0 } }, {}, "'piece length' 0"],
    ['piece length, negative', { info: { ...SINGLE, 'piece length': -KIB16 } }, {}, "'piece length' -16384"],
    ['size', { info: { ...SINGLE, length: 2n ** 53n } }, {}, "'length' is not a size"],
    [
      'total size',
      multi([1, 2].map((i) => ({ length: 2 ** 53 - 1, path: [`${i}`] }))),
      {},
      'total size past 2^53',
    ],
    [
      'pieces',
      { info: { ...SINGLE, length: KIB16 * 4, pieces: new Uint8Array(80) } },
      at({ maxPieces: 3 }),
      'limit 3',
    ],
  ] as [string, Dict, ParseTorrentOptions, string][])('%s', (_, torrent, options, what) => {
    expect(refusal(torrent, options)).toContain(what);
  });

  it('a path of 64 folders is fine, 65 are not', () => {
    const deep = (depth: number) => multi([{ length: 1, path: Array.from({ length: depth }, () => 'd') }]);
    expect(parse(deep(64)).files[0]?.path.length).toBe(65);
    expect(refusal(deep(65))).toContain('limit 64');
  });
});

describe('sizes and hashes agree', () => {
  it.each([
    ['too few hashes', { info: { ...SINGLE, length: KIB16 + 1 } }, 'holds 1 hashes where the files make 2'],
    [
      'too many',
      { info: { ...SINGLE, pieces: new Uint8Array(40) } },
      'holds 2 hashes where the files make 1',
    ],
    ['part of a hash', { info: { ...SINGLE, pieces: new Uint8Array(21) } }, 'not a multiple of 20'],
    ['no bytes', { info: { ...SINGLE, length: 0, pieces: '' } }, 'no bytes'],
  ] as [string, Dict, string][])('%s', (_, torrent, what) => expect(refusal(torrent)).toContain(what));

  it('offsets run on, empty files included', () => {
    const files = [3, 0, 4].map((length, i) => ({ length, path: [`${i}`] }));
    expect(parse(multi(files)).files.map(({ offset, length }) => [offset, length])).toEqual([
      [0, 3],
      [3, 0],
      [3, 4],
    ]);
  });
});

describe('outside info', () => {
  it('tiers: announce-list rules, announce where it says nothing; blanks and repeats go', () => {
    const info = SINGLE;
    const tiers = (torrent: Dict) => parse(torrent).trackerTiers;
    expect(
      tiers({
        announce: 'http://x',
        'announce-list': [['http://a ', 'http://b'], [], ['http://a', 'udp://c']],
        info,
      }),
    ).toEqual([['http://a', 'http://b'], ['udp://c']]);
    expect(tiers({ announce: 'http://x', 'announce-list': [[' ', 5]], info })).toEqual([['http://x']]);
    expect(tiers({ 'announce-list': ['http://a', 'http://b'], info })).toEqual([['http://a'], ['http://b']]);
    expect(tiers({ 'announce-list': 7, announce: 7, info })).toEqual([]);
    const many = Array.from({ length: 900 }, (_, i) => [`http://${i}/`]);
    expect(tiers({ 'announce-list': many, info }).length).toBe(500);
  });

  it('seeds, nodes, texts, dates: what is malformed is left out', () => {
    const metainfo = parse({
      comment: 'hi',
      'created by': 7,
      'creation date': -1,
      httpseeds: ['http://h/'],
      info: { ...SINGLE, private: 1, source: 'S' },
      nodes: [['a.example', 1], ['', 2], ['b', 70_000], 'c', ['d e', 5], ['::1', 6]],
      'url-list': 'http://w/',
    });
    expect(metainfo).toMatchObject({
      comment: 'hi',
      createdBy: undefined,
      creationDate: undefined,
      httpSeeds: ['http://h/'],
      webSeeds: ['http://w/'],
      isPrivate: true,
      source: 'S',
      nodes: [
        { host: 'a.example', port: 1 },
        { host: '::1', port: 6 },
      ],
    });
  });

  it('ends of line after the dictionary are no error, other bytes are', () => {
    const bytes = looseBencode({ info: SINGLE });
    expect(parseTorrent(Buffer.concat([bytes, Buffer.from('\r\n')])).ok).toBe(true);
    expect(parseTorrent(Buffer.concat([bytes, Buffer.from('x')])).ok).toBe(false);
  });
});

describe('names', () => {
  const GBK = Buffer.from([0xc4, 0xe3, 0xba, 0xc3]);

  it('prefer the utf-8 twin keys', () => {
    const metainfo = parse(
      multi([{ length: 5, path: [GBK], 'path.utf-8': ['你好.txt'] }], { name: GBK, 'name.utf-8': '名' }),
    );
    expect(paths(metainfo)).toEqual(['名/你好.txt']);
    expect(torrentTitle(metainfo)).toBe('名');
  });

  it('follow the declared encoding, and are still safe without one', () => {
    const info = { ...SINGLE, name: GBK };
    expect(parse({ encoding: 'GBK', info }).name).toBe('你好');
    expect(torrentTitle(parse({ encoding: 'GBK', info }))).toBe('你好');
    expect(parse({ encoding: 'no such charset', info }).name).toMatch(/^_+$/);
    expect(parse({ info }).name).toMatch(/^_+$/);
  });

  it('that differ only in undecodable bytes stay apart', () => {
    const files = [0xfe, 0xff].map((byte) => ({ length: 1, path: [Uint8Array.of(byte)] }));
    expect(paths(parse(multi(files)))).toEqual(['n/_', 'n/_ (2)']);
  });

  it('keep the title as the torrent has it', () => {
    const metainfo = parse({ info: { ...SINGLE, name: '../x' } });
    expect([metainfo.name, torrentTitle(metainfo)]).toEqual(['.._x', '../x']);
  });

  it('follow the rules of the platform asked for', () => {
    expect(parse({ info: { ...SINGLE, name: 'aux.c' } }).name).toBe('aux.c');
    expect(parse({ info: { ...SINGLE, name: 'aux.c' } }, { pathRules: 'windows' }).name).toBe('_aux.c');
  });
});

describe('BEP 47', () => {
  it('reads attributes; padding takes part in the layout but in no name clash', () => {
    const metainfo = parse(
      multi([
        { attr: 'xh', length: 5, path: ['a'] },
        { attr: 'p', length: 3, path: ['.pad', '3'] },
        { length: 4, path: ['.pad', '3'] },
        { attr: 'p?z', length: 1, path: ['.pad', '3'] },
      ]),
    );
    expect(
      metainfo.files.map((file) => [file.isPadding, file.isExecutable, file.isHidden, file.offset]),
    ).toEqual([
      [false, true, true, 0],
      [true, false, false, 5],
      [false, false, false, 8],
      [true, false, false, 12],
    ]);
    expect(paths(metainfo)[2]).toBe('n/.pad/3');
  });

  const link = (target: Loose) =>
    multi([
      { length: 5, path: ['d', 'a'] },
      { attr: 'l', length: 9, path: ['l'], 'symlink path': target },
    ]);

  it('symlinks point to where their target was put, and have no bytes', () => {
    const [, file] = parse(link(['d', 'a'])).files;
    expect([file?.symlinkTarget, file?.length]).toEqual([['d', 'a'], 0]);
  });

  it.each([
    [['..', 'x']],
    [['d', '..', '..', 'x']],
    [['/etc/passwd']],
    [['a\\b']],
    [[]],
    ['d/a'],
  ] as Loose[][])('a symlink to %j is refused', (target) => {
    expect(refusal(link(target as Loose))).toContain('symlink');
  });

  it('no file lies below a symlink', () => {
    const metainfo = parse(
      multi([
        { attr: 'l', length: 0, path: ['l'], 'symlink path': ['d'] },
        { length: 5, path: ['l', 'x'] },
      ]),
    );
    expect(paths(metainfo)).toEqual(['n/l (2)', 'n/l/x']);
  });
});

describe('v2 and hybrid (BEP 52)', () => {
  const root = new Uint8Array(32).fill(1);
  const leaf = (length: number, extra: Dict = {}): Loose => ({
    '': { length, 'pieces root': root, ...extra },
  });
  const v2 = (tree: Loose, extra: Dict = {}): Dict => ({
    info: { 'file tree': tree, 'meta version': 2, name: 'n', 'piece length': KIB16, ...extra },
  });

  it('puts each file at a piece, and one file alone in no folder', () => {
    const metainfo = parse(
      v2({ a: leaf(5), b: { c: leaf(KIB16 + 1) }, e: { '': { length: 0 } }, f: leaf(1) }),
    );
    expect(metainfo.files.map(({ path, offset }) => [path.join('/'), offset])).toEqual([
      ['n/a', 0],
      ['n/b/c', KIB16],
      ['n/e', 2 * KIB16 + 1],
      ['n/f', 3 * KIB16],
    ]);
    expect(metainfo.layout.pieceCount).toBe(4);
    expect(paths(parse(v2({ only: leaf(5) })))).toEqual(['only']);
  });

  it.each([
    ['a newer meta version', v2({ a: leaf(1) }, { 'meta version': 3 }), 'newer'],
    ['keys out of order', v2({ b: leaf(1), a: leaf(1) }), 'out of order'],
    [
      'a file that is a folder',
      v2({ a: { '': { length: 1, 'pieces root': root }, b: leaf(1) } }),
      'also a folder',
    ],
    ['a tree that is a file', v2(leaf(1)), 'itself a file'],
    ['an empty tree', v2({}), 'empty'],
    ['an empty folder', v2({ a: {} }), 'empty folder'],
    ['no root', v2({ a: { '': { length: 1 } } }), "'pieces root'"],
    ['odd pieces', v2({ a: leaf(1) }, { 'piece length': 3 * KIB16 }), 'power of two'],
    ['small pieces', v2({ a: leaf(1) }, { 'piece length': KIB16 / 2 }), 'power of two'],
    ['a tree that is a list', v2([]), "'file tree'"],
    ['a leaf that is a string', v2({ a: 'x' }), 'not a dictionary'],
  ] as [string, Dict, string][])('refuses %s', (_, torrent, what) =>
    expect(refusal(torrent)).toContain(what),
  );

  it('wants both halves of a hybrid to agree in paths, sizes and order', () => {
    const hybrid = (files: Loose, tree: Loose) => v2(tree, { files, pieces: PIECE });
    const tree = { a: leaf(5), b: leaf(4) };
    const entry = (name: string, length: number): Loose => ({ length, path: [name] });
    const pad: Loose = { attr: 'p', length: 2, path: ['.pad', '2'] };
    expect(parse(hybrid([entry('a', 5), pad, entry('b', 4)], tree)).version).toBe('hybrid');
    for (const files of [
      [entry('a', 5), entry('b', 3)],
      [entry('a', 5), entry('c', 4)],
      [entry('b', 4), entry('a', 5)],
      [entry('a', 5)],
    ])
      expect(refusal(hybrid(files, tree))).toContain('differ');
  });

  it('a deep tree is refused, not recursed into', () => {
    let tree = `d0:d6:lengthi1e11:pieces root32:${'r'.repeat(32)}ee`;
    for (let i = 0; i < 60; i++) tree = `d1:a${tree}e`;
    expect(parse(v2(new Raw(tree))).files[0]?.path.length).toBe(61);
    expect(refusal(v2(new Raw(`${'d1:a'.repeat(100_000)}de${'e'.repeat(100_000)}`)))).toContain(
      'deeper than',
    );
  });
});

describe('info from the swarm (BEP 9)', () => {
  it('takes trackers and seeds from the magnet link', () => {
    const infoBytes = looseBencode(SINGLE);
    const parsed = parseInfo(infoBytes, { extras: { trackerTiers: [['http://t']], webSeeds: ['http://w'] } });
    if (!parsed.ok) throw new Error(parsed.reason.what);
    expect(parsed.value.trackerTiers).toEqual([['http://t']]);
    expect(toHex(parsed.value.infoHash)).toBe(toHex(parse({ info: SINGLE }).infoHash));
    expect(parseInfo(Buffer.concat([infoBytes, Buffer.from('\n')])).ok).toBe(false);
  });
});

describe('writing a torrent', () => {
  it('keeps odd info bytes, and everything else is read back', () => {
    const info = new Raw(`d4:name1:a6:lengthi05e6:pieces20:${'x'.repeat(20)}12:piece lengthi16384ee`);
    const first = parse({
      info,
      announce: 'http://t/',
      comment: 'ü',
      'url-list': ['http://w/'],
      nodes: [['h', 1]],
    });
    const again = parseTorrent(composeTorrent(first));
    expect(again.ok && again.value).toEqual(first);
    expect(Buffer.from(composeTorrent(first)).toString('latin1')).toContain('lengthi05e');
  });

  it('writes a list only for several trackers, in tiers', () => {
    const { infoBytes } = parse({ info: SINGLE });
    const text = (parts: object) => Buffer.from(composeTorrent({ infoBytes, ...parts })).toString('latin1');
    expect(text({})).toBe(`d4:info${Buffer.from(infoBytes).toString('latin1')}e`);
    expect(text({ trackerTiers: [['http://a']] })).not.toContain('announce-list');
    expect(text({ trackerTiers: [['http://a'], ['http://b', 'http://c']] })).toContain(
      '13:announce-listll8:http://ael8:http://b8:http://cee',
    );
  });

  it('carries piece layers along', () => {
    const { infoBytes } = parse({ info: SINGLE });
    expect(parseTorrent(composeTorrent({ infoBytes, pieceLayers: utf8('de') })).ok).toBe(true);
  });
});

describe('piece length of new torrents', () => {
  it('grows with the content and is always usable', () => {
    const MIB = 2 ** 20;
    expect([1, 16 * MIB, 16 * MIB + 1, 700 * MIB, 5000 * MIB, 1e13].map(choosePieceLength)).toEqual([
      KIB16,
      KIB16,
      2 * KIB16,
      MIB / 2,
      4 * MIB,
      16 * MIB,
    ]);
    expect([8192, KIB16, 3 * KIB16, 2 ** 26, 2 ** 27, 0.5].map(isUsablePieceLength)).toEqual([
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
  });
});
