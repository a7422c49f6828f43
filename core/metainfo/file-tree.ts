// The v2 file tree and piece layers (BEP 52): walked without recursion, every length checked. Hash trees are not verified
// here; that belongs to whoever downloads by them.
import { type BencodeDict, isDict } from '../base/bencode.ts';
import { bytesEqual, compareBytes, latin1 } from '../base/bytes.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { attributesIn, type DescribedFile, type DescribedFiles, lengthIn } from './file-list.ts';
import { bytesList, decodeName } from './info-text.ts';
import type { ParseLimits } from './limits.ts';

/** SHA-256. */
export const V2_HASH_BYTES = 32;

export interface TreeFile extends DescribedFile {
  /** 32 bytes; undefined for an empty file. */
  readonly piecesRoot: Uint8Array | undefined;
}

interface Visit {
  readonly entries: ReturnType<BencodeDict['entries']>;
  lastKey: Uint8Array | undefined;
}

/**
 * BEP 52 wants bytes that are canonical or hashed as found; the order of the tree is also the order of the pieces, so a
 * tree out of order is refused even where unsorted keys are tolerated elsewhere.
 */
export function readFileTree(
  info: BencodeDict,
  limits: ParseLimits,
  charset: string | undefined,
): Result<DescribedFiles & { readonly files: readonly TreeFile[] }> {
  const tree = info.dict('file tree');
  if (tree === undefined) return reject("'file tree' is missing or not a dictionary");
  const files: TreeFile[] = [];
  const rawPath: Uint8Array[] = [];
  const stack: Visit[] = [{ entries: tree.entries(), lastKey: undefined }];
  while (stack.length > 0) {
    const visit = stack[stack.length - 1] as Visit;
    const next = visit.entries.next();
    if (next.done === true) {
      stack.pop();
      rawPath.pop();
      continue;
    }
    const { key, value } = next.value;
    if (visit.lastKey !== undefined && compareBytes(visit.lastKey, key) >= 0)
      return reject("'file tree' keys are out of order");
    visit.lastKey = key;
    if (!isDict(value)) return reject("'file tree' has a value that is not a dictionary");
    if (key.length > 0) {
      if (stack.length > limits.maxPathDepth) return reject(`'file tree' deeper than ${limits.maxPathDepth}`);
      rawPath.push(key);
      if (value.size === 0) return reject("'file tree' has an empty folder");
      stack.push({ entries: value.entries(), lastKey: undefined });
      continue;
    }
    if (rawPath.length === 0) return reject("'file tree' is itself a file");
    if (files.length >= limits.maxFiles) return reject(`more than ${limits.maxFiles} files`);
    const file = readProperties(value, [...rawPath], limits, charset);
    if (!file.ok) return reject(`file ${files.length + 1}: ${file.reason.what}`);
    files.push(file.value);
    // The empty key sorts first: anything after it would be inside a file.
    if (visit.entries.next().done !== true) return reject(`file ${files.length} is also a folder`);
  }
  if (files.length === 0) return reject("'file tree' is empty");
  return accept({ files, isMultiFile: files.length > 1 || (files[0] as TreeFile).rawPath.length > 1 });
}

function readProperties(
  entry: BencodeDict,
  rawPath: readonly Uint8Array[],
  limits: ParseLimits,
  charset: string | undefined,
): Result<TreeFile> {
  const attributes = attributesIn(entry);
  const length = attributes.isSymlink ? 0 : lengthIn(entry);
  if (length === undefined) return reject(`'length' is ${entry.has('length') ? 'not a size' : 'missing'}`);
  const symlink = attributes.isSymlink ? bytesList(entry.get('symlink path')) : undefined;
  if (attributes.isSymlink && (symlink === undefined || symlink.length > limits.maxPathDepth))
    return reject("a symlink without a sound 'symlink path'");
  const root = entry.bytes('pieces root');
  if (length > 0) {
    if (root?.length !== V2_HASH_BYTES) return reject("'pieces root' is not 32 bytes");
    if (root.every((byte) => byte === 0)) return reject("'pieces root' is all zero");
  }
  return accept({
    rawPath,
    path: rawPath.map((part) => decodeName(part, charset)),
    length,
    isPadding: attributes.isPadding,
    isExecutable: attributes.isExecutable,
    isHidden: attributes.isHidden,
    symlink: symlink?.map((part) => decodeName(part, charset)),
    piecesRoot: length > 0 ? root : undefined,
  });
}

/** One 32-byte hash for each piece of every file larger than a piece, by `pieces root`. */
export function checkPieceLayers(
  layers: BencodeDict,
  files: readonly TreeFile[],
  pieceLength: number,
): Result<undefined> {
  // Keys are raw hashes, which get() cannot name.
  const byRoot = new Map<string, unknown>();
  for (const { key, value } of layers.entries()) byRoot.set(latin1(key), value);
  for (const [index, file] of files.entries()) {
    if (file.piecesRoot === undefined || file.length <= pieceLength) continue;
    const layer = byRoot.get(latin1(file.piecesRoot));
    if (!(layer instanceof Uint8Array)) return reject(`file ${index + 1}: no 'piece layers' entry`);
    const due = Math.ceil(file.length / pieceLength) * V2_HASH_BYTES;
    if (layer.length !== due)
      return reject(`file ${index + 1}: 'piece layers' entry of ${layer.length} bytes where ${due} are due`);
  }
  return accept(undefined);
}

/** BEP 52: in a hybrid torrent both halves must describe the same files in the same order. */
export function describesSameFiles(v1: DescribedFiles, v2: DescribedFiles): boolean {
  const data = v1.files.filter((file) => !file.isPadding);
  const tree = v2.files.filter((file) => !file.isPadding);
  return (
    data.length === tree.length &&
    data.every((file, i) => {
      const twin = tree[i] as DescribedFile;
      return (
        file.length === twin.length &&
        file.rawPath.length === twin.rawPath.length &&
        file.rawPath.every((part, j) => bytesEqual(part, twin.rawPath[j] as Uint8Array))
      );
    })
  );
}
