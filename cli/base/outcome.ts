// What every command hands back: why it ended, the lines for a person, the object for a program.
import type { ExitReason } from './exit-codes.ts';

export interface Outcome {
  readonly reason: ExitReason;
  /** For stdout; control characters are already escaped (terminal/text.ts). Empty: nothing to print. */
  readonly text: string;
  /** Joined into the `tt/1` object. */
  readonly data: Readonly<Record<string, unknown>>;
  /** What went wrong, when the command did its work and the answer is bad; printed to stderr. */
  readonly failure?: Failure;
}

/** An error, told: what was tried on which value and why it failed, then what to do. */
export interface Failure {
  readonly reason: ExitReason;
  readonly message: string;
  readonly hint: string | undefined;
  /** errno name where there is one. */
  readonly code: string | undefined;
  readonly stack: string | undefined;
}

export function done(text: string, data: Readonly<Record<string, unknown>>): Outcome {
  return { reason: 'done', text, data };
}
