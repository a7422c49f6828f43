// What a command is, as data: the parser, the help, the completions and the tests are all made from this tree.
import type { CommandContext } from './context.ts';
import type { Outcome } from './outcome.ts';

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

export type FlagValue = string | boolean | number | readonly string[];

/** Flags as typed, by camel-case name; a flag nobody typed is absent. */
export class Flags {
  private readonly values: ReadonlyMap<string, FlagValue>;

  constructor(values: ReadonlyMap<string, FlagValue>) {
    this.values = values;
  }

  text(name: string): string | undefined {
    const value = this.values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.values.get(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  /** true for `--x`, false for `--no-x`, undefined when neither was typed. */
  choice(name: string): boolean | undefined {
    const value = this.values.get(name);
    return typeof value === 'boolean' ? value : undefined;
  }

  isOn(name: string): boolean {
    return this.choice(name) === true;
  }

  count(name: string): number {
    const value = this.values.get(name);
    return typeof value === 'number' ? value : 0;
  }
}
