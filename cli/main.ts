// The entry: parse the line, settle the settings, run one command, print its result, map every error to its exit code.

import { type Environment, processEnvironment } from './base/environment.ts';
import { type ExitReason, exitCodeOf } from './base/exit-codes.ts';
import { failureOf } from './base/failure.ts';
import type { Flags } from './base/flag-values.ts';
import type { Outcome } from './base/outcome.ts';
import { Interrupts } from './base/signals.ts';
import { ttVersion } from './base/version.ts';
import { NoCommandError, type ParsedLine, parseCommandLine } from './commander.ts';
import type { CommandContext } from './contract/context.ts';
import { openLogSink } from './output/log-sink.ts';
import { Output, type OutputMode } from './output/output.ts';
import { COMMON_FLAGS, PROGRAM } from './program.ts';
import { rootHelp } from './root-help.ts';
import { readConfigFile, resolveSettings } from './settings/settings.ts';
import { Console } from './terminal/console.ts';
import { restoreTerminal } from './terminal/terminal-hold.ts';

/** Runs the real program and ends the process. */
export async function main(): Promise<void> {
  const environment = processEnvironment();
  // Node ends a process, with code 0, when nothing it counts is pending: waiting for a signal is nothing it counts.
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
  process.once('uncaughtException', (error) => crash(environment, error));
  const code = await runProgram(environment);
  clearInterval(keepAlive);
  environment.exitNow(code);
}

const KEEP_ALIVE_MS = 60_000;

/** A bug: say so in the form that was asked for, and end. Nothing can be trusted enough to go on. */
function crash(environment: Environment, error: unknown): void {
  restoreTerminal();
  const console = new Console(environment, 'auto');
  // Below whatever live line was there.
  if (console.isLive) console.err('');
  const code = exitCodeOf(
    report(
      new Output(environment, console, modeOfWords(environment.argv)),
      commandOfWords(environment.argv),
      error,
    ),
  );
  environment.exitNow(code === 0 ? exitCodeOf('unexpected') : code);
}

/** @returns the exit code, after everything printed has left */
export async function runProgram(environment: Environment): Promise<number> {
  let console = new Console(environment, 'auto');
  // Known before the line is parsed, so that even a parse error is told the way it was asked for.
  const early = new Output(environment, console, modeOfWords(environment.argv));
  let code: number;
  try {
    const parsed = parseLine(environment, console);
    if (parsed.kind === 'print') {
      console.out(parsed.text);
      code = 0;
    } else {
      const settled = await resolveSettings({
        flags: parsed.flags,
        env: environment.env,
        cwd: environment.cwd,
        readConfig: readConfigFile,
        parseConfig: async (text, file) => (await import('./settings/toml.ts')).parseToml(text, file),
      });
      console = new Console(environment, settled.values.color);
      code = await runCommand(environment, console, parsed, settled);
    }
  } catch (error) {
    code = exitCodeOf(report(early, commandOfWords(environment.argv), error));
  }
  await console.flush();
  return await withLostResult(console, early, code);
}

/** A result that is nowhere is none, whatever came of the command. */
async function withLostResult(console: Console, output: Output, code: number): Promise<number> {
  const lost = exitCodeOf('disk');
  if (console.lostResultCode === undefined || code >= lost) return code;
  const { operationErrorOf } = await import('../core/storage/disk-error.ts');
  output.failure(
    failureOf(
      operationErrorOf({
        code: console.lostResultCode,
        action: 'write the result to',
        path: 'standard output',
      }),
    ),
  );
  await console.flush();
  return lost;
}

function parseLine(environment: Environment, console: Console): ParsedLine {
  return parseCommandLine(PROGRAM, environment.argv, {
    version: ttVersion(),
    columns: Math.min(console.columns, MOST_HELP_COLUMNS),
    commonFlags: COMMON_FLAGS,
    rootHelp: () => rootHelp(PROGRAM, COMMON_FLAGS),
  });
}

/** Longer lines are hard to read, however wide the terminal. */
const MOST_HELP_COLUMNS = 110;

async function runCommand(
  environment: Environment,
  console: Console,
  parsed: Extract<ParsedLine, { kind: 'run' }>,
  settled: Awaited<ReturnType<typeof resolveSettings>>,
): Promise<number> {
  const { flags, spec } = parsed;
  const mode = modeOf(flags);
  const output = new Output(environment, console, mode);
  const name = parsed.path.join(' ');
  const interrupts = new Interrupts(environment);
  if (mode.isEvents) console.whenReaderGone(() => interrupts.stop());
  let reason: ExitReason;
  try {
    const sink = await openLogSink(console, mode, settled.values.logFile);
    try {
      sink.log('debug', `tt ${ttVersion()} ${name}`, {
        node: process.versions.node,
        platform: process.platform,
      });
      const context: CommandContext = {
        args: parsed.args,
        flags,
        settings: settled.values,
        resolved: settled,
        environment,
        output,
        log: sink.log,
        interrupts,
        program: PROGRAM,
        commonFlags: COMMON_FLAGS,
      };
      // Every leaf of the tree has one.
      const command = await (spec.load as NonNullable<typeof spec.load>)();
      const outcome = await command.run(context);
      reason = finish(output, name, outcome, interrupts);
    } catch (error) {
      reason = report(output, name, error, interrupts);
      sink.log('debug', 'the command failed', { error: failureOf(error).stack });
    } finally {
      await sink.close();
    }
  } catch (error) {
    reason = report(output, name, error, interrupts);
  }
  await console.flush();
  interrupts.release();
  return exitCodeOf(reason);
}

/** A signal is the reason, whatever else came of the command. */
function finish(output: Output, name: string, outcome: Outcome, interrupts: Interrupts): ExitReason {
  const reason = interrupts.reason ?? outcome.reason;
  output.result(name, { ...outcome, reason });
  if (outcome.failure !== undefined && interrupts.reason === undefined) output.failure(outcome.failure);
  return reason;
}

function report(output: Output, command: string, error: unknown, interrupts?: Interrupts): ExitReason {
  const failure = failureOf(error);
  const signalled = interrupts?.reason;
  const reason = signalled ?? failure.reason;
  output.console.clearLive();
  if (output.isForPrograms) output.result(command, { reason, text: '', data: {}, failure });
  if (error instanceof NoCommandError) output.console.err(error.help);
  // After a signal an AbortError is no news.
  else if (signalled === undefined) output.failure(failure);
  return reason;
}

function modeOf(flags: Flags): OutputMode {
  return {
    isJson: flags.isOn('json'),
    isEvents: flags.isOn('events'),
    isQuiet: flags.isOn('quiet'),
    verbose: flags.count('verbose'),
    screen: flags.choice('screen'),
  };
}

function modeOfWords(words: readonly string[]): OutputMode {
  return {
    isJson: words.includes('--json'),
    isEvents: words.includes('--events'),
    isQuiet: false,
    verbose: words.some((word) => /^-v{2,}$/.test(word)) ? 2 : 0,
  };
}

/** As in a result: `dht lookup`. */
function commandOfWords(words: readonly string[]): string {
  let within = PROGRAM.commands;
  const path: string[] = [];
  for (const word of words) {
    const found = within?.find((command) => command.name === word);
    if (found === undefined) continue;
    path.push(found.name);
    within = found.commands;
  }
  return path.join(' ');
}
