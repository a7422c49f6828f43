// What is moved: one big file and a tree of 2,000 small ones, made once per file system and checked by digest.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWithLibtorrent } from '../interop/support/torrents.ts';
import { sha256OfTree } from '../support/hash.ts';
import { writePayload, writeTree } from '../support/payload.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export interface Payload {
  readonly name: string;
  readonly torrentFile: string;
  readonly infoHash: string;
  readonly magnet: string;
  /** Holds `name`. */
  readonly dir: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly fileCount: number;
  readonly sha256OfNonEmpty: string;
}

export interface PayloadSpec {
  readonly name: string;
  readonly totalBytes: number;
  readonly pieceLength: number;
  readonly fileCount: number;
}

export function singleFile(totalBytes: number): PayloadSpec {
  return { name: `single-${totalBytes / MIB}.bin`, totalBytes, pieceLength: MIB, fileCount: 1 };
}

export function smallFiles(totalBytes: number): PayloadSpec {
  return { name: `tree-${totalBytes / MIB}`, totalBytes, pieceLength: 256 * KIB, fileCount: 2_000 };
}

/** Makes it below `dir`, or takes what an earlier call with the same arguments left there. */
export async function preparePayload(spec: PayloadSpec, dir: string): Promise<Payload> {
  mkdirSync(dir, { recursive: true });
  const manifest = join(dir, `${spec.name}.json`);
  if (existsSync(manifest)) return JSON.parse(readFileSync(manifest, 'utf8')) as Payload;
  const content = join(dir, spec.name);
  const torrentFile = join(dir, `${spec.name}.torrent`);
  if (spec.fileCount === 1) writePayload(content, spec.totalBytes, spec.name);
  else writeTree(content, { fileCount: spec.fileCount, totalBytes: spec.totalBytes, seed: spec.name });
  const { info_hash: infoHash } = await createWithLibtorrent(content, torrentFile, spec.pieceLength);
  const payload: Payload = {
    ...spec,
    torrentFile,
    infoHash,
    magnet: `magnet:?xt=urn:btih:${infoHash}&dn=${encodeURIComponent(spec.name)}`,
    dir,
    sha256OfNonEmpty: sha256OfTree(content, { emptyFiles: 'ignored' }),
  };
  writeFileSync(manifest, JSON.stringify(payload));
  return payload;
}
