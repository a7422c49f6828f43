// An `info` dictionary (BEP 3, 27, 47, 52), from a .torrent or from the swarm (BEP 9), checked as a whole: sizes agree with
// hashes, both halves of a hybrid agree, every path is safe. Hashes are taken over the bytes as found, never re-encoded.
import { createHash } from 'node:crypto';
import { type BencodeDict, decodeDict } from '../base/bencode.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { ID_BYTES, infoHashOf } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { type DescribedFile, type DescribedFiles, readFileList } from './file-list.ts';
import { checkPieceLayers, describesSameFiles, readFileTree } from './file-tree.ts';
import { nameIn } from './info-text.ts';
import { BLOCK_BYTES, type FileEntry, PieceLayout } from './layout.ts';
import { MAX_BENCODE_DEPTH, MAX_BENCODE_ITEMS, PARSE_LIMITS, type ParseLimits } from './limits.ts';
import type { Metainfo } from './metainfo.ts';
import { assignPaths, byteLength, type PathRules, safeComponent, safeComponents } from './safe-path.ts';

/** What a .torrent says outside `info`, or a magnet link says about a torrent whose `info` came from the swarm. */
export type MetainfoExtras = Pick<
  Metainfo,
  'trackerTiers' | 'webSeeds' | 'httpSeeds' | 'nodes' | 'comment' | 'createdBy' | 'creationDate'
>;

export const NO_EXTRAS: MetainfoExtras = {
  trackerTiers: [],
  webSeeds: [],
  httpSeeds: [],
  nodes: [],
  comment: undefined,
  createdBy: undefined,
  creationDate: undefined,
};

export interface ParseInfoOptions {
  readonly extras?: Partial<MetainfoExtras>;
  /** Default 'posix'; see pathRulesFor. */
  readonly pathRules?: PathRules;
  readonly limits?: ParseLimits;
}

/** Context that only a whole .torrent has. */
export interface InfoSurroundings {
  /** WHATWG label of the old `encoding` key. */
  readonly charset: string | undefined;
  /** BEP 52; undefined in metadata from the swarm, and tolerated missing. */
  readonly pieceLayers: BencodeDict | undefined;
}

/**
 * Reads the raw `info` dictionary, as BEP 9 delivers it. The caller has compared its hash with the one it wanted, or does
 * so with the result's. The result keeps views of `infoBytes`: do not reuse the buffer.
 */
export function parseInfo(infoBytes: Uint8Array, options: ParseInfoOptions = {}): Result<Metainfo> {
  const limits = options.limits ?? PARSE_LIMITS;
  const plain = plainView(infoBytes);
  const info = decodeTorrentDict(plain, limits);
  if (!info.ok) return info;
  return metainfoOf(info.value, plain, { charset: undefined, pieceLayers: undefined }, options);
}

/** Never a Buffer, whose slice() shares memory where a Uint8Array's copies. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bencode as live torrents have it: unsorted keys and loose integers are read, because hashes are over raw bytes. */
export function decodeTorrentDict(bytes: Uint8Array, limits: ParseLimits): Result<BencodeDict> {
  return decodeDict(bytes, {
    limits: { maxBytes: limits.maxTorrentBytes, maxDepth: MAX_BENCODE_DEPTH, maxItems: MAX_BENCODE_ITEMS },
    allowUnsorted: true,
    allowLooseIntegers: true,
  });
}

export function metainfoOf(
  info: BencodeDict,
  infoBytes: Uint8Array,
  surroundings: InfoSurroundings,
  options: ParseInfoOptions,
): Result<Metainfo> {
  const limits = options.limits ?? PARSE_LIMITS;
  const rules = options.pathRules ?? 'posix';
  const version = versionOf(info);
  if (!version.ok) return version;
  const name = nameIn(info, 'name', surroundings.charset);
  if (name === undefined) return reject(`'name' is ${info.has('name') ? 'not a string' : 'missing'}`);
  const pieceLength = pieceLengthOf(info, version.value, limits);
  if (!pieceLength.ok) return pieceLength;
  const described = describe(info, version.value, name, pieceLength.value, surroundings, limits);
  if (!described.ok) return described;
  const files = placeFiles(described.value, {
    name: safeComponent(name, rules),
    rules,
    alignment: version.value === 'v2' ? pieceLength.value : 1,
    maxPathBytes: limits.maxPathBytes,
  });
  if (!files.ok) return files;
  const layout = new PieceLayout(files.value.totalLength, pieceLength.value);
  if (layout.totalLength === 0) return reject('no bytes in any file');
  if (layout.pieceCount > limits.maxPieces)
    return reject(`${layout.pieceCount} pieces, limit ${limits.maxPieces}`);
  const pieceHashes = version.value === 'v2' ? EMPTY_BYTES : (info.bytes('pieces') as Uint8Array);
  if (version.value !== 'v2' && pieceHashes.length !== layout.pieceCount * ID_BYTES) {
    const held = pieceHashes.length / ID_BYTES;
    return reject(`'pieces' holds ${held} hashes where the files make ${layout.pieceCount}`);
  }
  const infoHashV2 = version.value === 'v1' ? undefined : digest('sha256', infoBytes);
  return accept({
    ...NO_EXTRAS,
    ...options.extras,
    version: version.value,
    infoHash: infoHashOf(
      version.value === 'v2' ? (infoHashV2 as Uint8Array).slice(0, ID_BYTES) : digest('sha1', infoBytes),
    ),
    infoHashV2,
    infoBytes,
    name: safeComponent(name, rules),
    layout,
    pieceHashes,
    files: files.value.entries,
    isMultiFile: described.value.isMultiFile,
    isPrivate: (info.integer('private') ?? 0) !== 0,
    source: nameIn(info, 'source', surroundings.charset),
  });
}

/**
 * The name as the torrent gives it, for showing: it may be longer than, or not fit, a file name. Control characters stay.
 * Bytes that are no UTF-8 are only explained by the `encoding` beside `info`: then it is the name that was read with it.
 */
export function torrentTitle(metainfo: Metainfo): string {
  const info = decodeTorrentDict(metainfo.infoBytes, PARSE_LIMITS);
  const title = info.ok ? nameIn(info.value, 'name', undefined) : undefined;
  return title === undefined || title.includes('\ufffd') ? metainfo.name : title;
}

function digest(algorithm: 'sha1' | 'sha256', bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(bytes).digest());
}

function versionOf(info: BencodeDict): Result<Metainfo['version']> {
  const metaVersion = info.get('meta version');
  // BEP 52: look at this first, so that a newer kind is named as such.
  if (metaVersion !== undefined && metaVersion !== 1 && metaVersion !== 2)
    return reject(
      typeof metaVersion === 'number'
        ? `'meta version' ${metaVersion} is newer than this program`
        : "'meta version' is not a number",
    );
  const pieces = info.get('pieces');
  if (pieces === undefined) {
    if (metaVersion === 2) return accept('v2');
    return reject("'pieces' is missing");
  }
  if (!(pieces instanceof Uint8Array)) return reject("'pieces' is not a string");
  if (pieces.length % ID_BYTES !== 0)
    return reject(`'pieces' of ${pieces.length} bytes is not a multiple of ${ID_BYTES}`);
  return accept(metaVersion === 2 ? 'hybrid' : 'v1');
}

function pieceLengthOf(info: BencodeDict, version: Metainfo['version'], limits: ParseLimits): Result<number> {
  const pieceLength = info.integer('piece length');
  if (pieceLength === undefined)
    return reject(`'piece length' is ${info.has('piece length') ? 'not a size' : 'missing'}`);
  if (pieceLength < limits.minPieceLength || pieceLength > limits.maxPieceLength)
    return reject(
      `'piece length' ${pieceLength} is not within ${limits.minPieceLength}..${limits.maxPieceLength}`,
    );
  const isPowerOfTwo = Number.isInteger(Math.log2(pieceLength));
  if (version !== 'v1' && (!isPowerOfTwo || pieceLength < BLOCK_BYTES))
    return reject(`'piece length' ${pieceLength} is not a power of two of at least ${BLOCK_BYTES} (v2)`);
  return accept(pieceLength);
}

function describe(
  info: BencodeDict,
  version: Metainfo['version'],
  name: string,
  pieceLength: number,
  surroundings: InfoSurroundings,
  limits: ParseLimits,
): Result<DescribedFiles> {
  const rawName = info.bytes('name') ?? (info.bytes('name.utf-8') as Uint8Array);
  const { charset, pieceLayers } = surroundings;
  const v1 = version === 'v2' ? undefined : readFileList(info, { raw: rawName, text: name }, limits, charset);
  if (v1?.ok === false) return v1;
  const v2 = version === 'v1' ? undefined : readFileTree(info, limits, charset);
  if (v2?.ok === false) return v2;
  if (v2 !== undefined && pieceLayers !== undefined) {
    const layers = checkPieceLayers(pieceLayers, v2.value.files, pieceLength);
    if (!layers.ok) return layers;
  }
  if (v1 !== undefined && v2 !== undefined && !describesSameFiles(v1.value, v2.value))
    return reject('hybrid torrent whose v1 and v2 file lists differ');
  return (v1 ?? v2) as Result<DescribedFiles>;
}

interface Placement {
  /** Safe already. */
  readonly name: string;
  readonly rules: PathRules;
  /** BEP 52 starts each file of a v2 torrent at a piece; v1 has them end to end. */
  readonly alignment: number;
  readonly maxPathBytes: number;
}

function placeFiles(
  described: DescribedFiles,
  placement: Placement,
): Result<{ entries: FileEntry[]; totalLength: number }> {
  const { rules, alignment } = placement;
  const inFolder = described.isMultiFile ? [placement.name] : [];
  const wanted = described.files.map((file) => [...inFolder, ...safeComponents(file.path, rules)]);
  const onDisk = described.files.flatMap((file, i) => (file.isPadding ? [] : [i]));
  const assigned = assignPaths(
    onDisk.map((i) => wanted[i] as string[]),
    rules,
  );
  const paths: (readonly string[])[] = [...wanted];
  for (const [k, i] of onDisk.entries()) paths[i] = assigned[k] as readonly string[];
  const hasLinks = described.files.some((file) => file.symlink !== undefined);
  const placedAs = new Map(
    hasLinks ? described.files.map((file, i) => [file.path.join('/'), paths[i] as readonly string[]]) : [],
  );
  const entries: FileEntry[] = [];
  let end = 0;
  for (const [index, file] of described.files.entries()) {
    const path = paths[index] as readonly string[];
    const pathBytes = path.reduce((sum, part) => sum + byteLength(part) + 1, 0);
    if (pathBytes > placement.maxPathBytes)
      return reject(`file ${index + 1}: path of ${pathBytes} bytes, limit ${placement.maxPathBytes}`);
    const target = symlinkTarget(file, placedAs, described.isMultiFile, rules);
    if (!target.ok) return reject(`file ${index + 1}: ${target.reason.what}`);
    const offset = file.length === 0 ? end : Math.ceil(end / alignment) * alignment;
    end = offset + file.length;
    if (!Number.isSafeInteger(end)) return reject('total size past 2^53 bytes');
    entries.push({
      index,
      path,
      length: file.length,
      offset,
      isPadding: file.isPadding,
      isExecutable: file.isExecutable,
      isHidden: file.isHidden,
      symlinkTarget: target.value,
    });
  }
  return accept({ entries, totalLength: end });
}

/** BEP 47: components below the torrent's folder. A link that climbs is refused, not mended: it has no honest meaning. */
function symlinkTarget(
  file: DescribedFile,
  placedAs: ReadonlyMap<string, readonly string[]>,
  isMultiFile: boolean,
  rules: PathRules,
): Result<readonly string[] | undefined> {
  if (file.symlink === undefined) return accept(undefined);
  if (!isMultiFile || file.symlink.length === 0) return reject('a symlink to nowhere');
  if (file.symlink.some((part) => part === '..' || /[/\\\0]/.test(part)))
    return reject('a symlink that leads outside the torrent');
  const placed = placedAs.get(file.symlink.join('/'));
  return accept(placed === undefined ? safeComponents(file.symlink, rules) : placed.slice(1));
}
