// Decoders of bencode, torrents and magnets over generated and mutated input: they never throw, never accept an unsafe path,
// and read back what is written. fast-check prints seed and path of a failure; `FC_SEED` runs it again.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BencodeDict, type BencodeValue, decodeBencode } from '../../core/base/bencode.ts';
import { type Encodable, encodeBencode } from '../../core/base/bencode-encode.ts';
import { toHex } from '../../core/base/bytes.ts';
import { infoHashOf } from '../../core/base/ids.ts';
import { globMatches } from '../../core/metainfo/glob.ts';
import { formatMagnet, mergeRanges, parseMagnet } from '../../core/metainfo/magnet.ts';
import type { Magnet } from '../../core/metainfo/metainfo.ts';
import { parseInfo } from '../../core/metainfo/parse-info.ts';
import { parseTorrent } from '../../core/metainfo/parse-torrent.ts';
import { assignPaths, isSafeComponent, safeComponents } from '../../core/metainfo/safe-path.ts';
import { looseBencode } from '../support/bencode-text.ts';
import fc from '../support/property.ts';
import { expectSafePaths } from '../unit/metainfo/safe-paths.ts';

const RULES = ['posix', 'macos', 'windows'] as const;
const anyBytes = fc.uint8Array({ maxLength: 200 });
/** Names as an attacker picks them, among ordinary ones. */
const name = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    '/',
    '\\',
    'a',
    'A',
    'b.txt',
    'con',
    'a/../..',
    '\0',
    'x'.repeat(300),
    '漢'.repeat(120),
    'a (2)',
    ' ',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const path = fc.array(name, { maxLength: 5 });

describe('bencode', () => {
  const { value } = fc.letrec<{ value: Encodable }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.maxSafeInteger(),
      fc.uint8Array({ maxLength: 20 }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.string({ unit: 'grapheme-ascii', maxLength: 6 }).filter((key) => key !== '__proto__'),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  }));

  function plain(decoded: BencodeValue): unknown {
    if (decoded instanceof Uint8Array) return toHex(decoded);
    if (decoded instanceof BencodeDict)
      return Object.fromEntries(
        [...decoded.entries()].map((entry) => [Buffer.from(entry.key).toString(), plain(entry.value)]),
      );
    return Array.isArray(decoded) ? decoded.map(plain) : decoded;
  }
  function hexed(encodable: Encodable): unknown {
    if (encodable instanceof Uint8Array) return toHex(encodable);
    if (Array.isArray(encodable)) return encodable.map(hexed);
    if (typeof encodable !== 'object') return Object.is(encodable, -0) ? 0 : encodable;
    return Object.fromEntries(
      Object.entries(encodable).map(([key, item]) => [key, hexed(item as Encodable)]),
    );
  }

  it('decodes what was encoded', () => {
    fc.assert(
      fc.property(value, (original) => {
        const decoded = decodeBencode(encodeBencode(original));
        expect(decoded.ok && plain(decoded.value.value)).toEqual(hexed(original));
      }),
    );
  });

  it('never throws on any bytes, and accepts canonical bytes only', () => {
    const alphabet = fc.constantFrom(...'idle0123456789:-ab'.split(''));
    const nearly = fc.string({ unit: alphabet, maxLength: 40 }).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(fc.oneof(anyBytes, nearly), (bytes) => {
        const decoded = decodeBencode(bytes);
        decodeBencode(bytes, { allowUnsorted: true, allowLooseIntegers: true, allowTrailing: true });
        if (decoded.ok) expect(toHex(rewritten(decoded.value.value))).toBe(toHex(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  function rewritten(decoded: BencodeValue): Uint8Array {
    if (decoded instanceof BencodeDict)
      return Buffer.concat([
        Buffer.from('d'),
        ...[...decoded.entries()].flatMap((entry) => [looseBencode(entry.key), rewritten(entry.value)]),
        Buffer.from('e'),
      ]);
    if (Array.isArray(decoded))
      return Buffer.concat([Buffer.from('l'), ...decoded.map(rewritten), Buffer.from('e')]);
    return looseBencode(decoded as number | bigint | Uint8Array);
  }
});

describe('paths', () => {
  it('are safe, settled, and one for each file, whatever the names', () => {
    fc.assert(
      fc.property(
        fc.array(path, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(...RULES),
        (wanted, rules) => {
          const safe = wanted.map((parts) => safeComponents(parts, rules));
          const assigned = assignPaths(safe, rules);
          const fold = (parts: readonly string[]) =>
            rules === 'posix' ? parts.join('/') : parts.join('/').normalize('NFC').toLowerCase();
          const files = new Set(assigned.map(fold));
          expect(files.size).toBe(wanted.length);
          for (const parts of assigned) {
            for (const part of parts) expect(isSafeComponent(part, rules)).toBe(true);
            for (let depth = 1; depth < parts.length; depth++)
              expect(files.has(fold(parts.slice(0, depth)))).toBe(false);
          }
        },
      ),
    );
  });
});

describe('torrents', () => {
  const file = fc.record({
    length: fc.nat(100_000),
    path,
    symlink: fc.option(path, { nil: undefined }),
    attr: fc.constantFrom('', 'p', 'l', 'x'),
  });

  it('with any file names are read with safe paths, or refused', () => {
    fc.assert(
      fc.property(name, fc.array(file, { minLength: 1, maxLength: 12 }), (torrentName, files) => {
        const total = files.reduce((sum, { length, attr }) => sum + (attr === 'l' ? 0 : length), 0);
        const parsed = parseTorrent(
          looseBencode({
            info: {
              files: files.map(({ length, path: parts, symlink, attr }) => ({
                attr,
                length,
                path: parts,
                'symlink path': symlink ?? [],
              })),
              name: torrentName,
              'piece length': 16_384,
              pieces: new Uint8Array(20 * Math.ceil(total / 16_384)),
            },
          }),
        );
        if (parsed.ok) expectSafePaths(parsed.value);
        else expect(parsed.reason.what).not.toBe('');
        const isPlain = files.every(({ path: parts, attr }) => parts.length > 0 && attr !== 'l');
        if (isPlain && total > 0) expect(parsed.ok).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  const folder = new URL('../../fixtures/torrents/', import.meta.url).pathname;
  const real = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((entry) => entry.endsWith('.torrent'))
    .map((entry) => readFileSync(join(folder, entry)))
    .filter((bytes) => bytes.length < 4000);
  const mutation = fc.record({
    kind: fc.constantFrom('set', 'set', 'set', 'set', 'insert', 'cut', 'copy'),
    at: fc.nat(999_999).map((millionths) => millionths / 1e6),
    byte: fc.oneof(fc.constantFrom(...Buffer.from('idle0123456789:-/.')), fc.nat(255)),
    length: fc.nat(30),
  });

  it('real ones with bytes changed, put in, cut out or repeated never throw and never give an unsafe path', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.nat(real.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (which, mutations) => {
          let bytes: Buffer = Buffer.from(real[which] as Buffer);
          for (const { kind, at, byte, length } of mutations) {
            const index = Math.floor(at * bytes.length);
            const before = bytes.subarray(0, index);
            if (kind === 'set') bytes = Buffer.concat([before, Buffer.of(byte), bytes.subarray(index + 1)]);
            else if (kind === 'insert')
              bytes = Buffer.concat([before, Buffer.of(byte), bytes.subarray(index)]);
            else if (kind === 'cut') bytes = Buffer.concat([before, bytes.subarray(index + length)]);
            else
              bytes = Buffer.concat([before, bytes.subarray(index, index + length), bytes.subarray(index)]);
          }
          const parsed = parseTorrent(bytes);
          parseInfo(bytes);
          if (!parsed.ok) return;
          accepted++;
          expectSafePaths(parsed.value);
          expect(
            parsed.value.version === 'v2' ||
              parsed.value.pieceHashes.length === 20 * parsed.value.layout.pieceCount,
          ).toBe(true);
        },
      ),
      { numRuns: 10_000 },
    );
    // Proves that the mutations reach past the decoder.
    expect(accepted).toBeGreaterThan(800);
  });
});

describe('magnet links', () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const text = fc
    .string({ unit: 'binary', maxLength: 30 })
    .map((raw) => raw.toWellFormed().trim())
    .filter((raw) => raw !== '');
  const magnet = fc
    .record({
      v1: fc.option(bytesOf(20), { nil: undefined }),
      v2: bytesOf(32),
      hasV2: fc.boolean(),
      displayName: fc.option(text, { nil: undefined }),
      trackers: fc.uniqueArray(text, { maxLength: 4 }),
      webSeeds: fc.uniqueArray(text, { maxLength: 4 }),
      peers: fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }), { maxLength: 3 }),
      ranges: fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 5 }),
      exactLength: fc.option(fc.nat(), { nil: undefined }),
    })
    .map(({ v1, v2, hasV2, trackers, ranges, ...rest }): Magnet => {
      const isV2 = hasV2 || v1 === undefined;
      return {
        ...rest,
        infoHash: infoHashOf(v1 ?? v2.slice(0, 20)),
        hasV1: v1 !== undefined,
        infoHashV2: isV2 ? v2 : undefined,
        trackerTiers: trackers.map((url) => [url]),
        selectOnly:
          ranges.length === 0
            ? undefined
            : mergeRanges(ranges.map(([a, b]) => [Math.min(a, b), Math.max(a, b)])),
      };
    });

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(magnet, (original) => {
        const parsed = parseMagnet(formatMagnet(original));
        expect(parsed.ok && parsed.value).toEqual(original);
      }),
    );
  });

  it('never throw on any text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'xt=',
        'urn:btih:',
        'cd'.repeat(20),
        '&',
        '%',
        '%E0%A4',
        'so=',
        '0-',
        ',',
        'x.pe=[',
        ']:1',
        'tr=',
        '=',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const parsed = parseMagnet(`magnet:?${pieces.join('')}`);
        if (parsed.ok) expect(parseMagnet(formatMagnet(parsed.value)).ok).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('merge ranges to the same set, sorted and apart', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const indices = (ranges: readonly (readonly [number, number])[]) => {
      const all = new Set<number>();
      for (const [first, last] of ranges) for (let i = first; i <= last; i++) all.add(i);
      return [...all].sort((a, b) => a - b);
    };
    fc.assert(
      fc.property(fc.array(range), (ranges) => {
        const merged = mergeRanges(ranges);
        expect(indices(merged)).toEqual(indices(ranges));
        for (let i = 1; i < merged.length; i++)
          expect((merged[i] as [number, number])[0]).toBeGreaterThan(
            (merged[i - 1] as [number, number])[1] + 1,
          );
      }),
    );
  });
});

describe('globs', () => {
  it('agree with the regular expression they stand for', () => {
    const short = (characters: string) =>
      fc.string({ unit: fc.constantFrom(...characters.split('')), maxLength: 8 });
    fc.assert(
      fc.property(short('ab/*?'), short('ab/'), (pattern, text) => {
        const source = pattern
          .replace(/\*{2,}/g, '\0')
          .replace(/\*/g, '[^/]*')
          .replaceAll('\0', '.*')
          .replaceAll('?', '[^/]');
        expect(globMatches(pattern, text)).toBe(new RegExp(`^${source}$`).test(text));
      }),
      { numRuns: 3000 },
    );
  });
});
