// The help of the whole program: commands first, by group, then what every command understands, then the exit codes.
import { EXIT_CODES } from './base/exit-codes.ts';
import type { CommandSpec, FlagGroup } from './contract/spec.ts';
import { formatTable } from './terminal/table.ts';

const INDENT = '  ';

function listed(rows: readonly (readonly [string, string])[]): string[] {
  return formatTable([{ title: '' }, { title: '' }], rows)
    .slice(1)
    .map((line) => INDENT + line);
}

function commandRows(spec: CommandSpec): (readonly [string, string])[] {
  if (spec.commands === undefined) return [[spec.name, spec.summary]];
  return spec.commands.map((child) => [`${spec.name} ${child.name}`, child.summary] as const);
}

function exitCodeRows(): (readonly [string, string])[] {
  return Object.entries(EXIT_CODES).map(([slug, { code, meaning }]) => {
    // The slug is what JSON says: name it where the meaning does not begin with it.
    const text = meaning.startsWith(slug.replaceAll('-', ' ')) ? meaning : `${slug}: ${meaning}`;
    return [String(code).padStart(3), text] as const;
  });
}

export function rootHelp(program: CommandSpec, common: FlagGroup): string {
  const commands = program.commands ?? [];
  const groups = [...new Set(commands.map((command) => command.group ?? ''))];
  const commandList = groups.flatMap((group) => [
    '',
    `${group}:`,
    ...listed(commands.filter((command) => command.group === group).flatMap(commandRows)),
  ]);
  return [
    `Usage: ${program.name} <command> [options]`,
    '',
    program.summary,
    ...commandList,
    '',
    'Every command understands:',
    ...listed([
      ...common.flags.map((flag) => [flag.flags, flag.summary] as const),
      ['-h, --help', 'help for the command, with examples; also: tt help COMMAND'],
      ['-V, --version', 'the version of tt'],
    ]),
    '',
    'Exit codes (the name is "reason" in JSON; of several inputs the highest code wins):',
    ...listed(exitCodeRows()),
    '',
    'Files: $XDG_CONFIG_HOME/tt/config.toml, $XDG_STATE_HOME/tt, $XDG_CACHE_HOME/tt; TT_HOME moves all.',
    'Begin with "tt demo": it needs no network.',
  ].join('\n');
}
