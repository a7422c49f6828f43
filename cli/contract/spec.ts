// What a command is, as data: the parser, the help, the completions and the tests are all made from this tree.

import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from './context.ts';

/** What the shell may offer for a value. */
export type CompletionKind = 'file' | 'directory' | 'torrent';

export interface FlagSpec {
  /** `-o, --out <dir>`, `--json`, `--no-pex`. */
  readonly flags: string;
  readonly summary: string;
  /** May be given several times; the values are collected in order. */
  readonly repeat?: boolean;
  /** May be given several times; only how often matters. */
  readonly counts?: boolean;
  /** Takes every word up to a lone `;` or the end of the line, dashes and all. */
  readonly takesRest?: boolean;
  readonly choices?: readonly string[];
  readonly completes?: CompletionKind;
  readonly isHidden?: boolean;
}

export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
  readonly isOptional?: boolean;
  readonly isVariadic?: boolean;
  /** Text that is no name of anything. */
  readonly mayBeEmpty?: boolean;
  readonly choices?: readonly string[];
  readonly completes?: CompletionKind;
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly FlagSpec[];
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Heading in the list of commands. */
  readonly group?: string;
  /** Paragraphs below the summary in the command's own help. */
  readonly details?: string;
  readonly args?: readonly ArgumentSpec[];
  readonly flagGroups?: readonly FlagGroup[];
  readonly examples?: readonly (readonly [commandLine: string, meaning: string])[];
  readonly commands?: readonly CommandSpec[];
  /** Imports the command only when it runs, so that `--help` stays quick. */
  readonly load?: () => Promise<CommandModule>;
}

interface CommandModule {
  run(context: CommandContext): Promise<Outcome>;
}
