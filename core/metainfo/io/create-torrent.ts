// Makes a v1 torrent (BEP 3, 12, 19, 27) of a file or folder. Same content, same options, same bytes: no clock is read, and
// a file that changes while it is hashed is an error.
import { basename, resolve } from 'node:path';
import { encodeBencode } from '../../base/bencode-encode.ts';
import { InvariantError, OperationError, UsageError } from '../../base/result.ts';
import { composeTorrent } from '../compose-torrent.ts';
import { MAX_URL_CHARS, PARSE_LIMITS } from '../limits.ts';
import type { Metainfo } from '../metainfo.ts';
import { parseTorrent } from '../parse-torrent.ts';
import { choosePieceLength, isUsablePieceLength, PIECE_LENGTH_RANGE } from '../piece-length.ts';
import { isSafeComponent, pathRulesFor } from '../safe-path.ts';
import { type HashOptions, hashFiles } from './hash-files.ts';
import { prepareSecondOpinion, secondOpinion } from './second-opinion.ts';
import {
  type Content,
  checkUnchanged,
  type HashedLook,
  type SkippedEntry,
  walkContent,
} from './walk-content.ts';

export interface CreateOptions {
  /** A file or a folder. */
  readonly path: string;
  /** Only 'v1' so far; the others are a UsageError. */
  readonly version?: Metainfo['version'];
  /** Default: the last component of `path`. */
  readonly name?: string;
  /** BEP 12: most wanted tier first. */
  readonly trackerTiers?: readonly (readonly string[])[];
  readonly webSeeds?: readonly string[];
  readonly comment?: string;
  readonly createdBy?: string;
  /** Seconds since 1970; left out when undefined, so that the output depends on the input alone. */
  readonly creationDate?: number;
  readonly isPrivate?: boolean;
  /** Makes the info hash differ between sites that publish the same files. */
  readonly source?: string;
  /** A power of two from 16 KiB to 64 MiB. Default: by size, see piece-length.ts. */
  readonly pieceLength?: number;
  /** Take names that begin with a dot, and junk such as Thumbs.db. Default false. */
  readonly includeHidden?: boolean;
  /** Disk paths to leave out, such as the .torrent being written. */
  readonly exclude?: readonly string[];
}

export interface CreatedTorrent {
  readonly torrentBytes: Uint8Array;
  /** What torrentBytes says, read back. Its content lies at `path` (see AddTorrentOptions.rename where the name differs). */
  readonly metainfo: Metainfo;
  readonly skipped: readonly SkippedEntry[];
  /** By file index: whoever seeds them next need not hash them again (AddTorrentOptions.hashed). */
  readonly hashed: readonly HashedLook[];
  /** How another reader would misread it; never seen, worth showing. */
  readonly warning: string | undefined;
}

/**
 * @throws UsageError for options of no use; OperationError disk (unreadable, changed meanwhile) or refused (names, limits);
 * the signal's reason
 */
export async function createTorrent(
  options: CreateOptions,
  hashing: HashOptions = {},
): Promise<CreatedTorrent> {
  checkOptions(options);
  const rules = pathRulesFor(process.platform);
  const name = options.name ?? basename(resolve(options.path));
  if (!isSafeComponent(name, rules))
    throw new UsageError(
      `${JSON.stringify(name)} cannot be the name of a torrent`,
      'give another with --name',
    );
  const content = await walkContent(options.path, {
    includeHidden: options.includeHidden ?? false,
    exclude: options.exclude ?? [],
    pathRules: rules,
    signal: hashing.signal,
  });
  const totalBytes = content.files.reduce((sum, file) => sum + file.length, 0);
  if (totalBytes === 0)
    throw new UsageError(
      `there is nothing in ${JSON.stringify(options.path)} to make a torrent of`,
      emptyHint(content),
    );
  const pieceLength = options.pieceLength ?? choosePieceLength(totalBytes);
  const pieceCount = Math.ceil(totalBytes / pieceLength);
  if (pieceCount > MAX_CREATED_PIECES)
    throw new UsageError(
      `${pieceCount} pieces are too many, limit ${MAX_CREATED_PIECES}`,
      'choose a larger --piece-length',
    );
  void prepareSecondOpinion();
  const pieces = await hashFiles(content.files, pieceLength, hashing);
  await checkUnchanged(content.files);
  const infoBytes = encodeBencode({
    ...(content.isFolder
      ? { files: content.files.map(({ path, length }) => ({ length, path })) }
      : { length: totalBytes }),
    name,
    'piece length': pieceLength,
    pieces,
    private: options.isPrivate === true ? 1 : undefined,
    source: options.source === '' ? undefined : options.source,
  });
  const torrentBytes = composeTorrent({ ...options, infoBytes });
  const parsed = parseTorrent(torrentBytes, { pathRules: rules });
  if (!parsed.ok) throw unreadable(parsed.reason.what, torrentBytes.length);
  const differs = await secondOpinion(torrentBytes, parsed.value);
  return {
    torrentBytes,
    metainfo: parsed.value,
    skipped: content.skipped,
    hashed: content.files.map(({ look }) => look),
    warning:
      differs === undefined
        ? undefined
        : `WebTorrent clients read this torrent differently: they see ${differs}`,
  };
}

/** 2^21 pieces are 40 MiB of hashes: the most that leaves room for names within what we read ourselves. */
const MAX_CREATED_PIECES = 1 << 21;

function checkOptions(options: CreateOptions): void {
  const { version = 'v1', pieceLength, creationDate } = options;
  if (version !== 'v1')
    throw new UsageError(`${version} torrents cannot be created yet`, 'leave it out to make a v1 torrent');
  if (pieceLength !== undefined && !isUsablePieceLength(pieceLength)) {
    const { min, max } = PIECE_LENGTH_RANGE;
    throw new UsageError(`piece length ${pieceLength} is not a power of two from ${min} to ${max} bytes`);
  }
  if (creationDate !== undefined && !(Number.isSafeInteger(creationDate) && creationDate >= 0))
    throw new UsageError(`creation date ${creationDate} is not a whole number of seconds since 1970`);
  for (const url of options.trackerTiers?.flat() ?? []) checkUrl(url, 'tracker', /^(https?|udp|wss?):$/);
  for (const url of options.webSeeds ?? []) checkUrl(url, 'web seed', /^(https?|ftp):$/);
}

function checkUrl(url: string, what: string, protocols: RegExp): void {
  const parsed = URL.parse(url);
  if (
    parsed === null ||
    !protocols.test(parsed.protocol) ||
    parsed.hostname === '' ||
    url.length > MAX_URL_CHARS
  )
    throw new UsageError(`${JSON.stringify(url)} is not the URL of a ${what}`);
}

function emptyHint(content: Content): string | undefined {
  return content.skipped.length === 0
    ? undefined
    : `left out: ${content.skipped.length} (${content.skipped[0]?.why}); tt create --all takes hidden files as well`;
}

/** What the limits of reading refuse is the content's fault; anything else is ours. */
function unreadable(what: string, bytes: number): Error {
  if (bytes > PARSE_LIMITS.maxTorrentBytes || / limit \d+/.test(what))
    return new OperationError('refused', `the torrent would not be readable: ${what}`);
  return new InvariantError(`created a torrent that cannot be read: ${what}`);
}
