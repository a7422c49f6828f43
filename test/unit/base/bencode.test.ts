// Bencode against the BEP 3 vectors, and the inputs that end or corrupt the common package.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BencodeDict, type BencodeValue, decodeBencode, decodeDict } from '../../../core/base/bencode.ts';
import { composeDict, encodeBencode } from '../../../core/base/bencode-encode.ts';
import { fromHex, latin1, toHex, utf8 } from '../../../core/base/bytes.ts';

type Described =
  | { readonly int: string }
  | { readonly hex: string }
  | { readonly list: readonly Described[] }
  | { readonly dict: readonly (readonly [Described, Described])[] };

interface Case {
  readonly hex: string;
  readonly ascii: string | null;
  readonly expect: 'ok' | 'error' | 'strict-error';
  readonly value?: Described;
  readonly note?: string;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/bep03-bencode.json', import.meta.url), 'utf8'),
) as { cases: readonly Case[] };

/** A decoded value in the vectors' terms. */
function described(value: BencodeValue): Described {
  if (value instanceof Uint8Array) return { hex: toHex(value) };
  if (value instanceof BencodeDict)
    return { dict: [...value.entries()].map((entry) => [{ hex: toHex(entry.key) }, described(entry.value)]) };
  if (typeof value === 'number' || typeof value === 'bigint') return { int: value.toString() };
  return { list: value.map(described) };
}

/** Without the vectors' text for readers. */
function plain(value: Described): Described {
  if ('list' in value) return { list: value.list.map(plain) };
  if ('dict' in value) return { dict: value.dict.map(([key, item]) => [plain(key), plain(item)]) };
  return 'int' in value ? { int: value.int } : { hex: value.hex };
}

describe('vectors of BEP 3', () => {
  it.each(cases)('$hex ($note): $expect', (vector) => {
    const bytes = fromHex(vector.hex) as Uint8Array;
    const decoded = decodeBencode(bytes);
    expect(decoded.ok).toBe(vector.expect === 'ok');
    if (decoded.ok) expect(described(decoded.value.value)).toEqual(plain(vector.value as Described));
  });

  it('reads unsorted keys and loose integers on request only, and duplicate keys never', () => {
    const loose = { allowUnsorted: true, allowLooseIntegers: true };
    expect(decodeBencode(utf8('d1:bi05e1:ai-0ee')).ok).toBe(false);
    const decoded = decodeDict(utf8('d1:bi05e1:ai-0ee'), loose);
    expect(decoded.ok && [decoded.value.get('b'), decoded.value.get('a')]).toEqual([5, 0]);
    expect(decodeBencode(utf8('d1:a1:x1:a1:ye'), loose).ok).toBe(false);
  });
});

describe('what kills or corrupts the bencode package', () => {
  it.each([
    ['l-3:', 'a negative length moves its cursor back for ever'],
    ['d1:al-3:e', 'the same inside a dictionary'],
    ['9:abc', 'a string cut short'],
    ['i1eXYZ', 'bytes after the value'],
    ['i-0e', 'negative zero'],
    ['i1.5e', 'a fraction'],
    ['ie', 'no digits'],
    ['d1:ai1e1:ai2ee', 'a key twice'],
    ['i1e5', 'an exponent'],
    [`i${'9'.repeat(400)}e`, 'an integer without end'],
    ['99999999999:a', 'a length of eleven digits'],
    ['4294967296:a', 'a length past 32 bits'],
  ])('refuses %s (%s)', (text) => {
    expect(decodeBencode(utf8(text)).ok).toBe(false);
  });

  it('keeps raw keys: ff fe is not the text "fffe", and a zero-length key is a key', () => {
    const decoded = decodeDict(
      Uint8Array.from([0x64, 0x30, 0x3a, 0x69, 0x31, 0x65, 0x32, 0x3a, 0xff, 0xfe, 0x69, 0x32, 0x65, 0x65]),
    );
    expect(decoded.ok && [...decoded.value.entries()].map(({ key }) => toHex(key))).toEqual(['', 'fffe']);
    expect(decoded.ok && decoded.value.has('fffe')).toBe(false);
  });

  it('takes __proto__ as a key like any other', () => {
    const decoded = decodeDict(utf8('d9:__proto__d1:xi1eee'));
    if (!decoded.ok) throw new Error(decoded.reason.what);
    expect(decoded.value.dict('__proto__')?.get('x')).toBe(1);
    expect(decoded.value.get('x')).toBeUndefined();
    expect('x' in {}).toBe(false);
  });

  it('bounds depth, items and bytes instead of the stack', () => {
    const deep = decodeBencode(utf8('l'.repeat(200_000)));
    expect(deep.ok === false && deep.reason.what).toContain('deeper than');
    const limits = { maxBytes: 100, maxDepth: 4, maxItems: 5 };
    expect(decodeBencode(utf8('li1ei2ei3ee'), { limits }).ok).toBe(true);
    expect(decodeBencode(utf8('li1ei2ei3ei4ee'), { limits }).ok).toBe(false);
    expect(decodeBencode(utf8(`99:${'x'.repeat(99)}`), { limits }).ok).toBe(false);
    expect(decodeBencode(utf8('llllleeeee'), { limits: { ...limits, maxItems: 99 } }).ok).toBe(false);
  });
});

describe('raw spans and trailing bytes', () => {
  it('gives the value byte for byte as it stood', () => {
    const inner = 'd1:zi05e1:ai1ee';
    const decoded = decodeDict(utf8(`d4:info${inner}e`), { allowUnsorted: true, allowLooseIntegers: true });
    expect(decoded.ok && latin1(decoded.value.rawOf('info') as Uint8Array)).toBe(inner);
  });

  it('says where a value ended when more may follow (BEP 9 data messages)', () => {
    const decoded = decodeBencode(utf8('d5:piecei0eeBYTES'), { allowTrailing: true });
    expect(decoded.ok && decoded.value.end).toBe(12);
  });
});

describe('encoding', () => {
  it('writes canonical bencode: sorted keys, bytes and UTF-8, undefined left out', () => {
    const bytes = encodeBencode({ b: [1, -2, 'ü'], a: Uint8Array.of(0, 255), c: undefined });
    expect(toHex(bytes)).toBe(
      toHex(
        Buffer.concat([Buffer.from('d1:a2:'), Buffer.from([0, 255]), Buffer.from('1:bli1ei-2e2:\u00fcee')]),
      ),
    );
  });

  it('refuses what the package would corrupt silently', () => {
    expect(() => encodeBencode({ a: 1n, b: 2 } as never)).toThrow(TypeError);
    expect(() => encodeBencode(1.5)).toThrow(TypeError);
    expect(() => encodeBencode(2 ** 53)).toThrow(TypeError);
    expect(() => encodeBencode({ ü: 1 })).toThrow(TypeError);
    expect(() => encodeBencode({ a: null } as never)).toThrow(TypeError);
  });

  it('composes dictionaries from raw keys in byte order and refuses a key twice', () => {
    const value = utf8('i1e');
    expect(
      toHex(
        composeDict([
          [Uint8Array.of(0xff), value],
          [Uint8Array.of(0x61), value],
        ]),
      ),
    ).toBe('64313a61693165313aff69316565');
    expect(() =>
      composeDict([
        [utf8('a'), value],
        [utf8('a'), value],
      ]),
    ).toThrow(TypeError);
  });
});
