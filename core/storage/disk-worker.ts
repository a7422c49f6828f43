// The disk thread: takes commits and operations in order, one torrent's PieceStore at a time. Any exception that is not
// a disk fault is a bug and ends the thread; the main side then reports it.
import { parentPort } from 'node:worker_threads';
import { Bitfield } from '../base/bitfield.ts';
import { invariant } from '../base/result.ts';
import { type DiskFault, DiskFaultError } from './disk-error.ts';
import {
  type FromThread,
  NUMBERS_PER_COMMIT,
  type OpenStore,
  type Operation,
  STATUS,
  type ToThread,
} from './disk-messages.ts';
import { FdCache } from './fd-cache.ts';
import { FileMap } from './file-map.ts';
import { JournalWriter } from './journal-writer.ts';
import { type BatchOutcome, type Commit, PieceStore } from './piece-store.ts';
import { StoreFiles } from './store-files.ts';

interface Store {
  readonly pieces: PieceStore;
  readonly files: StoreFiles;
  readonly journal: JournalWriter;
  readonly wanted: boolean[];
  readonly inPart: Bitfield;
  /** After a fault nothing is tried until `retry`. */
  isFailed: boolean;
}

invariant(parentPort !== null, 'disk-worker runs as a thread only');
const port = parentPort;
const fds = new FdCache();
const stores = new Map<number, Store>();
const chunks = new Map<number, Uint8Array>();

port.on('message', (message: ToThread) => {
  if (message.kind === 'commit') {
    for (const chunk of message.chunks) chunks.set(chunk.id, new Uint8Array(chunk.buffer));
    commit(message.store, message.numbers);
    return;
  }
  if (message.kind === 'forget') {
    for (const id of message.chunks) chunks.delete(id);
    return;
  }
  let files: readonly number[] = [];
  let fault: DiskFault | undefined;
  try {
    files = perform(message.store, message.operation);
  } catch (error) {
    if (!(error instanceof DiskFaultError)) throw error;
    fault = error.fault;
  }
  const reply: FromThread = { kind: 'reply', id: message.id, files, fault };
  port.postMessage(reply);
});

function commit(storeId: number, numbers: readonly number[]): void {
  const store = stores.get(storeId);
  if (store === undefined) return; // closed meanwhile: its slots went with it
  const commits: Commit[] = [];
  for (let at = 0; at < numbers.length; at += NUMBERS_PER_COMMIT) {
    const [piece, segment, slot, chunkId, offset, length, digests] = numbers.slice(
      at,
      at + NUMBERS_PER_COMMIT,
    ) as [number, number, number, number, number, number, number];
    const chunk = chunks.get(chunkId);
    invariant(chunk !== undefined, `chunk ${chunkId} was never sent`);
    const bytes = chunk.subarray(offset, offset + length);
    commits.push({ piece, segment, slot, bytes, wantBlockDigests: digests === 1 });
  }
  if (store.isFailed) {
    report(storeId, { outcomes: [], undone: commits, fault: undefined, hashMs: 0 }, true);
    return;
  }
  const batch = store.pieces.process(commits);
  if (batch.fault !== undefined) store.isFailed = true;
  report(storeId, batch, true);
}

function report(storeId: number, batch: BatchOutcome, isAnswer: boolean): void {
  const numbers: number[] = [];
  const digests: [number, Uint8Array][] = [];
  for (const outcome of batch.outcomes) {
    numbers.push(outcome.slot, STATUS[outcome.status]);
    if (outcome.blockDigests !== undefined) digests.push([outcome.slot, outcome.blockDigests]);
  }
  const undone = batch.undone.map((item) => item.slot);
  const message: FromThread = {
    kind: 'outcomes',
    store: storeId,
    isAnswer,
    numbers,
    digests,
    undone,
    fault: batch.fault,
    hashMs: batch.hashMs,
  };
  port.postMessage(message);
}

/** @returns file indices, for `mark` */
function perform(storeId: number, operation: Operation): readonly number[] {
  if (operation.op === 'open') {
    open(storeId, operation.options);
    return [];
  }
  const store = stores.get(storeId);
  if (store === undefined) return [];
  switch (operation.op) {
    case 'record':
      store.journal.append([
        { kind: 'stamps', stamps: operation.stamps },
        { kind: 'revoke', pieces: operation.bad },
        { kind: 'pieces', pieces: operation.good },
      ]);
      return [];
    case 'adopt':
      store.pieces.adopt(operation.piece, operation.segments);
      return [];
    case 'prepare':
      store.files.prepare();
      settle(store);
      return [];
    case 'finish':
      store.files.prepare();
      for (const file of operation.files) store.files.finish(file);
      settle(store);
      return [];
    case 'preallocate':
      store.files.preallocate(operation.file, operation.later);
      settle(store);
      return [];
    case 'select':
      select(store, operation.file, operation.wanted);
      return store.inPart.has(operation.file) ? [operation.file] : [];
    case 'set-aside':
      setAside(store, operation.files);
      return [];
    case 'mark':
      store.journal.append([{ kind: 'mark' }]);
      return store.files.takeDirty();
    case 'synced':
      store.journal.append([{ kind: 'synced' }]);
      return [];
    case 'retry':
      retry(storeId, store);
      return [];
    case 'close':
      close(storeId, store, operation.sync);
      return [];
  }
}

function open(storeId: number, options: OpenStore): void {
  const { config } = options;
  const map = new FileMap(config);
  const wanted = [...options.wanted];
  const inPart = fieldOf(config.files.length, options.inPart);
  const journal = new JournalWriter(options.journal);
  const files = new StoreFiles({
    config,
    map,
    storeId,
    fds,
    isWanted: (file) => wanted[file] ?? true,
    inPart,
    existing: fieldOf(config.files.length, options.existing),
    stamps: journal.state.stamps.values(),
  });
  const pieces = new PieceStore(config, map, files, journal);
  stores.set(storeId, { pieces, files, journal, wanted, inPart, isFailed: false });
}

/** @throws DiskFaultError when the trouble is still there */
function retry(storeId: number, store: Store): void {
  store.files.reset();
  const batch = store.pieces.process([]);
  report(storeId, { ...batch, fault: undefined }, false);
  if (batch.fault !== undefined) throw new DiskFaultError(batch.fault);
  store.isFailed = false;
}

function fieldOf(size: number, bytes: Uint8Array): Bitfield {
  const field = Bitfield.fromWire(size, bytes);
  invariant(field.ok, 'bitfield of files');
  return field.value;
}

/** The files changed by our own hand: their new looks go to the journal. */
function settle(store: Store): void {
  const stamps = store.files.takeStamps();
  if (stamps.length > 0) store.journal.append([{ kind: 'stamps', stamps }]);
}

/** Bytes first, then the journal, then the map that writes and reads go by. */
function select(store: Store, file: number, wanted: boolean): void {
  store.wanted[file] = wanted;
  if (wanted) store.files.prepareLater();
  const toPart = !wanted && !store.inPart.has(file) && store.files.mayLiveInPart(file);
  const toDisk = wanted && store.inPart.has(file);
  if (!toPart && !toDisk) return;
  if (toDisk) {
    // Ours from the moment it is there.
    store.files.claim(file);
    settle(store);
    store.journal.append([{ kind: 'intent', pieces: [] }]);
    store.files.moveFromPart(file, store.pieces.storedRanges(file));
    settle(store);
  }
  const next = store.inPart.clone();
  if (toPart) next.set(file);
  else next.clear(file);
  store.journal.append([{ kind: 'inPart', bits: next.bytes }]);
  if (toPart) store.inPart.set(file);
  else store.inPart.clear(file);
  if (store.inPart.count === 0) store.files.removePart();
}

function setAside(store: Store, files: readonly number[]): void {
  const next = store.inPart.clone();
  for (const file of files) next.set(file);
  store.journal.append([{ kind: 'inPart', bits: next.bytes }]);
  for (const file of files) store.inPart.set(file);
}

function close(storeId: number, store: Store, sync: boolean): void {
  try {
    try {
      settle(store);
    } catch (error) {
      // The torrent stands still for a fault that was told of; this one says nothing new.
      if (!store.isFailed || !(error instanceof DiskFaultError)) throw error;
    }
    // A journal that was never started stays away: nothing was done.
    if (!store.isFailed && store.journal.isStarted) {
      store.journal.append([{ kind: 'clean' }]);
      if (sync) store.journal.flush();
    }
  } finally {
    store.files.close();
    store.journal.close();
    stores.delete(storeId);
  }
}
