// A hash thread of a check: reads pieces and compares their SHA-1. A file that is missing or short makes its pieces
// bad; any other trouble ends the task with a fault.
import { createHash, hash as hashOnce } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Bitfield } from '../base/bitfield.ts';
import { bytesEqual } from '../base/bytes.ts';
import { invariant } from '../base/result.ts';
import { DiskFaultError, faultOf } from './disk-error.ts';
import { FdCache, fileKey } from './fd-cache.ts';
import { FileMap, PADDING } from './file-map.ts';
import type { HashResult, HashTask, HashThreadData } from './hash-messages.ts';
import { SafeFiles } from './safe-files.ts';
import { pieceSizeOf } from './store-config.ts';

/** Stays in the second-level cache between the read and the hash. */
const READ_BYTES = 1 << 20;
const HASH_BYTES = 20;
const STORE = 0;

invariant(parentPort !== null, 'hash-worker runs as a thread only');
const port = parentPort;
const { config, inPart: inPartBytes, followLinks } = workerData as HashThreadData;
const map = new FileMap(config);
const fds = new FdCache();
const target = new SafeFiles(config.directory, { followLinks });
const partFolder = new SafeFiles(dirname(config.partPath));
const inPartField = Bitfield.fromWire(config.files.length, inPartBytes);
invariant(inPartField.ok, 'bitfield of files');
const inPart = inPartField.value;
const buffer = new Uint8Array(new ArrayBuffer(READ_BYTES));

port.on('message', (task: HashTask) => {
  const good = new Uint8Array(task.pieces.length);
  let result: HashResult = { good, fault: undefined };
  try {
    task.pieces.forEach((piece, i) => {
      good[i] = isGood(piece) ? 1 : 0;
    });
  } catch (error) {
    result = { good, fault: faultOf(error, 'read', config.directory) };
  }
  port.postMessage(result);
});

function isGood(piece: number): boolean {
  const size = pieceSizeOf(config, piece);
  const start = piece * config.pieceLength;
  let digest: Uint8Array;
  if (size <= READ_BYTES) {
    const bytes = buffer.subarray(0, size);
    if (!fill(start, bytes)) return false;
    digest = hashOnce('sha1', bytes, 'buffer');
  } else {
    const running = createHash('sha1');
    for (let at = 0; at < size; at += READ_BYTES) {
      const bytes = buffer.subarray(0, Math.min(READ_BYTES, size - at));
      if (!fill(start + at, bytes)) return false;
      running.update(bytes);
    }
    digest = running.digest();
  }
  return bytesEqual(digest, config.pieceHashes.subarray(piece * HASH_BYTES, (piece + 1) * HASH_BYTES));
}

/** @returns false when bytes are missing */
function fill(offset: number, into: Uint8Array): boolean {
  for (const span of map.spans(offset, into.length)) {
    const part = into.subarray(span.at, span.at + span.length);
    if (span.file === PADDING) {
      part.fill(0);
      continue;
    }
    const isPart = inPart.has(span.file);
    const file = isPart ? config.files.length : span.file;
    const fd = fdOf(file);
    if (fd === undefined || !readFully(fd, part, isPart ? offset + span.at : span.fileOffset, file))
      return false;
  }
  return true;
}

function fdOf(file: number): number | undefined {
  const open = fds.get(fileKey(STORE, file));
  if (open !== undefined) return open.fd;
  try {
    const entry = config.files[file];
    const fd =
      entry === undefined ? partFolder.openToRead(basename(config.partPath)) : target.openToRead(entry.path);
    fds.add(fileKey(STORE, file), { fd, isWritable: false }, (old) => fs.closeSync(old));
    return fd;
  } catch (error) {
    if (error instanceof DiskFaultError && error.fault.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readFully(fd: number, into: Uint8Array, position: number, file: number): boolean {
  let done = 0;
  try {
    while (done < into.length) {
      const got = fs.readSync(fd, into, done, into.length - done, position + done);
      if (got === 0) return false;
      done += got;
    }
  } catch (error) {
    throw new DiskFaultError(faultOf(error, 'read', config.files[file]?.path ?? config.partPath), error);
  }
  return true;
}
