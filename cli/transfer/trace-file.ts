// --trace FILE: takes the lines of a trace to a file, in large writes, never more in memory than a bound, and without ever
// holding up or ending the transfer.
import { type FileHandle, open } from 'node:fs/promises';
import { OperationError } from '../../core/base/result.ts';
import { diskOperationError } from '../../core/storage/disk-error.ts';
import { Trace } from '../../core/trace/trace.ts';
import type { CommandContext } from '../contract/context.ts';

/** One write a quarter MiB or quarter second, whichever is first. */
const WRITE_CHARS = 256 * 1024;
const WRITE_INTERVAL_MS = 250;
/** What may wait for a slow disk: two seconds at full speed. Beyond it lines are left out and counted. */
const MAX_WAITING_CHARS = 32 << 20;

export interface TraceFileOptions {
  /** As given, for messages. */
  readonly path: string;
  readonly nowMs: () => number;
  /** Called once, when nothing more can be written. */
  readonly onFailure: (reason: string) => void;
}

export class TraceFile {
  readonly trace: Trace;
  readonly #handle: FileHandle;
  readonly #options: TraceFileOptions;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];
  #waitingChars = 0;
  #lostLines = 0;
  #isFailed = false;
  #writing: Promise<void> | undefined;

  private constructor(handle: FileHandle, options: TraceFileOptions) {
    this.#handle = handle;
    this.#options = options;
    this.trace = new Trace({ write: (line) => this.#add(line), nowMs: options.nowMs });
    this.#timer = setInterval(() => this.#flush(), WRITE_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Makes the file anew, for its owner only. @throws OperationError `disk` */
  static async open(options: TraceFileOptions): Promise<TraceFile> {
    try {
      return new TraceFile(await open(options.path, 'w', 0o600), options);
    } catch (error) {
      const { message, code } = diskOperationError(error, 'write to', options.path);
      const told = code === 'ENOENT' ? `cannot write to ${options.path}: there is no such folder` : message;
      throw new OperationError('disk', `--trace: ${told}`, {
        ...(code === undefined ? {} : { code }),
        hint: 'Give another file, or leave --trace out.',
        cause: error,
      });
    }
  }

  /** Everything is in the file, or never will be. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    while (this.#writing !== undefined) {
      await this.#writing;
      this.#flush();
    }
    await this.#handle.close().catch(() => {});
  }

  #add(line: string): void {
    if (this.#isFailed) return;
    if (this.#waitingChars > MAX_WAITING_CHARS) {
      this.#lostLines++;
      return;
    }
    this.#push(line);
    if (this.#waitingChars >= WRITE_CHARS) this.#flush();
  }

  #push(line: string): void {
    this.#lines.push(line);
    this.#waitingChars += line.length + 1;
  }

  #flush(): void {
    if (this.#writing !== undefined || this.#lines.length === 0 || this.#isFailed) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#writing = this.#write(text).finally(() => {
      this.#writing = undefined;
      this.#waitingChars -= text.length;
      if (this.#lostLines > 0 && !this.#isFailed) this.#push(this.trace.lost(this.#lostLines));
      this.#lostLines = 0;
      if (this.#waitingChars >= WRITE_CHARS) this.#flush();
    });
  }

  async #write(text: string): Promise<void> {
    try {
      await this.#handle.writeFile(text);
    } catch (error) {
      this.#isFailed = true;
      this.#lines = [];
      this.#options.onFailure(diskOperationError(error, 'write to', this.#options.path).message);
    }
  }
}

/** The file that --trace names, opened. @throws OperationError `disk` */
export async function openTrace(context: CommandContext): Promise<TraceFile | undefined> {
  const path = context.flags.text('trace');
  if (path === undefined) return undefined;
  const { environment, output } = context;
  return TraceFile.open({
    path,
    nowMs: () => environment.nowMs(),
    onFailure: (reason) => output.warn(`--trace: ${reason}; the trace ends there, the transfer goes on`),
  });
}

/** For the options of a session. */
export function traceOption(file: TraceFile | undefined): { readonly trace?: Trace } {
  return file === undefined ? {} : { trace: file.trace };
}
