// The command tree flattened for shells: one entry for each command path, with its flags and what their values may be.
import type { ArgumentSpec, CommandSpec, CompletionKind, FlagGroup } from '../contract/spec.ts';

export interface CompletionFlag {
  /** `-o`, `--out`: every spelling. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly completes: CompletionKind | undefined;
}

export interface CompletionEntry {
  /** Words after `tt`; empty for the program itself. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly children: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly CompletionFlag[];
  readonly args: readonly ArgumentSpec[];
}

const HELP: CompletionFlag = {
  names: ['-h', '--help'],
  summary: 'show this help',
  takesValue: false,
  choices: [],
  completes: undefined,
};

export function completionEntries(program: CommandSpec, common: FlagGroup): readonly CompletionEntry[] {
  const visit = (spec: CommandSpec, path: readonly string[]): CompletionEntry[] => {
    const children = spec.commands ?? [];
    const listed = children.map(({ name, summary }) => ({ name, summary }));
    const entry: CompletionEntry = {
      path,
      summary: spec.summary,
      children: path.length === 0 ? [...listed, { name: 'help', summary: 'help for a command' }] : listed,
      flags: [...flagsOf([...(spec.flagGroups ?? []), common]), HELP],
      args: spec.args ?? [],
    };
    return [entry, ...children.flatMap((child) => visit(child, [...path, child.name]))];
  };
  const entries = visit(program, []);
  /** `tt help` takes the words of a command, and nothing after them. */
  const help = (spec: CommandSpec, path: readonly string[]): CompletionEntry[] => [
    {
      path,
      summary: 'help for a command',
      children: (spec.commands ?? []).map(({ name, summary }) => ({ name, summary })),
      flags: [],
      args: [],
    },
    ...(spec.commands ?? []).flatMap((child) => help(child, [...path, child.name])),
  ];
  return [...entries, ...help(program, ['help'])];
}

function flagsOf(groups: readonly FlagGroup[]): CompletionFlag[] {
  return groups
    .flatMap((group) => group.flags)
    .filter((flag) => flag.isHidden !== true)
    .map((flag) => ({
      names: flag.flags.match(/(?<=^|[ ,])--?[a-z0-9-]+/gi) ?? [],
      summary: flag.summary,
      takesValue: flag.flags.includes('<'),
      choices: flag.choices ?? [],
      completes: flag.completes,
    }));
}
