// Which files on disk a journal knows as ours, whatever has become of their content since. Pure.
import { Bitfield } from '../base/bitfield.ts';
import type { FileMap } from './file-map.ts';
import type { JournalState } from './journal-state.ts';
import type { Circumstances, FileLook } from './trust.ts';

/** A journal's last record follows the making of a file by less than this. */
const GRACE_MS = 1_000;

/**
 * A file is ours when it looks as we left it; when it is the same file in the same place, changed since (an inode that was
 * given to a younger file does not count); or when a batch of writes to it was broken off.
 * @param looks by file index; the part file comes last
 * @param bornMs when the file was made, milliseconds since 1970; asked for few
 */
export function ownedFiles(
  map: FileMap,
  state: JournalState | undefined,
  looks: readonly FileLook[],
  now: Circumstances,
  bornMs: (file: number) => number,
): Bitfield {
  const owned = new Bitfield(looks.length - 1);
  if (state === undefined) return owned;
  const isSamePlace = state.root === now.root;
  const touched = new Set<number>();
  if (isSamePlace) {
    for (const piece of state.openIntent?.pieces ?? []) {
      for (const file of map.filesOfPiece(piece)) if (!state.inPart.has(file)) touched.add(file);
    }
  }
  for (let file = 0; file < owned.size; file++) {
    const look = looks[file];
    if (look === undefined) continue;
    const last = state.stamps.get(file);
    const isSameInode = last?.inode === look.inode;
    const isUnchanged = last !== undefined && look.size === last.size && look.mtimeNs === last.mtimeNs;
    const isOurs =
      touched.has(file) ||
      (isUnchanged && (isSameInode || isSamePlace)) ||
      (isSameInode && isSamePlace && bornMs(file) <= state.lastTimeMs + GRACE_MS);
    if (isOurs) owned.set(file);
  }
  return owned;
}
