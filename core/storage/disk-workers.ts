// The threads that hash and write, as the main thread sees them: spawning, routing, and what happens when one dies.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OperationError } from '../base/result.ts';
import { operationErrorOf } from './disk-error.ts';
import type { FromThread, Operation, OutcomesMessage, ToThread } from './disk-messages.ts';
import type { Chunk } from './slots.ts';

export interface DiskWorkersOptions {
  /** Default 1: one core hashes and writes about 1.3 GB/s, more than one socket thread takes in. */
  readonly threads?: number;
}

/** What a torrent's storage hears. */
export interface StoreListener {
  onOutcomes(message: OutcomesMessage): void;
  /** The thread is gone and with it everything it held; `attach` again to go on. */
  onThreadDeath(error: OperationError): void;
}

interface PendingCall {
  readonly store: number;
  resolve(files: readonly number[]): void;
  reject(error: OperationError): void;
}

/** One torrent's line to its thread. */
export class StorePort {
  readonly #thread: DiskThread;
  readonly #store: number;

  constructor(thread: DiskThread, store: number) {
    this.#thread = thread;
    this.#store = store;
  }

  /** @param chunks every chunk the numbers name */
  commit(numbers: readonly number[], chunks: Iterable<Chunk>): void {
    this.#thread.commit(this.#store, numbers, chunks);
  }

  /** Operations and commits are done in the order given. @throws OperationError */
  call(operation: Operation): Promise<readonly number[]> {
    return this.#thread.call(this.#store, operation);
  }

  detach(): void {
    this.#thread.detach(this.#store);
  }
}

export class DiskWorkers {
  readonly #threadCount: number;
  readonly #threads: (DiskThread | undefined)[] = [];
  #nextStore = 1;

  constructor(options: DiskWorkersOptions = {}) {
    this.#threadCount = Math.max(1, options.threads ?? 1);
  }

  /** Spawns the threads now, in parallel with connecting; otherwise the first torrent does. */
  start(): void {
    for (let i = 0; i < this.#threadCount; i++) this.#thread(i);
  }

  /** The torrent goes to the thread that has fewest. */
  attach(listener: StoreListener): StorePort {
    let best = this.#thread(0);
    for (let i = 1; i < this.#threadCount; i++) {
      const thread = this.#thread(i);
      if (thread.storeCount < best.storeCount) best = thread;
    }
    const store = this.#nextStore++;
    best.attach(store, listener);
    return new StorePort(best, store);
  }

  /** The threads let go of chunks that `SlotMemory.trim` dropped. */
  forget(chunks: readonly number[]): void {
    for (const thread of this.#threads) if (thread?.isAlive === true) thread.forget(chunks);
  }

  /** After every storage is closed. */
  async close(): Promise<void> {
    const threads = this.#threads.splice(0);
    await Promise.all(threads.map((thread) => thread?.terminate()));
  }

  #thread(index: number): DiskThread {
    const held = this.#threads[index];
    if (held?.isAlive === true) return held;
    const made = new DiskThread();
    this.#threads[index] = made;
    return made;
  }
}

class DiskThread {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, StoreListener>();
  readonly #calls = new Map<number, PendingCall>();
  readonly #sentChunks = new Set<number>();
  #nextCall = 1;
  /** Commit messages without an answer. */
  #batches = 0;
  /** An answer is due. */
  #isAwaited = false;
  isAlive = true;

  constructor() {
    // The same file runs as .ts from the checkout and as .js from dist.
    this.#worker = new Worker(new URL(`./disk-worker${extname(import.meta.url)}`, import.meta.url), {
      name: 'tt-disk',
    });
    this.#worker.on('message', (message: FromThread) => this.#handle(message));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(undefined));
    this.#worker.unref();
  }

  get storeCount(): number {
    return this.#listeners.size;
  }

  attach(store: number, listener: StoreListener): void {
    this.#listeners.set(store, listener);
  }

  detach(store: number): void {
    this.#listeners.delete(store);
  }

  commit(store: number, numbers: readonly number[], chunks: Iterable<Chunk>): void {
    if (!this.isAlive) return;
    const unseen: Chunk[] = [];
    for (const chunk of chunks) {
      if (this.#sentChunks.has(chunk.id)) continue;
      this.#sentChunks.add(chunk.id);
      unseen.push(chunk);
    }
    this.#batches++;
    this.#post({ kind: 'commit', store, chunks: unseen, numbers });
  }

  call(store: number, operation: Operation): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      if (!this.isAlive) {
        reject(deathError(undefined));
        return;
      }
      const id = this.#nextCall++;
      this.#calls.set(id, { store, resolve, reject });
      this.#post({ kind: 'call', store, id, operation });
    });
  }

  forget(chunks: readonly number[]): void {
    const known = chunks.filter((chunk) => this.#sentChunks.delete(chunk));
    if (known.length === 0) return;
    const message: ToThread = { kind: 'forget', chunks: known };
    this.#worker.postMessage(message);
  }

  async terminate(): Promise<void> {
    this.#listeners.clear();
    await this.#worker.terminate();
  }

  /** While an answer is due the thread keeps the process alive; idle it does not. */
  #post(message: ToThread): void {
    if (!this.#isAwaited) {
      this.#isAwaited = true;
      this.#worker.ref();
    }
    this.#worker.postMessage(message);
  }

  #handle(message: FromThread): void {
    if (message.kind === 'outcomes') this.#listeners.get(message.store)?.onOutcomes(message);
    else this.#answer(message);
    if (message.kind === 'outcomes' && message.isAnswer) this.#batches--;
    if (this.#batches > 0 || this.#calls.size > 0) return;
    this.#isAwaited = false;
    this.#worker.unref();
  }

  #answer(message: Extract<FromThread, { kind: 'reply' }>): void {
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.fault === undefined) call?.resolve(message.files);
    else call?.reject(operationErrorOf(message.fault));
  }

  #die(cause: unknown): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    const error = deathError(cause);
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.onThreadDeath(error);
  }
}

function deathError(cause: unknown): OperationError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new OperationError('unexpected', `the disk thread stopped${why}`, {
    code: 'ETHREAD',
    hint: 'resume to start it again',
    cause,
  });
}
