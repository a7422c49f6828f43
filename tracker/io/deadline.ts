// One bounded wait: a signal that fires when the caller gives up or the time is over, and says which of the two it was.
import { OperationError } from '../../core/base/result.ts';
import { oneLine } from '../messages.ts';

export interface Deadline {
  readonly signal: AbortSignal;
  /** Why the signal fired; a plain sentence for the person. */
  reason(): OperationError;
  /** To be called when the work is over, whatever the outcome: no timer outlives its work. */
  clear(): void;
}

/** @param what is waited for, as it stands in the reason. @param outer ends it earlier, as stopped */
export function startDeadline(timeoutMs: number, what: string, outer?: AbortSignal): Deadline {
  const controller = new AbortController();
  const onOuter = (): void => controller.abort(stopped());
  const timer = setTimeout(() => controller.abort(timedOut(what, timeoutMs)), timeoutMs);
  if (outer?.aborted === true) onOuter();
  else outer?.addEventListener('abort', onOuter, { once: true });
  return {
    signal: controller.signal,
    reason: () => controller.signal.reason as OperationError,
    clear: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onOuter);
    },
  };
}

/** Settles as `work` does, or rejects with the signal's reason, whichever is first; `work` itself is not ended by it. */
export function raceSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function timedOut(what: string, timeoutMs: number): OperationError {
  return new OperationError('timeout', `${what} within ${secondsText(timeoutMs)}`, { code: 'ETIMEDOUT' });
}

function stopped(): OperationError {
  return new OperationError('unfinished', 'stopped');
}

function secondsText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}

/** The one line to show for anything that was thrown on the way to a tracker. */
export function failureText(error: unknown): string {
  if (error instanceof OperationError) return error.message;
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const known = code === undefined ? undefined : KNOWN_CODES[code];
  if (known !== undefined) return known;
  return oneLine(error instanceof Error && error.message !== '' ? error.message : String(code ?? error));
}

const KNOWN_CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed before the reply was complete',
  EPIPE: 'connection closed before the reply was complete',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no local address of that family',
  EAFNOSUPPORT: 'no local address of that family',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name look-up failed (no answer from DNS)',
  EPROTO: 'TLS failed: the server may not speak it',
  HPE_HEADER_OVERFLOW: 'reply headers too large',
  ERR_BUFFER_TOO_LARGE: 'compressed reply too large',
};
