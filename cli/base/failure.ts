// Turns whatever was thrown into a Failure with its exit reason. The only place that knows which error means which code.
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { ExitReason } from './exit-codes.ts';
import type { Failure } from './outcome.ts';

const DISK_CODES = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EIO',
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'ENOTEMPTY',
  'ENAMETOOLONG',
  'ELOOP',
  'EMFILE',
  'ENFILE',
  'EFBIG',
  'ENXIO',
  'EBUSY',
  'ETXTBSY',
]);

const NETWORK_CODES = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAFNOSUPPORT',
]);

function systemCodeOf(error: unknown): string | undefined {
  if (error instanceof OperationError) return error.code;
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function reasonOf(error: unknown, code: string | undefined): ExitReason {
  if (error instanceof UsageError) return 'usage';
  if (error instanceof OperationError) return error.slug;
  if (code !== undefined && DISK_CODES.has(code)) return 'disk';
  if (code !== undefined && NETWORK_CODES.has(code)) return 'network';
  if (code === 'ETIMEDOUT') return 'timeout';
  return 'unexpected';
}

const HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'Raise the limit with "ulimit -n", then run the same command again.',
  ENFILE: 'Close something, then run the same command again.',
  ENOSPC: 'Free some space, then run the same command again.',
};

/** @param error anything that was thrown; what is no error of ours is a bug (`unexpected`) */
export function failureOf(error: unknown): Failure {
  const code = systemCodeOf(error);
  const reason = reasonOf(error, code);
  const hint =
    error instanceof UsageError || error instanceof OperationError
      ? error.hint
      : reason === 'unexpected'
        ? 'This is a bug in tt. Run it again with -vv for a stack trace and report it.'
        : HINTS[code ?? ''];
  return {
    reason,
    message: error instanceof Error ? error.message : String(error),
    hint,
    code,
    stack: error instanceof Error ? stackOf(error) : undefined,
  };
}

function stackOf(error: Error): string | undefined {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return error.stack === undefined ? undefined : `${error.stack}${cause}`;
}
