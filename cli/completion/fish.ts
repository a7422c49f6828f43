// Fish completion: one `complete` line for each command and flag, guarded by what stands on the line already.
import type { CompletionEntry, CompletionFlag } from './tree.ts';

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function condition(entry: CompletionEntry): string {
  const seen = entry.path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const notYet =
    entry.children.length === 0
      ? []
      : [`not __fish_seen_subcommand_from ${entry.children.map((child) => child.name).join(' ')}`];
  return quoted([...seen, ...notYet].join('; and '));
}

function flagLine(entry: CompletionEntry, flag: CompletionFlag): string {
  const names = flag.names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const value = !flag.takesValue
    ? ''
    : flag.choices.length > 0
      ? ` -x -a ${quoted(flag.choices.join(' '))}`
      : flag.completes === undefined
        ? ' -x'
        : ' -r -F';
  const guard = entry.path.length === 0 ? '' : ` -n ${condition(entry)}`;
  return `complete -c tt${guard} ${names.join(' ')}${value} -d ${quoted(flag.summary)}`;
}

export function fishScript(entries: readonly CompletionEntry[]): string {
  const lines = ['# fish completion for tt', 'complete -c tt -f'];
  for (const entry of entries) {
    for (const child of entry.children) {
      lines.push(`complete -c tt -n ${condition(entry)} -a ${child.name} -d ${quoted(child.summary)}`);
    }
    for (const flag of entry.flags) lines.push(flagLine(entry, flag));
    const argument = entry.args[0];
    if (argument?.choices !== undefined) {
      lines.push(`complete -c tt -n ${condition(entry)} -a ${quoted(argument.choices.join(' '))}`);
    } else if (argument?.completes !== undefined) {
      lines.push(`complete -c tt -n ${condition(entry)} -F`);
    }
  }
  return `${lines.join('\n')}\n`;
}
