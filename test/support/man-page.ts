// The command tree as a manual page in roff (man(7)): the same words as `--help`, in the order people know.
import { EXIT_CODES } from '../../cli/base/exit-codes.ts';
import type { CommandSpec, FlagGroup, FlagSpec } from '../../cli/contract/spec.ts';
import { NETWORK_FLAGS } from '../../cli/flags.ts';

/** Text that roff prints as it is: no escapes, no requests, hyphens that can be searched for and pasted. */
export function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .split('\n')
    .map((line) => (line.startsWith('.') ? `\\&${line}` : line))
    .join('\n');
}

/** `-o, --out <dir>`: names bold, the value in italics. */
function flagTerm({ flags }: FlagSpec): string {
  return flags
    .split(/(<[^>]+>)/)
    .map((part) => {
      if (part.startsWith('<')) return `\\fI${roff(part.slice(1, -1))}\\fR`;
      return part.replace(/--?[a-zA-Z0-9][a-zA-Z0-9-]*/g, (name) => `\\fB${roff(name)}\\fR`);
    })
    .join('');
}

function flagLines(flags: readonly FlagSpec[]): string[] {
  return flags
    .filter((flag) => flag.isHidden !== true)
    .flatMap((flag) => {
      const choices = flag.choices === undefined ? '' : ` (${flag.choices.join(', ')})`;
      return ['.TP', flagTerm(flag), roff(`${flag.summary}${choices}.`)];
    });
}

function synopsis(path: readonly string[], spec: CommandSpec): string {
  const args = (spec.args ?? []).map((argument) => {
    const dots = argument.isVariadic === true ? '...' : '';
    const name = `\\fI${roff(argument.name)}\\fR${dots}`;
    return argument.isOptional === true ? `[${name}]` : name;
  });
  return [`\\fB${path.map(roff).join(' ')}\\fR`, '[\\fIoptions\\fR]', ...args].join(' ');
}

function sentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}

function commandLines(path: readonly string[], spec: CommandSpec): string[] {
  if (spec.commands !== undefined) {
    return spec.commands.flatMap((child) => commandLines([...path, child.name], child));
  }
  const summary = `${spec.summary[0]?.toUpperCase()}${spec.summary.slice(1)}`;
  const lines = [
    `.SS ${path.slice(1).map(roff).join(' ')}`,
    synopsis(path, spec),
    '.PP',
    roff(sentence(summary)),
  ];
  if (spec.details !== undefined) {
    for (const paragraph of spec.details.split('\n\n')) {
      const isCode = paragraph.split('\n').every((line) => line.startsWith('  '));
      if (isCode) lines.push('.PP', '.nf', roff(paragraph), '.fi');
      else lines.push('.PP', roff(paragraph));
    }
  }
  for (const argument of spec.args ?? []) {
    lines.push('.TP', `\\fI${roff(argument.name)}\\fR`, roff(sentence(argument.summary)));
  }
  for (const group of spec.flagGroups ?? []) {
    // What most commands on the network share stands once, below; a relay has a few of its own instead.
    if (group === NETWORK_FLAGS) lines.push('.PP', 'And the options of \\(lqNetwork options\\(rq below.');
    else lines.push(...flagLines(group.flags));
  }
  const examples = spec.examples ?? [];
  if (examples.length > 0) lines.push('.PP', examples.length === 1 ? 'Example:' : 'Examples:');
  for (const [line, meaning] of examples) lines.push('.TP', `\\fB${roff(line)}\\fR`, roff(sentence(meaning)));
  return lines;
}

const FILES = [
  [
    '$XDG_CONFIG_HOME/tt/config.toml',
    'Settings; "tt config" shows all of them, their values and where each comes from.',
  ],
  ['$XDG_STATE_HOME/tt/', 'What is needed to go on with a download.'],
  ['$XDG_CACHE_HOME/tt/', 'Nodes of the DHT; can be deleted.'],
] as const;

const ENVIRONMENT = [
  ['TT_HOME', 'One folder for all the files above.'],
  ['TT_*', 'A variable for each setting: TT_UP_LIMIT=2M. Flags count more, the file less.'],
  ['NO_COLOR, FORCE_COLOR', 'No colour, or colour even without a terminal.'],
  ['CI', 'No full screen.'],
  ['COLUMNS', 'Width of help and progress lines.'],
  ['TERM', 'Empty or dumb: neither colour nor screen.'],
  ['LC_ALL, LC_CTYPE, LANG', 'The first that is set: without UTF-8 a terminal gets ASCII only.'],
] as const;

/** @param common flags that every command has */
export function manPage(program: CommandSpec, common: FlagGroup, version: string): string {
  const commands = program.commands ?? [];
  const terms = (rows: readonly (readonly [string, string])[]): string[] =>
    rows.flatMap(([name, meaning]) => ['.TP', `\\fB${roff(name)}\\fR`, roff(sentence(meaning))]);
  const lines = [
    '.\\" Made from the command tree by npm run docs: edits belong there.',
    `.TH TT 1 "" "tt ${roff(version)}" "User Commands"`,
    '.SH NAME',
    `tt \\- ${roff('a BitTorrent client for the command line, with its own DHT')}`,
    '.SH SYNOPSIS',
    '\\fBtt\\fR \\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]',
    '.br',
    '\\fBtt help\\fR \\fIcommand\\fR',
    '.SH DESCRIPTION',
    roff(
      'tt downloads, shares, makes and checks torrents, and looks into trackers and the Mainline DHT. Results go to stdout, everything else to stderr; on a terminal a full screen shows what is going on, and ? in it lists the keys.',
    ),
    '.PP',
    roff('Sizes and rates: 10M and 10MiB are 10 x 2^20, 10MB is 10 x 10^6. Times: 30, 30s, 5m, 1h30m.'),
    '.SH COMMANDS',
    ...commands.flatMap((command) => commandLines([program.name, command.name], command)),
    '.SH OPTIONS OF EVERY COMMAND',
    ...flagLines(common.flags),
    ...terms([
      ['-h, --help', 'Help for the command, with examples'],
      ['-V, --version', 'The version of tt'],
    ]),
    '.SH NETWORK OPTIONS',
    ...flagLines(NETWORK_FLAGS.flags),
    '.SH EXIT STATUS',
    roff('The name is "reason" in JSON; of several inputs the highest code wins.'),
    ...Object.entries(EXIT_CODES).flatMap(([slug, { code, meaning }]) => [
      '.TP',
      `\\fB${code}\\fR ${roff(slug)}`,
      roff(sentence(meaning)),
    ]),
    '.SH ENVIRONMENT',
    ...terms(ENVIRONMENT),
    '.SH FILES',
    ...terms(FILES),
    '.SH SEE ALSO',
    roff('tt help COMMAND prints the part of one command. tt completion SHELL prints what completes it.'),
  ];
  return `${lines.join('\n')}\n`;
}
