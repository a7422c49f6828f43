// Fish completion: one `complete` line for each command and flag, guarded by what stands on the line already.
import type { CompletionEntry, CompletionFlag } from './tree.ts';

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** As `__tt_at` counts: each word of the path after a space; nothing for the program itself. */
function pathText(path: readonly string[]): string {
  return path.map((word) => ` ${word}`).join('');
}

function condition({ path }: CompletionEntry): string {
  return `"__tt_at '${pathText(path)}'"`;
}

/** Which command the words so far name; a value that looks like a command is none. */
function helper(entries: readonly CompletionEntry[]): string[] {
  const paths = entries.filter(({ path }) => path.length > 0).map(({ path }) => `'${pathText(path)}'`);
  return [
    'function __tt_at',
    "  set -l path ''",
    '  for word in (commandline -opc)[2..-1]',
    `    contains -- "$path $word" ${paths.join(' ')}`,
    '    and set path "$path $word"',
    '  end',
    '  test "$path" = "$argv[1]"',
    'end',
  ];
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
  return `complete -c tt -n ${condition(entry)} ${names.join(' ')}${value} -d ${quoted(flag.summary)}`;
}

export function fishScript(entries: readonly CompletionEntry[]): string {
  const lines = ['# fish completion for tt', ...helper(entries), 'complete -c tt -f'];
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
