// The v1 file list of an `info` dictionary (BEP 3 `length` or `files`, BEP 47 attributes), still in the torrent's own terms.
import { type BencodeDict, isDict } from '../base/bencode.ts';
import { latin1, strictTextOf } from '../base/bytes.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { bytesList, decodeName } from './info-text.ts';
import type { ParseLimits } from './limits.ts';

/** A file as the torrent describes it: nothing in it is safe yet. */
export interface DescribedFile {
  /** Without the torrent's name. */
  readonly rawPath: readonly Uint8Array[];
  readonly path: readonly string[];
  readonly length: number;
  readonly isPadding: boolean;
  readonly isExecutable: boolean;
  readonly isHidden: boolean;
  readonly symlink: readonly string[] | undefined;
}

export interface DescribedFiles {
  readonly files: readonly DescribedFile[];
  readonly isMultiFile: boolean;
}

/** BitComet's padding, older than BEP 47: such files hold zeros and have no attribute. */
const BITCOMET_PADDING = '_____padding_file_';

export function readFileList(
  info: BencodeDict,
  name: { readonly raw: Uint8Array; readonly text: string },
  limits: ParseLimits,
  charset: string | undefined,
): Result<DescribedFiles> {
  if (!info.has('files')) {
    const length = lengthIn(info);
    if (length === undefined) return reject(`'length' is ${info.has('length') ? 'not a size' : 'missing'}`);
    const attributes = attributesIn(info);
    const file = {
      rawPath: [name.raw],
      path: [name.text],
      length,
      ...attributes,
      isPadding: false,
      symlink: undefined,
    };
    return accept({ files: [file], isMultiFile: false });
  }
  const list = info.list('files');
  if (list === undefined) return reject("'files' is not a list");
  if (list.length === 0) return reject("'files' is empty");
  if (list.length > limits.maxFiles) return reject(`${list.length} files, limit ${limits.maxFiles}`);
  const files: DescribedFile[] = [];
  for (const [index, entry] of list.entries()) {
    if (!isDict(entry)) return reject(`file ${index + 1} is not a dictionary`);
    const file = readEntry(entry, limits, charset);
    if (!file.ok) return reject(`file ${index + 1}: ${file.reason.what}`);
    files.push(file.value);
  }
  return accept({ files, isMultiFile: true });
}

function readEntry(
  entry: BencodeDict,
  limits: ParseLimits,
  charset: string | undefined,
): Result<DescribedFile> {
  const length = lengthIn(entry);
  if (length === undefined) return reject(`'length' is ${entry.has('length') ? 'not a size' : 'missing'}`);
  const rawPath = bytesList(entry.get('path'));
  const twin = bytesList(entry.get('path.utf-8'));
  const named = rawPath ?? twin;
  if (named === undefined || named.length === 0) return reject("'path' is missing or not a list of names");
  if (named.length > limits.maxPathDepth)
    return reject(`path of ${named.length} folders, limit ${limits.maxPathDepth}`);
  const twinText = twin?.map((part) => strictTextOf(part));
  const path =
    twinText?.length === named.length && !twinText.includes(undefined)
      ? (twinText as string[])
      : named.map((part) => decodeName(part, charset));
  const attributes = attributesIn(entry);
  const symlink = attributes.isSymlink ? bytesList(entry.get('symlink path')) : undefined;
  if (attributes.isSymlink && (symlink === undefined || symlink.length > limits.maxPathDepth))
    return reject("a symlink without a sound 'symlink path'");
  return accept({
    rawPath: named,
    path,
    // A symlink has no bytes whatever it claims (BEP 47).
    length: attributes.isSymlink ? 0 : length,
    isPadding: attributes.isPadding || isBitCometPadding(named),
    isExecutable: attributes.isExecutable,
    isHidden: attributes.isHidden,
    symlink: symlink?.map((part) => decodeName(part, charset)),
  });
}

function isBitCometPadding(path: readonly Uint8Array[]): boolean {
  const last = path[path.length - 1] as Uint8Array;
  return (
    last.length >= BITCOMET_PADDING.length &&
    latin1(last.subarray(0, BITCOMET_PADDING.length)) === BITCOMET_PADDING
  );
}

/** A size in bytes: integers that are negative or past 2^53 are none. */
export function lengthIn(dict: BencodeDict): number | undefined {
  const length = dict.integer('length');
  return length !== undefined && length >= 0 ? length : undefined;
}

/** BEP 47 `attr`: flag characters; unknown ones are ignored. */
export function attributesIn(dict: BencodeDict): {
  readonly isPadding: boolean;
  readonly isExecutable: boolean;
  readonly isHidden: boolean;
  readonly isSymlink: boolean;
} {
  const flags = dict.text('attr') ?? '';
  return {
    isPadding: flags.includes('p'),
    isExecutable: flags.includes('x'),
    isHidden: flags.includes('h'),
    isSymlink: flags.includes('l'),
  };
}
