// Seeded test data of any size: same seed, same bytes, at memory speed (a block cipher's key stream), and never compressible.
import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

const CHUNK_BYTES = 128 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** An endless stream of bytes. */
function keyStream(seed: string): (length: number) => Buffer {
  const digest = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-128-ctr', digest.subarray(0, 16), digest.subarray(16, 32));
  return (length) => cipher.update(length === CHUNK_BYTES ? ZEROS : ZEROS.subarray(0, length));
}

export function payloadBytes(length: number, seed: string): Buffer {
  const next = keyStream(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += CHUNK_BYTES) next(Math.min(CHUNK_BYTES, length - at)).copy(bytes, at);
  return bytes;
}

export function writePayload(path: string, length: number, seed: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const next = keyStream(seed);
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < length; at += CHUNK_BYTES)
      writeSync(file, next(Math.min(CHUNK_BYTES, length - at)));
  } finally {
    closeSync(file);
  }
}

export interface TreeOptions {
  readonly fileCount: number;
  /** Sum of all files, to the byte. */
  readonly totalBytes: number;
  readonly seed: string;
  /** Files a folder; folders nest three deep. */
  readonly filesPerDir?: number;
}

/**
 * Writes many small files of uneven sizes: some empty, some of one byte, some longer than the mean, with spaces and non-ASCII names
 * among them, in nested folders.
 */
export function writeTree(root: string, options: TreeOptions): void {
  const filesPerDir = options.filesPerDir ?? 50;
  const random = randomUint32(options.seed);
  const next = keyStream(`${options.seed}/content`);
  const weights: number[] = Array.from({ length: options.fileCount }, (_, i) =>
    i % 97 === 13 ? 0 : 1 + (random() % 1000),
  );
  const weightSum = weights.reduce((sum, weight) => sum + weight, 0);
  let leftBytes = options.totalBytes;
  for (let i = 0; i < options.fileCount; i++) {
    const isLast = i === options.fileCount - 1;
    const share = i % 101 === 7 ? 1 : Math.floor(((weights[i] as number) / weightSum) * options.totalBytes);
    const length = isLast ? leftBytes : Math.min(leftBytes, share);
    leftBytes -= length;
    const dirIndex = Math.floor(i / filesPerDir);
    const dir = join(root, `d${dirIndex % 4}`, `sub folder ${dirIndex}`);
    if (i % filesPerDir === 0) mkdirSync(dir, { recursive: true });
    const name = i % 89 === 5 ? `grün ${i} – 火.bin` : `file-${String(i).padStart(5, '0')}.bin`;
    const file = openSync(join(dir, name), 'w');
    try {
      for (let at = 0; at < length; at += CHUNK_BYTES)
        writeSync(file, next(Math.min(CHUNK_BYTES, length - at)));
    } finally {
      closeSync(file);
    }
  }
}

/** An endless stream of 32-bit numbers: same seed, same numbers. */
export function randomUint32(seed: string): () => number {
  const next = keyStream(`${seed}/numbers`);
  return () => next(4).readUInt32LE(0);
}
