// `tt cat SOURCE [PATH]`: one file of a torrent to stdout while it comes; only the pieces that the range needs are fetched.
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { toHex } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import { selectFiles } from '../../core/metainfo/select-files.ts';
import type { SessionApi } from '../../core/session/session-api.ts';
import type { Outcome } from '../base/outcome.ts';
import { type ByteRangeText, optionalFlagValue, parseByteRange, parseDurationMs } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatBytes, formatDuration } from '../terminal/units.ts';
import { magnetName } from '../torrent/describe-torrent.ts';
import { type LoadedSource, loadOne } from '../torrent/load-sources.ts';
import { refuseV2Only, refuseV2OnlyMagnet } from '../torrent/v2-only.ts';
import { sourceOptions } from '../transfer/add-options.ts';
import { type ByteRange, CatStream, piecesOf, rangeOf } from '../transfer/cat-stream.ts';
import { composeSession } from '../transfer/compose.ts';
import { runSession } from '../transfer/session-runner.ts';

interface Chosen {
  readonly metainfo: Metainfo;
  readonly index: number;
  readonly range: ByteRange;
}

/** @throws UsageError when that is not exactly one file, or the range lies behind it */
function choose(metainfo: Metainfo, wanted: string | undefined, range: ByteRangeText | undefined): Chosen {
  const files = metainfo.files.filter((file) => !file.isPadding);
  const hint = `See "tt info" for the ${files.length} files.`;
  let index = files[0]?.index;
  if (wanted !== undefined) {
    const exact = files.find((file) => file.path.join('/') === wanted);
    const found = exact === undefined ? selectFiles(metainfo, [wanted], '') : [];
    const chosen = exact === undefined ? files.filter((file) => (found[file.index] ?? 0) > 0) : [exact];
    if (chosen.length > 1)
      throw new UsageError(`"${wanted}" names ${chosen.length} files, one is needed`, hint);
    index = chosen[0]?.index;
  } else if (files.length > 1) {
    throw new UsageError(`${metainfo.name} has ${files.length} files: name one`, hint);
  }
  const file = index === undefined ? undefined : metainfo.files[index];
  if (file === undefined) throw new UsageError('there is no such file', hint);
  const bytes = rangeOf(range, file.length);
  if (bytes === undefined) {
    throw new UsageError(`--range: begins behind the end of a file of ${file.length} bytes`);
  }
  return { metainfo, index: file.index, range: bytes };
}

/** stdout is for the bytes alone. @throws UsageError */
function checkOutput({ output, environment }: CommandContext): void {
  if (output.isForPrograms) {
    throw new UsageError('tt cat writes the file itself to stdout: --json and --events have no place there');
  }
  if (environment.stdout.isTTY === true) {
    throw new UsageError('stdout is a terminal, and a file may hold anything', 'Pipe it: tt cat ... | less');
  }
}

class Cat {
  readonly #context: CommandContext;
  readonly #session: SessionApi;
  readonly #loaded: LoadedSource;
  readonly #folder: string;
  #chosen: Chosen | undefined;
  #stream: CatStream | undefined;
  #file: FileHandle | undefined;
  #progress = (): void => {};

  constructor(context: CommandContext, session: SessionApi, loaded: LoadedSource, folder: string) {
    this.#context = context;
    this.#session = session;
    this.#loaded = loaded;
    this.#folder = folder;
  }

  /** @returns whether everything was taken. @throws what the session met, UsageError, OperationError `timeout` */
  async run(): Promise<boolean> {
    const { flags, args, interrupts, output } = this.#context;
    const range = optionalFlagValue('--range', flags.text('range'), parseByteRange);
    const idleMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
    const loaded = this.#loaded;
    const infoHash = toHex('metainfo' in loaded ? loaded.metainfo.infoHash : loaded.magnet.infoHash);
    if ('metainfo' in loaded) this.#chosen = choose(loaded.metainfo, args[1], range);

    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    // Awaited in the race below; a failure before it is no stray.
    failed.catch(() => {});
    let begin: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const unsubscribe = this.#session.subscribe((event) => {
      if (event.torrent !== infoHash) return;
      if (event.kind === 'error') fail(event.error);
      if (event.kind === 'started') begin();
      if (event.kind === 'piece') {
        this.#progress();
        this.#stream?.addPiece(event.piece);
      }
    });
    const onStop = (): void => {
      begin();
      this.#stream?.stop();
    };
    interrupts.signal.addEventListener('abort', onStop, { once: true });
    output.console.whenReaderGone(() => interrupts.stop());
    const timer = this.#watchIdle(idleMs, fail);
    try {
      await this.#session.add({
        ...sourceOptions(this.#context, loaded, args[0] as string),
        directory: this.#folder,
        sequential: true,
        pieceRange: (metainfo) => {
          const chosen = this.#chosenOf(metainfo, range, fail);
          if (chosen === undefined) return { first: 0, end: 0 };
          const { offset } = metainfo.files[chosen.index] as Metainfo['files'][number];
          return piecesOf(offset, chosen.range, metainfo.layout.pieceLength);
        },
        filePriorities: (metainfo) => {
          const chosen = this.#chosenOf(metainfo, range, fail);
          return metainfo.files.map((_, index) => (index === chosen?.index ? 4 : 0));
        },
      });
      await Promise.race([started, failed]);
      if (interrupts.signal.aborted || this.#chosen === undefined) return false;
      return await Promise.race([this.#streamOut(infoHash, this.#chosen), failed]);
    } finally {
      clearInterval(timer);
      unsubscribe();
      interrupts.signal.removeEventListener('abort', onStop);
      this.#stream?.stop();
      await this.#file?.close();
    }
  }

  #chosenOf(
    metainfo: Metainfo,
    range: ByteRangeText | undefined,
    fail: (error: unknown) => void,
  ): Chosen | undefined {
    try {
      this.#chosen ??= choose(metainfo, this.#context.args[1], range);
    } catch (error) {
      fail(error);
    }
    return this.#chosen;
  }

  #watchIdle(idleMs: number | undefined, fail: (error: unknown) => void): NodeJS.Timeout | undefined {
    if (idleMs === undefined) return undefined;
    return this.#idleTimer(idleMs, () => {
      const message = `${this.#context.args[0]}: nothing came for ${formatDuration(idleMs)}`;
      fail(
        new OperationError('timeout', message, { hint: 'Give --peer or --tracker, or a longer --timeout.' }),
      );
    });
  }

  #idleTimer(idleMs: number, onIdle: () => void): NodeJS.Timeout {
    const timer = setInterval(onIdle, idleMs);
    this.#progress = () => void timer.refresh();
    return timer;
  }

  async #streamOut(infoHash: string, { metainfo, index, range }: Chosen): Promise<boolean> {
    const { output } = this.#context;
    const { offset, length } = metainfo.files[index] as Metainfo['files'][number];
    const snapshot = this.#session.snapshot().torrents.find((torrent) => torrent.infoHash === infoHash);
    const name = snapshot?.files.find((file) => file.index === index)?.path;
    if (snapshot === undefined || name === undefined) return false;
    const stream = new CatStream({
      offset,
      range,
      pieceLength: metainfo.layout.pieceLength,
      pieceCount: metainfo.layout.pieceCount,
      port: {
        read: async (position, into) => {
          this.#file ??= await open(path.join(snapshot.directory, name));
          for (let done = 0; done < into.length; ) {
            const { bytesRead } = await this.#file.read(into, done, into.length - done, position + done);
            if (bytesRead === 0) throw new OperationError('disk', `${name} became shorter while it was read`);
            done += bytesRead;
          }
        },
        write: async (bytes) => {
          await output.console.outBytes(bytes);
          this.#progress();
        },
        setFetching: (on) => {
          this.#session.command({ kind: 'set-fetching', torrent: infoHash, on }).catch(() => {});
        },
      },
    });
    this.#stream = stream;
    stream.addPieces(snapshot.pieces);
    const isWhole = await stream.run();
    if (isWhole && output.mode.verbose > 0) {
      output.console.err(`tt: ${formatBytes(stream.writtenBytes)} of ${formatBytes(length)} written`);
    }
    return isWhole;
  }
}

export async function run(context: CommandContext): Promise<Outcome> {
  checkOutput(context);
  const { flags, settings, log, args } = context;
  const loaded = await loadOne(context, args[0] as string);
  if ('metainfo' in loaded) refuseV2Only(loaded.metainfo, args[0] as string);
  else refuseV2OnlyMagnet(loaded.magnet, magnetName(loaded.magnet));
  const isKept = flags.text('out') !== undefined;
  const folder = isKept ? settings.out : await mkdtemp(path.join(os.tmpdir(), 'tt-cat-'));
  try {
    const session = composeSession({
      settings,
      flags,
      log,
      // What is not kept needs no memory of it.
      ...(isKept ? {} : { overrides: { stateDir: path.join(folder, 'state') } }),
    });
    const directory = isKept ? folder : path.join(folder, 'data');
    const cat = new Cat(context, session, loaded, directory);
    const isWhole = await runSession(context, session, () => cat.run());
    // Whoever read has gone, or a signal came: neither needs words.
    return { reason: isWhole ? 'done' : 'unfinished', text: '', data: {} };
  } finally {
    if (!isKept) await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}
