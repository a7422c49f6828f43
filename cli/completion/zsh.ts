// Zsh completion: one function a command path, built on _arguments.
import type { CompletionEntry, CompletionFlag } from './tree.ts';

/** Inside single quotes, and inside the brackets or colons of _arguments. */
function quoted(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replace(/[[\]:]/g, '\\$&')
    .replaceAll("'", "'\\''");
}

function action(choices: readonly string[], completes: string | undefined): string {
  if (choices.length > 0) return `(${choices.join(' ')})`;
  if (completes === 'directory') return '_files -/';
  if (completes === 'torrent') return '_files -g "*.torrent"';
  return completes === undefined ? ' ' : '_files';
}

function flagSpecs(flag: CompletionFlag): string[] {
  const value = flag.takesValue ? `:value:${action(flag.choices, flag.completes)}` : '';
  // A long flag takes its value in the next word or after =.
  const equals = (name: string): string => (flag.takesValue && name.startsWith('--') ? '=' : '');
  return flag.names.map((name) => `'*${name}${equals(name)}[${quoted(flag.summary)}]${value}'`);
}

function functionName(path: readonly string[]): string {
  return ['_tt', ...path].join('_');
}

function functionOf(entry: CompletionEntry): string {
  const flags = entry.flags.flatMap(flagSpecs);
  if (entry.children.length > 0) {
    const names = entry.children.map((child) => `'${child.name}:${quoted(child.summary)}'`);
    return `${functionName(entry.path)}() {
  local curcontext="$curcontext" context state line
  local -a names=(${names.join(' ')})
  _arguments -C ${[...flags, "'1:command:->names'", "'*::argument:->rest'"].join(' \\\n    ')}
  case "$state" in
    names) _describe command names ;;
    rest) (( $+functions[${functionName(entry.path)}_\${line[1]}] )) && ${functionName(entry.path)}_\${line[1]} ;;
  esac
}`;
  }
  const args = entry.args.map((argument, i) => {
    const position = argument.isVariadic === true ? '*' : String(i + 1);
    const choices = argument.choices ?? [];
    const hasMatches = choices.length > 0 || argument.completes !== undefined;
    // An empty action would keep options from being offered in its place.
    const what = hasMatches ? action(choices, argument.completes) : '_guard "^-*" value';
    return `'${position}:${quoted(argument.name)}:${what}'`;
  });
  return `${functionName(entry.path)}() {
  _arguments ${[...flags, ...args].join(' \\\n    ')}
}`;
}

/** _arguments without any is a mistake. */
function isSomething({ children, flags, args }: CompletionEntry): boolean {
  return children.length + flags.length + args.length > 0;
}

export function zshScript(entries: readonly CompletionEntry[]): string {
  return `#compdef tt
${entries.filter(isSomething).map(functionOf).join('\n')}
if [ "$funcstack[1]" = "_tt" ]; then _tt "$@"; else compdef _tt tt; fi
`;
}
