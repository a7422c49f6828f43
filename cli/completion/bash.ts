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
  if (flag.completes === 'directory') return `      ${pattern}) _tt_paths -d; return ;;`;
  if (flag.completes !== undefined) return `      ${pattern}) _tt_paths -f; return ;;`;
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
  // Readline makes three words of --flag=value. A path may hold blanks: one a line.
  return `# bash completion for tt
_tt_paths() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")
}
_tt() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local path='' flags='' names='' value='' word i
  if [[ "$cur" == = ]]; then value=1; cur=''
  elif [[ "$prev" == = ]]; then value=1; prev="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${entries.map(entryCase).join('\n')}
  esac
  if [[ -n "$value" ]]; then return; fi
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n "$names" ]]; then
    COMPREPLY=($(compgen -W "$names" -- "$cur"))
  elif [[ "$path" != help* ]]; then
    _tt_paths -f
  fi
}
complete -o filenames -F _tt tt
`;
}
