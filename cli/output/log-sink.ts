// What the engine says, on stderr by verbosity and in --log-file with times. Foreign text in it is made harmless here.
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Log, LogLevel } from '../../core/base/log.ts';
import { OperationError } from '../../core/base/result.ts';
import type { Console } from '../terminal/console.ts';
import { safeJson, safeText } from '../terminal/text.ts';

const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3, trace: 4 };
/** The file is for looking into what happened later: it always holds at least this much. */
const LEAST_FILE_RANK = RANK.debug;

export interface Verbosity {
  readonly isQuiet: boolean;
  /** How often -v was given. */
  readonly verbose: number;
}

export interface LogSink {
  readonly log: Log;
  close(): Promise<void>;
}

function rankFor({ isQuiet, verbose }: Verbosity): number {
  return isQuiet ? RANK.error : Math.min(RANK.warn + verbose, RANK.trace);
}

/** @throws OperationError `disk` when the log file cannot be opened */
export async function openLogSink(console: Console, verbosity: Verbosity, file: string): Promise<LogSink> {
  const terminalRank = rankFor(verbosity);
  const stream = file === '' ? undefined : await openLogFile(file);
  // A full disk must not take the transfer down for the sake of its log.
  stream?.on('error', (error) => {
    const line = `${error.message}; the log file ends there, all else goes on`;
    if (!verbosity.isQuiet) console.err(terminalLine(console, 'warn', `--log-file: ${line}`, undefined));
  });
  const fileRank = Math.max(terminalRank, LEAST_FILE_RANK);
  return {
    log: (level, message, fields) => {
      const rank = RANK[level];
      // Numbers for machines are noise to whoever did not ask for more.
      if (rank <= terminalRank) {
        console.err(terminalLine(console, level, message, verbosity.verbose > 0 ? fields : undefined));
      }
      if (stream !== undefined && rank <= fileRank) stream.write(fileLine(level, message, fields));
    },
    close: async () => {
      if (stream === undefined) return;
      await new Promise<void>((resolve) => stream.end(() => resolve()));
    },
  };
}

async function openLogFile(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file, { flags: 'a' });
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', async (error) => {
      const { cannotWrite } = await import('../base/file-trouble.ts');
      const { code, message } = cannotWrite(error, file);
      const hint = 'Give another --log-file, or leave it out ("tt config" says where it is set).';
      reject(new OperationError('disk', `--log-file: ${message}`, { code: code ?? '', hint, cause: error }));
    });
  });
  return stream;
}

function terminalLine(
  console: Console,
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): string {
  const { errStyle } = console;
  const text = safeText(message) + (fields === undefined ? '' : ` ${errStyle.dim(safeJson(fields))}`);
  if (level === 'error') return `${errStyle.red('tt: error:')} ${text}`;
  if (level === 'warn') return `${errStyle.yellow('tt: warning:')} ${text}`;
  return `${errStyle.dim(`tt: ${level}:`)} ${text}`;
}

function fileLine(
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): string {
  const tail = fields === undefined ? '' : ` ${safeJson(fields)}`;
  return `${new Date().toISOString()} ${level} ${safeText(message)}${tail}\n`;
}
