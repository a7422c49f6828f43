// Turns errno into one line a person can act on, and carries it across threads.
import { OperationError } from '../base/result.ts';

/** What a thread reports: plain data. */
export interface DiskFault {
  /** errno name; our own for what is not an errno: EUNSAFE (a link leads out), ENOTFILE, ESHORT, ECHANGED, ETHREAD. */
  readonly code: string;
  readonly path: string;
  /** Completes "cannot ... PATH". */
  readonly action: string;
}

interface Explanation {
  readonly text: string;
  readonly hint?: string;
}

/** What was verified stays so: nothing is fetched twice. */
const THEN_RESUME = 'then run the same command again';

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOSPC: { text: 'no space left on the disk', hint: `free some space, ${THEN_RESUME}` },
  EDQUOT: { text: 'the disk quota is used up', hint: `free some space, ${THEN_RESUME}` },
  EFBIG: { text: 'the file is larger than this file system allows', hint: 'choose another disk' },
  EIO: {
    text: 'the disk reports an input/output error',
    hint: `check the disk and its cable, ${THEN_RESUME}`,
  },
  ENODEV: { text: 'the disk is gone', hint: `plug it in again, ${THEN_RESUME}` },
  ENXIO: { text: 'the disk is gone', hint: `plug it in again, ${THEN_RESUME}` },
  ENOENT: {
    text: 'it is not there any more',
    hint: 'plug the disk in again or put the file back, then run the same command again; a download fetches what is missing',
  },
  ESHORT: {
    text: 'it is shorter than it was',
    hint: 'somebody cut it: put it back as it was, or let "tt download" fetch what is missing',
  },
  ECHANGED: {
    text: 'somebody else wrote to it, and it does not match the torrent any more',
    hint: 'put it back as it was, or move it away and let "tt download" fetch it anew',
  },
  EROFS: { text: 'the file system is read-only', hint: 'choose another folder, or mount it writable' },
  EACCES: { text: 'permission denied', hint: 'change the permissions, or choose another folder' },
  EPERM: { text: 'not permitted', hint: 'change the permissions, or choose another folder' },
  EISDIR: { text: 'a folder lies where a file should be', hint: 'move it away, or choose another folder' },
  ENOTDIR: { text: 'a file lies where a folder should be', hint: 'move it away, or choose another folder' },
  EEXIST: { text: 'something else lies there already', hint: 'move it away, or choose another folder' },
  ENOTFILE: { text: 'it is no ordinary file', hint: 'move it away, or choose another folder' },
  ENAMETOOLONG: { text: 'the name is too long for this file system', hint: 'choose a shorter folder' },
  EMFILE: {
    text: 'too many open files',
    hint: 'raise the limit with "ulimit -n", then run the same command again',
  },
  ENFILE: { text: 'too many open files on this machine', hint: `close something, ${THEN_RESUME}` },
  EUNSAFE: {
    text: 'a symbolic link lies on the way, and links are not followed when writing',
    hint: 'give the real folder, or move the link away',
  },
  ELOOP: {
    text: 'a symbolic link lies there, and links are not followed when writing',
    hint: 'give the real folder, or move the link away',
  },
};

/** Thrown inside storage; becomes an OperationError at its edge. */
export class DiskFaultError extends Error {
  override readonly name = 'DiskFaultError';
  readonly fault: DiskFault;

  constructor(fault: DiskFault, cause?: unknown) {
    super(`${fault.code}: cannot ${fault.action} ${fault.path}`, { cause });
    this.fault = fault;
  }
}

export function errnoOf(error: unknown): string | undefined {
  if (error instanceof DiskFaultError) return error.fault.code;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** @throws `error` itself when it is not of the disk's making: a bug must not look like a full disk */
export function faultOf(error: unknown, action: string, path: string): DiskFault {
  if (error instanceof DiskFaultError) return error.fault;
  const code = errnoOf(error);
  if (code === undefined) throw error;
  return { code, path, action };
}

export function operationErrorOf(fault: DiskFault, cause?: unknown): OperationError {
  const known = EXPLANATIONS[fault.code];
  const text = known?.text ?? 'the disk says no';
  return new OperationError('disk', `cannot ${fault.action} ${fault.path}: ${text} (${fault.code})`, {
    code: fault.code,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** For async code on the main thread. */
export function diskOperationError(
  error: unknown,
  action: string,
  path: string,
  hint?: string,
): OperationError {
  if (error instanceof OperationError) return error;
  const said = operationErrorOf(faultOf(error, action, path), error);
  return hint === undefined
    ? said
    : new OperationError('disk', said.message, { code: said.code as string, hint, cause: error });
}
