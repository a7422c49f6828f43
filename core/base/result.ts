// The four kinds of error of this project, and the Result that decoders return for the first of them.

/** The remote sent nonsense. Decoders *return* it; it is counted, the sender pays, nothing is thrown. */
export interface Rejected {
  readonly what: string;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: Rejected };

export function accept<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** @param what one clause a person can read: what is wrong, where, which limit. */
export function reject(what: string): { readonly ok: false; readonly reason: Rejected } {
  return { ok: false, reason: { what } };
}

/** Why an operation ended: the slug in JSON results, mapped to an exit code by the cli. */
export type OperationSlug =
  | 'unexpected'
  | 'timeout'
  | 'unfinished'
  | 'verification-failed'
  | 'network'
  | 'bad-torrent'
  | 'disk'
  | 'refused';

/** Something outside failed (disk full, port taken): the torrent pauses, the process lives. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly slug: OperationSlug;
  /** errno name such as ENOSPC where there is one. */
  readonly code: string | undefined;
  /** What the user can do about it. */
  readonly hint: string | undefined;

  constructor(
    slug: OperationSlug,
    message: string,
    options: { code?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.slug = slug;
    this.code = options.code;
    this.hint = options.hint;
  }
}

/** Whatever was thrown, as something the outside world can be told; `unexpected` when nobody foresaw it. */
export function asOperationError(error: unknown): OperationError {
  if (error instanceof OperationError) return error;
  return new OperationError('unexpected', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}

/** The command line was wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A bug of ours: dump and crash. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
