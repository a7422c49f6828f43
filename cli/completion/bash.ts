// Bash completion: one function, a case for each command path, files where a path is wanted.
import type { CompletionEntry, CompletionFlag } from './tree.ts';

function words(items: readonly string[]): string {
  return items.join(' ');
}

function valueCase(flag: CompletionFlag): string {
  const pattern = flag.names.join('|');
  if (flag.choices.length > 0) {
    return `      ${pattern}) COMPREPLY=($(compgen -W '${words(flag.choices)}' -- "$cur")); return ;;`;
  }
  if (flag.completes === 'directory')
    return `      ${pattern}) COMPREPLY=($(compgen -d -- "$cur")); return ;;`;
  if (flag.completes !== undefined) return `      ${pattern}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`;
  return `      ${pattern}) return ;;`;
}

function entryCase(entry: CompletionEntry): string {
  const withValue = entry.flags.filter((flag) => flag.takesValue);
  const choices = entry.args.flatMap((argument) => argument.choices ?? []);
  const names = [...entry.children.map((child) => child.name), ...choices];
  const lines = [`    '${entry.path.join(' ')}')`];
  if (withValue.length > 0) {
    lines.push('      case "$prev" in', ...withValue.map((flag) => `  ${valueCase(flag)}`), '      esac');
  }
  lines.push(
    `      flags='${words(entry.flags.flatMap((flag) => flag.names))}'`,
    `      names='${words(names)}'`,
    '      ;;',
  );
  return lines.join('\n');
}

export function bashScript(entries: readonly CompletionEntry[]): string {
  const paths = entries.filter((entry) => entry.path.length > 0).map((entry) => `'${entry.path.join(' ')}'`);
  return `# bash completion for tt
_tt() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local path='' flags='' names='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${entries.map(entryCase).join('\n')}
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n "$names" ]]; then
    COMPREPLY=($(compgen -W "$names" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _tt tt
`;
}
