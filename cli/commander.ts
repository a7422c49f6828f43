// Turns the command tree into a parser and into help text; the only import of `commander`.
import { Command, CommanderError, Option } from 'commander';
import { UsageError } from '../core/base/result.ts';
import { Flags, type FlagValue } from './base/flag-values.ts';
import type { CommandSpec, FlagGroup, FlagSpec } from './contract/spec.ts';

export type ParsedLine =
  | {
      readonly kind: 'run';
      readonly path: readonly string[];
      readonly spec: CommandSpec;
      readonly args: readonly string[];
      readonly flags: Flags;
    }
  /** Help or version that was asked for. */
  | { readonly kind: 'print'; readonly text: string };

export interface ParserOptions {
  readonly version: string;
  readonly columns: number;
  /** Flags that every command has, and that may also stand before it. */
  readonly commonFlags: FlagGroup;
  /** The help of the whole program. */
  readonly rootHelp: () => string;
}

/** The help of what was named so far comes with this when no command was given. */
export class NoCommandError extends UsageError {
  readonly help: string;
  /** @param command whose sub-command is missing: `tt`, `tt dht` */
  constructor(help: string, command: string) {
    super('no command given', `See "${command} --help" for all of them.`);
    this.help = help;
  }
}

interface Built {
  readonly command: Command;
  readonly spec: CommandSpec;
  readonly path: readonly string[];
}

export function parseCommandLine(
  tree: CommandSpec,
  argv: readonly string[],
  options: ParserOptions,
): ParsedLine {
  let printed = '';
  let ran: Built | undefined;
  const write = (text: string): void => {
    printed += text;
  };
  const { words, rest } = splitRest(tree, argv);
  if (words[0] === 'help') checkHelpPath(tree, words.slice(1));
  const root = buildCommand(tree, [], words, options, (built) => {
    ran = built;
  });
  for (const each of allCommands(root)) {
    each
      .exitOverride()
      .configureOutput({ writeOut: write, writeErr: write, getOutHelpWidth: () => options.columns });
  }
  try {
    // `help tracker serve` is `tracker serve --help`: commander's own goes one level deep.
    const line = words[0] === 'help' && words.length > 1 ? [...words.slice(1), '--help'] : words;
    root.parse([...line], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'print', text: printed.trimEnd() };
    if (error.code === 'commander.help') throw noCommand(root, words);
    throw usageErrorOf(error, commandNamed(root, words).name, rest !== undefined);
  }
  if (ran === undefined) throw noCommand(root, words);
  refuseEmpty(ran);
  const values = collectFlags(ran.command);
  if (rest !== undefined) values.set(rest.name, rest.values);
  return { kind: 'run', path: ran.path, spec: ran.spec, args: ran.command.args, flags: new Flags(values) };
}

function noCommand(root: Command, words: readonly string[]): NoCommandError {
  const { command, name } = commandNamed(root, words);
  return new NoCommandError(command.helpInformation().trimEnd(), name);
}

/** An empty word mostly is a variable of a shell that was never set, and as a path it would be the whole working directory. */
function refuseEmpty({ command, spec, path }: Built): void {
  const specs = spec.args ?? [];
  for (const [i, word] of command.args.entries()) {
    const arg = specs[Math.min(i, specs.length - 1)];
    if (word !== '' || arg === undefined || arg.mayBeEmpty === true) continue;
    throw new UsageError(
      `${arg.name}: "" is refused: it names nothing`,
      `See "tt ${path.join(' ')} --help".`,
    );
  }
}

function buildCommand(
  spec: CommandSpec,
  path: readonly string[],
  words: readonly string[],
  options: ParserOptions,
  onRun: (built: Built) => void,
): Command {
  const command = new Command(spec.name).description(
    spec.details === undefined ? spec.summary : `${spec.summary}\n\n${unwrapped(spec.details)}`,
  );
  command.summary(spec.summary).helpOption('-h, --help', 'show this help');
  command.configureHelp({ sortSubcommands: false, sortOptions: false, helpWidth: options.columns });
  for (const argument of spec.args ?? []) {
    const name = argument.isVariadic === true ? `${argument.name}...` : argument.name;
    command.argument(argument.isOptional === true ? `[${name}]` : `<${name}>`, argument.summary);
  }
  for (const group of [...(spec.flagGroups ?? []), options.commonFlags]) {
    for (const flag of group.flags) command.addOption(optionOf(flag).helpGroup(`${group.title}:`));
  }
  if (path.length === 0) {
    command.version(options.version, '-V, --version', 'show the version');
    command.enablePositionalOptions().helpCommand('help [command]', 'help for a command, with examples');
    command.configureHelp({ ...command.configureHelp(), formatHelp: () => `${options.rootHelp()}\n` });
  }
  for (const child of spec.commands ?? []) {
    // What nobody names is there to be listed and guessed at only: building all of it is a tenth of a start.
    const isNamed = words.includes(child.name);
    const built = buildCommand(isNamed ? child : nameOf(child), [...path, child.name], words, options, onRun);
    if (child.group !== undefined) built.helpGroup(`${child.group}:`);
    command.addCommand(built);
  }
  if (spec.examples !== undefined && spec.examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${examplesText(spec.examples)}`);
  }
  if (spec.load !== undefined) command.action(() => onRun({ command, spec, path }));
  else if (path.length > 0) command.helpCommand(false).enablePositionalOptions();
  return command;
}

function nameOf({ name, summary, group }: CommandSpec): CommandSpec {
  return { name, summary, ...(group === undefined ? {} : { group }) };
}

/** Lines of a paragraph become one, so that they break where the terminal ends; lists and examples keep theirs. */
function unwrapped(text: string): string {
  return text.replace(/(?<=\S)\n(?=\S)/g, ' ');
}

function optionOf(flag: FlagSpec): Option {
  const option = new Option(flag.flags, flag.summary);
  if (flag.choices !== undefined) option.choices(flag.choices);
  if (flag.repeat === true) {
    const check = flag.choices;
    option.argParser((value: string, earlier: readonly string[] | undefined) => {
      if (check !== undefined && !check.includes(value)) throw new UsageError(`${flag.flags}: ${value}`);
      return [...(earlier ?? []), value];
    });
  }
  if (flag.counts === true) {
    option.argParser((_value: string, earlier: number | undefined) => (earlier ?? 0) + 1);
  }
  return flag.isHidden === true ? option.hideHelp() : option;
}

function examplesText(examples: readonly (readonly [string, string])[]): string {
  return examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`).join('\n');
}

function allCommands(root: Command): Command[] {
  return [root, ...root.commands.flatMap(allCommands)];
}

/** Only what was typed: defaults are the business of the settings. */
function collectFlags(command: Command): Map<string, FlagValue> {
  const values = new Map<string, FlagValue>();
  const chain: Command[] = [];
  for (let each: Command | null = command; each !== null; each = each.parent) chain.unshift(each);
  for (const source of chain) {
    for (const [name, value] of Object.entries(source.opts() as Record<string, FlagValue>)) {
      if (source.getOptionValueSource(name) !== 'cli') continue;
      const earlier = values.get(name);
      values.set(name, typeof earlier === 'number' && typeof value === 'number' ? earlier + value : value);
    }
  }
  return values;
}

/** Takes `--on-done CMD...` out of the words: its own arguments may begin with dashes, which no option parser leaves alone. */
function splitRest(
  tree: CommandSpec,
  argv: readonly string[],
): { words: readonly string[]; rest: { name: string; values: readonly string[] } | undefined } {
  const found = (tree.commands ?? []).find((command) => argv.includes(command.name));
  const flag = found?.flagGroups?.flatMap((group) => group.flags).find((each) => each.takesRest === true);
  if (flag === undefined) return { words: argv, rest: undefined };
  const long = /--[a-z-]+/.exec(flag.flags)?.[0] as string;
  const at = argv.findIndex((word) => word === long || word.startsWith(`${long}=`));
  const stop = argv.indexOf('--');
  if (at < 0 || (stop >= 0 && stop < at)) return { words: argv, rest: undefined };
  const first = (argv[at] as string).slice(long.length + 1);
  const end = argv.indexOf(';', at);
  const tail = argv.slice(at + 1, end < 0 ? undefined : end);
  const values = first === '' ? tail : [first, ...tail];
  if ((values[0] ?? '') === '') throw new UsageError(`${long}: a command must follow`);
  const words = [...argv.slice(0, at), ...(end < 0 ? [] : argv.slice(end + 1))];
  return { words, rest: { name: new Option(flag.flags).attributeName(), values } };
}

/** @throws UsageError when there is no such command to help with */
function checkHelpPath(tree: CommandSpec, path: readonly string[]): void {
  let spec: CommandSpec | undefined = tree;
  for (const name of path) {
    spec = spec.commands?.find((child) => child.name === name);
    if (spec === undefined)
      throw new UsageError(`no help for "${path.join(' ')}"`, 'See "tt --help" for all commands.');
  }
}

/** The deepest command that the words name. */
function commandNamed(root: Command, words: readonly string[]): { command: Command; name: string } {
  let command = root;
  const names = [root.name()];
  for (const word of words) {
    const child = command.commands.find((each) => each.name() === word);
    if (child === undefined) continue;
    command = child;
    names.push(child.name());
  }
  return { command, name: names.join(' ') };
}

function usageErrorOf(error: CommanderError, command: string, tookRest: boolean): UsageError {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const help = `See "${command} --help".`;
  if (error.code === 'commander.missingArgument' && tookRest) {
    return new UsageError(
      message,
      `--on-done takes all that follows it, up to a lone ';': put it last. ${help}`,
    );
  }
  const guess = /^\((.*)\)$/.exec(suggestion ?? '')?.[1];
  return new UsageError(message, guess === undefined ? help : `${guess} ${help}`);
}
