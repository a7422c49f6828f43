// Torrents made of real files: against independent creators' output, other readers, every rule about what goes in, and files
// that change meanwhile.
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { files as oracleFiles, hashes as oracleHashes } from '@ctrl/torrent-file';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { OperationError, UsageError } from '../../../core/base/result.ts';
import { type CreateOptions, createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import { hashFiles } from '../../../core/metainfo/io/hash-files.ts';
import { secondOpinion } from '../../../core/metainfo/io/second-opinion.ts';
import { type ContentFile, walkContent } from '../../../core/metainfo/io/walk-content.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { payloadBytes } from '../../support/payload.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';

const fixtures = new URL('../../../fixtures/', import.meta.url).pathname;
let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir('tt-create-');
});
afterEach(() => dir.remove());

function put(path: string, content: string | Uint8Array): string {
  const whole = join(dir.path, path);
  mkdirSync(join(whole, '..'), { recursive: true });
  writeFileSync(whole, content);
  return whole;
}

/** SHA-1 of each piece of the concatenation, the slow and obvious way. */
function pieceHashes(content: Uint8Array, pieceLength: number): string {
  let hashes = '';
  for (let at = 0; at < content.length; at += pieceLength)
    hashes += createHash('sha1')
      .update(content.subarray(at, at + pieceLength))
      .digest('hex');
  return hashes;
}

const created = async (options: Partial<CreateOptions> & { path: string }) =>
  (await createTorrent({ pieceLength: 16_384, ...options })).metainfo;
const paths = (metainfo: { files: readonly { path: readonly string[] }[] }) =>
  metainfo.files.map((file) => file.path.join('/'));

describe('known content', () => {
  // Made by another creator; its info dictionaries hold nothing but what BEP 3 asks for.
  it.each(['folder', 'numbers', 'lots-of-numbers'])('%s gives the info hash others gave it', async (name) => {
    const metainfo = await created({ path: join(fixtures, 'content', name) });
    const theirs = parseTorrent(readFileSync(join(fixtures, `torrents/webtorrent-fixtures/${name}.torrent`)));
    if (!theirs.ok) throw new Error(theirs.reason.what);
    expect(paths(metainfo)).toEqual(paths(theirs.value));
    expect(toHex(metainfo.infoHash)).toBe(toHex(theirs.value.infoHash));
  });
});

describe('what is written', () => {
  it('is read alike by others, and the same each time', async () => {
    const content = payloadBytes(300_000, 'create');
    put('show/a.bin', content);
    put('show/b/c.bin', content.subarray(0, 70_001));
    put('show/b/empty', '');
    const options: CreateOptions = {
      path: join(dir.path, 'show'),
      trackerTiers: [['http://t.example/announce', 'udp://u.example:1'], ['wss://w.example']],
      webSeeds: ['https://s.example/x/'],
      comment: 'gr\u00fc\u00dfe',
      createdBy: 'tt',
      creationDate: 1_700_000_000,
      isPrivate: true,
      source: 'here',
      pieceLength: 32_768,
    };
    const first = await createTorrent(options);
    const second = await createTorrent(options);
    expect(Buffer.compare(first.torrentBytes, second.torrentBytes)).toBe(0);
    expect(first.warning).toBeUndefined();
    const { path: _, pieceLength, ...asked } = options;
    expect(first.metainfo).toMatchObject({ ...asked, name: 'show', version: 'v1' });
    expect(first.metainfo.layout.pieceLength).toBe(pieceLength);
    const theirs = oracleFiles(first.torrentBytes);
    expect(oracleHashes(first.torrentBytes).infoHash).toBe(toHex(first.metainfo.infoHash));
    expect(theirs.files.map((file) => [file.path, file.length])).toEqual([
      ['show/a.bin', 300_000],
      ['show/b/c.bin', 70_001],
      ['show/b/empty', 0],
    ]);
    expect(theirs.pieces?.join('')).toBe(
      pieceHashes(Buffer.concat([content, content.subarray(0, 70_001)]), 32_768),
    );
  });

  it('holds nothing that was not asked for', async () => {
    const { torrentBytes } = await createTorrent({ path: put('f', 'hello') });
    expect(Buffer.from(torrentBytes).toString('latin1')).toMatch(
      /^d4:infod6:lengthi5e4:name1:f12:piece lengthi16384e6:pieces20:[\s\S]{20}ee$/,
    );
  });
});

describe('what goes in', () => {
  it('plain files in byte order of components; the rest is reported', async () => {
    for (const name of [
      'b',
      'B',
      'a-b',
      'a/x',
      'a/\u00e9',
      'a/z',
      '.hidden',
      '.git/config',
      'Thumbs.db',
      '10',
      '9',
    ])
      put(`root/${name}`, name);
    symlinkSync('b', join(dir.path, 'root/link'));
    symlinkSync('..', join(dir.path, 'root/up'));
    const root = join(dir.path, 'root');
    const { metainfo, skipped } = await createTorrent({ path: root, exclude: [join(root, '9')] });
    expect(paths(metainfo)).toEqual(
      ['10', 'B', 'a/x', 'a/z', 'a/\u00e9', 'a-b', 'b'].map((path) => `root/${path}`),
    );
    expect(skipped.map(({ path, why }) => `${why} ${path}`).sort()).toEqual([
      'excluded 9',
      'hidden .git',
      'hidden .hidden',
      'junk Thumbs.db',
      'symlink link',
      'symlink up',
    ]);
    expect(paths(await created({ path: root, includeHidden: true })).length).toBe(11);
  });

  it('the root, even if hidden or reached through a link', async () => {
    put('.config/x', 'x');
    symlinkSync(join(dir.path, '.config'), join(dir.path, 'alias'));
    expect(paths(await created({ path: join(dir.path, '.config') }))).toEqual(['.config/x']);
    expect(paths(await created({ path: join(dir.path, 'alias') }))).toEqual(['alias/x']);
  });

  it('names that could not be created again are refused', async () => {
    put('root/a\\b', 'x');
    await expect(created({ path: join(dir.path, 'root') })).rejects.toMatchObject({ slug: 'refused' });
    writeFileSync(Buffer.concat([Buffer.from(`${dir.path}/`), Buffer.from([0xff, 0xfe])]), 'x');
    await expect(created({ path: dir.path })).rejects.toMatchObject({ slug: 'refused' });
  });
});

describe('options of no use', () => {
  it.each([
    [{ pieceLength: 1000 }, /piece length/],
    [{ pieceLength: 3 * 16_384 }, /piece length/],
    [{ trackerTiers: [['not a url']] }, /tracker/],
    [{ trackerTiers: [['file:///x']] }, /tracker/],
    [{ webSeeds: ['udp://x'] }, /web seed/],
    [{ creationDate: 1.5 }, /creation date/],
    [{ version: 'v2' as const }, /v2/],
    [{ name: '..' }, /name/],
  ])('%j', async (options, message) => {
    const making = createTorrent({ path: put('f', 'hello'), ...options });
    await expect(making).rejects.toThrow(UsageError);
    await expect(making).rejects.toThrow(message);
  });

  it('nothing to share, or no such thing', async () => {
    await expect(createTorrent({ path: put('empty', '') })).rejects.toThrow(UsageError);
    put('root/.hidden', 'x');
    await expect(createTorrent({ path: join(dir.path, 'root') })).rejects.toMatchObject({
      hint: expect.stringContaining('left out: 1 (hidden); tt create --all'),
    });
    await expect(createTorrent({ path: join(dir.path, 'none') })).rejects.toMatchObject({
      slug: 'disk',
      code: 'ENOENT',
    });
  });
});

describe('hashing', () => {
  async function contentOf(root: string): Promise<readonly ContentFile[]> {
    const options = { includeHidden: false, exclude: [], pathRules: 'posix', signal: undefined } as const;
    return (await walkContent(root, options)).files;
  }

  it('gives the same on threads and without, over file borders, with progress to the end', async () => {
    const parts = [9_000_000, 0, 16_384, 5_000_001, 3, 4_000_000].map((length, i) =>
      payloadBytes(length, `h${i}`),
    );
    for (const [i, part] of parts.entries()) put(`root/${i}`, part);
    const files = await contentOf(join(dir.path, 'root'));
    const expected = pieceHashes(Buffer.concat(parts), 65_536);
    for (const threads of [0, 1, 3]) {
      const seen: number[] = [];
      const hashes = await hashFiles(files, 65_536, {
        threads,
        onProgress: ({ hashedBytes, totalBytes }) => seen.push(hashedBytes / totalBytes),
      });
      expect(toHex(hashes)).toBe(expected);
      expect(seen.at(-1)).toBe(1);
      expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    }
  });

  it.each([0, 2])('a file cut short meanwhile is an error that names it (%i threads)', async (threads) => {
    const path = put('big', payloadBytes(20_000_000, 'cut'));
    const [file] = await contentOf(path);
    const grown = { ...(file as ContentFile), length: 20_000_001 };
    await expect(hashFiles([grown], 65_536, { threads })).rejects.toThrow(/big" changed while/);
    const gone = { ...(file as ContentFile), diskPath: `${path}.gone` };
    await expect(hashFiles([gone], 65_536, { threads })).rejects.toMatchObject({
      slug: 'disk',
      code: 'ENOENT',
    });
  });

  it('a file that grows meanwhile is an error', async () => {
    const path = put('f', payloadBytes(100_000, 'grow'));
    const making = createTorrent({ path }, { onProgress: () => appendFileSync(path, 'x') });
    await expect(making).rejects.toThrow(OperationError);
    await expect(making).rejects.toThrow(/changed while/);
  });

  it.each([0, 2])('stops when told to (%i threads)', async (threads) => {
    const path = put('big', payloadBytes(40_000_000, 'abort'));
    const abort = new AbortController();
    const making = createTorrent(
      { path },
      { threads, signal: abort.signal, onProgress: () => abort.abort(new Error('stop')) },
    );
    await expect(making).rejects.toThrow('stop');
    await expect(createTorrent({ path }, { signal: abort.signal })).rejects.toThrow('stop');
  });
});

describe('the second opinion', () => {
  it('is asked about canonical torrents only, and tells what differs', async () => {
    const { torrentBytes, metainfo } = await createTorrent({ path: put('f', 'hello') });
    expect(await secondOpinion(torrentBytes, metainfo)).toBeUndefined();
    expect(await secondOpinion(torrentBytes, { ...metainfo, isPrivate: true })).toContain('private');
    expect(await secondOpinion(torrentBytes, { ...metainfo, files: [] })).toContain('files');
    expect(await secondOpinion(Buffer.from('l-3:'), metainfo)).toBeUndefined();
  });
});
