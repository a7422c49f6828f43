// What the main thread and a disk thread say to each other. Payload never travels: only where it lies.
import type { DiskFault } from './disk-error.ts';
import type { FileStamp } from './journal-state.ts';
import type { JournalStart } from './journal-writer.ts';
import type { Chunk } from './slots.ts';
import type { StoreConfig } from './store-config.ts';

/** piece, segment, slot, chunk id, offset in the chunk, length, 1 when block digests are wanted. */
export const NUMBERS_PER_COMMIT = 7;

/** slot, status. */
export const NUMBERS_PER_OUTCOME = 2;

export const STATUS = { written: 0, ok: 1, bad: 2 } as const;

/** By file index. */
export interface OpenStore {
  readonly config: StoreConfig;
  readonly wanted: readonly boolean[];
  /** Bitfields over the files. */
  readonly inPart: Uint8Array;
  readonly existing: Uint8Array;
  readonly journal: JournalStart;
}

export type Operation =
  | { readonly op: 'open'; readonly options: OpenStore }
  /** Pieces found good and bad by a check, and how their files looked before it. */
  | {
      readonly op: 'record';
      readonly good: readonly number[];
      readonly bad: readonly number[];
      readonly stamps: readonly FileStamp[];
    }
  /** Segments that a dead thread wrote. */
  | { readonly op: 'adopt'; readonly piece: number; readonly segments: readonly number[] }
  | { readonly op: 'prepare' }
  | { readonly op: 'finish'; readonly files: readonly number[] }
  /** `later`: files that are to follow; there must be room for all. */
  | { readonly op: 'preallocate'; readonly file: number; readonly later: readonly number[] }
  /** Answers with the file when its bytes live in the part file from now on. */
  | { readonly op: 'select'; readonly file: number; readonly wanted: boolean }
  /** What lies in their places is somebody else's: the bytes of these unwanted files go to the part file. */
  | { readonly op: 'set-aside'; readonly files: readonly number[] }
  /** Answers with the files to flush. */
  | { readonly op: 'mark' }
  | { readonly op: 'synced' }
  | { readonly op: 'retry' }
  /** @param sync flush the journal itself too */
  | { readonly op: 'close'; readonly sync: boolean };

export type ToThread =
  | {
      readonly kind: 'commit';
      readonly store: number;
      /** Chunks this thread has not seen. */
      readonly chunks: readonly Chunk[];
      readonly numbers: readonly number[];
    }
  | { readonly kind: 'forget'; readonly chunks: readonly number[] }
  | { readonly kind: 'call'; readonly store: number; readonly id: number; readonly operation: Operation };

export interface OutcomesMessage {
  readonly kind: 'outcomes';
  readonly store: number;
  /** To a commit message; else what a retry brought up. */
  readonly isAnswer: boolean;
  readonly numbers: readonly number[];
  readonly digests: readonly (readonly [slot: number, digests: Uint8Array])[];
  /** Slots of commits that wait for `retry`; to be committed again after it. */
  readonly undone: readonly number[];
  readonly fault: DiskFault | undefined;
  /** Spent on hashing what the message reports. */
  readonly hashMs: number;
}

export type FromThread =
  | OutcomesMessage
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly files: readonly number[];
      readonly fault: DiskFault | undefined;
    };
