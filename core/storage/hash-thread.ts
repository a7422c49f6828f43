// A thread that hashes for a check, as the main thread sees it.
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OperationError } from '../base/result.ts';
import { operationErrorOf } from './disk-error.ts';
import type { HashJob, HashResult } from './hash-messages.ts';

/** Started before there was work for it. */
let waiting: HashThread | undefined;

export class HashThread {
  readonly #worker: Worker;

  private constructor() {
    // The same file runs as .ts from the checkout and as .js from dist.
    this.#worker = new Worker(new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url), {
      name: 'tt-hash',
    });
    this.#worker.unref();
  }

  /**
   * A thread takes 50 ms to start: who knows that there will be much to hash starts one while it looks at what. It keeps
   * no process alive.
   */
  static warm(): void {
    if (availableParallelism() > 1) waiting ??= new HashThread();
  }

  static get(): HashThread {
    const thread = waiting ?? new HashThread();
    waiting = undefined;
    return thread;
  }

  /**
   * Once. Resolves when no run is left and all that it took are reported; it ends by itself then.
   * @param onRun by position in the run: 1 is good
   * @throws OperationError; the signal's reason on abort
   */
  run(job: HashJob, signal: AbortSignal, onRun: (run: number, isGood: Uint8Array) => void): Promise<void> {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      worker.on('error', (error) => reject(threadError(error)));
      worker.on('exit', () => reject(threadError(undefined)));
      worker.on('message', (result: HashResult | 'done') => {
        if (signal.aborted) return;
        if (result === 'done') resolve();
        else if (result.fault !== undefined) reject(operationErrorOf(result.fault));
        else onRun(result.run, result.good);
      });
      worker.ref();
      worker.postMessage(job);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

function threadError(cause: unknown): OperationError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new OperationError('unexpected', `a hash thread stopped${why}`, { code: 'ETHREAD', cause });
}
