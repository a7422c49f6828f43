// Test torrents: seeded content on disk, and a .torrent made by libtorrent or Transmission rather than by the code under test.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256OfTree } from '../../support/hash.ts';
import { writePayload, writeTree } from '../../support/payload.ts';
import { runOk } from '../../support/process.ts';
import { PYTHON } from './requirements.ts';

const TOOL = fileURLToPath(new URL('torrent_tool.py', import.meta.url));

export interface TestTorrent {
  readonly name: string;
  readonly torrentFile: string;
  readonly torrentBytes: Buffer;
  readonly infoHash: string;
  readonly magnet: string;
  /** Holds the content under `name`. */
  readonly parentDir: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** Of every file the torrent lists, names included. */
  readonly sha256: string;
  /** The same without files of no bytes. */
  readonly sha256OfNonEmpty: string;
}

/** What torrent_tool.py says of a .torrent. */
export interface TorrentDescription {
  readonly name: string;
  readonly info_hash: string;
  readonly info_hash_v2: string;
  readonly piece_length: number;
  readonly pieces: number;
  readonly total: number;
  readonly private: boolean;
  readonly comment: string;
  readonly trackers: readonly string[];
  readonly web_seeds: readonly string[];
  readonly files: readonly { readonly path: string; readonly length: number }[];
}

export async function describeTorrent(torrentFile: string): Promise<TorrentDescription> {
  return JSON.parse(await runOk(PYTHON, [TOOL, 'info', torrentFile])) as TorrentDescription;
}

export async function createWithLibtorrent(
  content: string,
  torrentFile: string,
  pieceLength: number,
): Promise<TorrentDescription> {
  const answer = await runOk(PYTHON, [TOOL, 'create', content, torrentFile, String(pieceLength)]);
  return JSON.parse(answer) as TorrentDescription;
}

export interface TestTorrentOptions {
  readonly dir: string;
  readonly name: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  /** 1 (default): a single file of that name. */
  readonly fileCount?: number;
  readonly madeBy?: 'libtorrent' | 'transmission';
}

/** Writes content (seeded by its name) and a trackerless .torrent of it. */
export async function makeTestTorrent(options: TestTorrentOptions): Promise<TestTorrent> {
  const { dir, name, totalBytes, pieceLength } = options;
  const content = join(dir, name);
  const torrentFile = join(dir, `${name}.torrent`);
  const fileCount = options.fileCount ?? 1;
  if (fileCount === 1) writePayload(content, totalBytes, name);
  else writeTree(content, { fileCount, totalBytes, seed: name });
  if (options.madeBy === 'transmission') {
    await runOk('transmission-create', ['-s', String(pieceLength / 1024), '-o', torrentFile, content]);
  } else {
    await createWithLibtorrent(content, torrentFile, pieceLength);
  }
  const facts = await describeTorrent(torrentFile);
  if (facts.total !== totalBytes)
    throw new Error(`${basename(torrentFile)} holds ${facts.total} bytes, not ${totalBytes}`);
  return {
    name,
    torrentFile,
    torrentBytes: readFileSync(torrentFile),
    infoHash: facts.info_hash,
    magnet: `magnet:?xt=urn:btih:${facts.info_hash}&dn=${encodeURIComponent(name)}`,
    parentDir: dir,
    totalBytes,
    pieceLength: facts.piece_length,
    pieceCount: facts.pieces,
    // transmission-create leaves files of no bytes out.
    sha256: sha256OfTree(content, { emptyFiles: options.madeBy === 'transmission' ? 'ignored' : 'counted' }),
    sha256OfNonEmpty: sha256OfTree(content, { emptyFiles: 'ignored' }),
  };
}
