// Opening a torrent on disk: locks, the last journal judged against the files as they are, the entry for `tt list`.
import { lstatSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { composeDict, encodeBencode } from '../base/bencode-encode.ts';
import { Bitfield } from '../base/bitfield.ts';
import { toHex, utf8 } from '../base/bytes.ts';
import { type Log, silentLog } from '../base/log.ts';
import { OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import { diskOperationError, errnoOf } from './disk-error.ts';
import { FileLooks } from './file-looks.ts';
import { FileMap } from './file-map.ts';
import { encodeSnapshot, type JournalIdentity, loadJournal } from './journal.ts';
import { JournalState } from './journal-state.ts';
import { bootId, type Lock, takeLock, targetLockPath } from './lock.ts';
import { ownedFiles } from './ownership.ts';
import { type ResumePaths, resumePaths, writeResumeEntry } from './resume-state.ts';
import { scanFiles } from './scan.ts';
import { type StoreConfig, storeConfigOf } from './store-config.ts';
import { type Circumstances, type FileLook, judge } from './trust.ts';

export interface PlaceOptions {
  readonly metainfo: Metainfo;
  /** Files go below here. Need not exist. */
  readonly directory: string;
  /** For a file or folder on disk whose name differs from the torrent's. */
  readonly rename?: string;
  readonly stateDir: string;
  /** Seed what lies there: no file is made or written; the journal is kept all the same. */
  readonly readOnly?: boolean;
  /** Ignore what the journal vouches for: `needsCheck` is then everything that lies on disk. */
  readonly recheck?: boolean;
  /** What lies there may be written over, whoever put it there. */
  readonly overwrite?: boolean;
  /** How each file looked when this process hashed all of it and found it good, by file index: stronger than a journal. */
  readonly hashed?: readonly Exclude<FileLook, undefined>[];
  /** A .torrent for `tt list` to start this again; default one made of the metainfo. */
  readonly torrentBytes?: Uint8Array;
  /** Kept for `tt list`. */
  readonly magnet?: string;
  readonly log?: Log;
}

/** Where everything of one torrent lies, locked for this process. */
export interface Place {
  readonly config: StoreConfig;
  readonly map: FileMap;
  readonly paths: ResumePaths;
  readonly identity: JournalIdentity;
  releaseLocks(): Promise<void>;
}

/** What was found there. */
export interface Found {
  readonly have: Bitfield;
  /** Data that nothing vouches for. */
  readonly unknown: Bitfield;
  /** File indices that live in the part file. */
  readonly inPart: Bitfield;
  /** File indices that are on disk. */
  readonly existing: Bitfield;
  /** Longer on disk than in the torrent. */
  readonly tooLong: Bitfield;
  /** Of these: longer than we ever left them as well. */
  readonly longer: Bitfield;
  readonly looks: FileLooks;
  /** Bytes on disk, of files that are there. */
  readonly sizes: ReadonlyMap<number, number>;
  /** File indices that the journal knows as ours. */
  readonly owned: Bitfield;
  /** How the journal starts now. */
  readonly snapshot: Uint8Array;
}

/** @throws OperationError `refused` when a living process has the torrent or the target, `disk`, `bad-torrent` */
export async function takePlace(options: PlaceOptions): Promise<Place> {
  const { metainfo, rename } = options;
  if (metainfo.pieceHashes.length !== metainfo.layout.pieceCount * 20) {
    throw new OperationError('bad-torrent', `${metainfo.name} has no v1 piece hashes`, {
      hint: 'v2-only torrents cannot be stored yet',
    });
  }
  const directory = await realDirectory(options.directory);
  const paths = resumePaths(resolve(options.stateDir), toHex(metainfo.infoHash));
  const config = storeConfigOf(metainfo, directory, rename, paths.part);
  const lock = await takeLock(paths.lock, `the torrent ${metainfo.name}`);
  let targetLock: Lock | undefined;
  try {
    if (options.readOnly !== true) targetLock = await takeTargetLock(config, options.log ?? silentLog);
  } catch (error) {
    await lock.release();
    throw error;
  }
  const { infoHash, layout, files } = metainfo;
  return {
    config,
    map: new FileMap(config),
    paths,
    identity: { infoHash, pieceCount: layout.pieceCount, fileCount: files.length },
    releaseLocks: async () => {
      await targetLock?.release();
      await lock.release();
    },
  };
}

/** @param wanted by file index @throws OperationError `disk` */
export async function examine(
  place: Place,
  options: PlaceOptions,
  wanted: readonly boolean[],
): Promise<Found> {
  const { config, map, identity } = place;
  const looks = await scanFiles(config, options.readOnly === true);
  const loaded = await loadState(place);
  const existing = new Bitfield(config.files.length);
  const tooLong = new Bitfield(config.files.length);
  const longer = new Bitfield(config.files.length);
  const sizes = new Map<number, number>();
  const inPart = new Bitfield(config.files.length);
  const now = { bootId: bootId(), root: rootOf(config) };
  const owned = ownedFiles(map, loaded, looks, now, (file) => bornMs(config, file));
  config.files.forEach((file, index) => {
    const look = looks[index];
    if (look !== undefined) {
      existing.set(index);
      sizes.set(index, look.size);
      const leftBytes = owned.has(index) ? (loaded?.stamps.get(index)?.size ?? 0) : 0;
      if (look.size > file.length) tooLong.set(index);
      if (look.size > Math.max(file.length, leftBytes)) longer.set(index);
    }
    const holdsBytes = file.kind === 'file' && file.length > 0;
    // The journal may be about another folder, where this file was not wanted; and since then somebody else may have put it
    // here. What lies here is looked at first; of our own we know that it is not all here yet.
    const isHere =
      look !== undefined &&
      (loaded?.root !== now.root ||
        options.readOnly === true ||
        (wanted[index] === true && !owned.has(index)));
    const wasInPart = loaded?.inPart.has(index) === true && !isHere;
    if (holdsBytes && (wasInPart || (wanted[index] === false && look === undefined))) inPart.set(index);
  });
  const known = options.hashed === undefined ? loaded : hashedState(identity, options.hashed, now);
  const state = options.recheck === true ? undefined : known;
  const trust = judge(config, map, inPart, state, looks, now);
  for (const file of trust.changedFiles) {
    options.log?.(
      'info',
      `${config.files[file]?.path ?? 'the part file'} changed since the last run: checking it again`,
    );
  }
  const next = new JournalState(identity.pieceCount, identity.fileCount);
  next.apply({ kind: 'open', ...now }, Date.now());
  next.apply({ kind: 'have', bits: trust.have.bytes }, Date.now());
  next.durable = trust.durable;
  next.unchecked = trust.unknown.clone();
  next.inPart = inPart;
  // Files that hold nothing yet but unfinished pieces stay ours as well.
  for (let file = 0; file < owned.size; file++) {
    const look = looks[file];
    if (look !== undefined && owned.has(file)) next.stamps.set(file, { file, ...look });
  }
  for (const file of filesOf(map, trust.have, inPart, config.files.length)) {
    const look = looks[file] as Exclude<FileLook, undefined>;
    const stamp = { file, ...look };
    next.stamps.set(file, stamp);
    const flushed = loaded?.durableStamps.get(file);
    if (loaded?.bootId !== now.bootId) next.durableStamps.set(file, stamp);
    else if (flushed !== undefined) next.durableStamps.set(file, flushed);
  }
  const seen = new FileLooks(config.files.length);
  seen.setAll(looks);
  return {
    looks: seen,
    have: trust.have,
    unknown: trust.unknown,
    inPart,
    existing,
    tooLong,
    longer,
    sizes,
    owned,
    snapshot: encodeSnapshot(identity, next, Date.now()).bytes,
  };
}

/** What a journal would say had it seen the hashing. */
function hashedState(
  { pieceCount, fileCount }: JournalIdentity,
  looks: readonly Exclude<FileLook, undefined>[],
  now: Circumstances,
): JournalState {
  const state = new JournalState(pieceCount, fileCount);
  state.apply({ kind: 'open', ...now }, Date.now());
  for (let piece = 0; piece < pieceCount; piece++) state.have.set(piece);
  for (const [file, look] of looks.entries()) state.stamps.set(file, { file, ...look });
  return state;
}

/** @returns a function that puts the list back to what it was. @throws OperationError `disk` */
export async function rememberTorrent(place: Place, options: PlaceOptions): Promise<() => Promise<void>> {
  const { metainfo, rename, magnet } = options;
  const entry = {
    version: 1,
    name: metainfo.name,
    directory: place.config.directory,
    ...(rename === undefined ? {} : { rename }),
    ...(magnet === undefined ? {} : { magnet }),
    totalLength: metainfo.layout.totalLength,
    pieceCount: metainfo.layout.pieceCount,
    fileCount: metainfo.files.length,
    addedAtMs: Date.now(),
  } as const;
  return writeResumeEntry(place.paths, entry, options.torrentBytes ?? torrentOf(metainfo));
}

/** Files that hold a byte of these pieces; the part file stands for those that live there. */
function filesOf(map: FileMap, pieces: Bitfield, inPart: Bitfield, fileCount: number): Set<number> {
  const files = new Set<number>();
  for (let piece = 0; piece < pieces.size; piece++) {
    if (!pieces.has(piece)) continue;
    for (const file of map.filesOfPiece(piece)) files.add(inPart.has(file) ? fileCount : file);
  }
  return files;
}

function bornMs(config: StoreConfig, file: number): number {
  const path = join(config.directory, config.files[file]?.path ?? '');
  return lstatSync(path, { throwIfNoEntry: false })?.birthtimeMs ?? Number.POSITIVE_INFINITY;
}

/** The one file or folder that everything of the torrent lies in. */
function rootOf(config: StoreConfig): string {
  return join(config.directory, config.files[0]?.path.split(sep)[0] ?? '');
}

async function loadState(place: Place): Promise<JournalState | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(place.paths.journal);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw diskOperationError(error, 'read the resume journal', place.paths.journal);
  }
  return loadJournal(bytes, place.identity)?.state;
}

async function realDirectory(directory: string): Promise<string> {
  const absolute = resolve(directory);
  try {
    return await realpath(absolute);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return absolute;
    throw diskOperationError(error, 'use', absolute);
  }
}

/** Two torrents, or two state directories, must not write the same files. Where no lock can be kept, go on without. */
async function takeTargetLock(config: StoreConfig, log: Log): Promise<Lock | undefined> {
  const target = rootOf(config);
  try {
    return await takeLock(targetLockPath(target), target);
  } catch (error) {
    if (error instanceof OperationError && error.slug === 'refused') throw error;
    log('warn', `no lock for ${target}: two programs could write there at once`, { error: String(error) });
    return undefined;
  }
}

/** Enough to start again: the info as found, trackers, web seeds. */
function torrentOf(metainfo: Metainfo): Uint8Array {
  const pairs: [Uint8Array, Uint8Array][] = [[utf8('info'), metainfo.infoBytes]];
  const { trackerTiers, webSeeds } = metainfo;
  const first = trackerTiers[0]?.[0];
  if (first !== undefined) {
    pairs.push([utf8('announce'), encodeBencode(first)]);
    pairs.push([utf8('announce-list'), encodeBencode(trackerTiers)]);
  }
  if (webSeeds.length > 0) pairs.push([utf8('url-list'), encodeBencode(webSeeds)]);
  return composeDict(pairs);
}
