// One torrent in a lab, and programs that pass it on: started as a user starts them, watched through --events.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../../core/base/bytes.ts';
import { createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import { writePayload } from '../../support/payload.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';
import { waitFor } from '../../support/wait.ts';
import type { LabHost } from '../lab/host.ts';
import { MatrixPeer } from '../matrix/world.ts';
import { spawnTt } from './tt.ts';

const NAME = 'payload.bin';
export const PEER_PORT = 6881;
const START_MS = 30_000;
/** Nothing finds anybody unless a test says how. */
const ALONE = ['--events', '--port', `${PEER_PORT}`, '--no-lsd', '--no-port-map', '--no-dht'];

export interface TransferOptions {
  readonly bytes: number;
  readonly pieceBytes?: number;
  readonly isPrivate?: boolean;
  readonly tracker?: string;
}

export class Transfer implements Disposable {
  readonly torrentFile: string;
  readonly infoHash: string;
  readonly bytes: number;
  readonly #dir: TempDir;
  #outs = 0;

  private constructor(dir: TempDir, bytes: number, infoHash: string) {
    this.#dir = dir;
    this.bytes = bytes;
    this.infoHash = infoHash;
    this.torrentFile = join(dir.path, 'it.torrent');
  }

  static async make({ bytes, pieceBytes, isPrivate, tracker }: TransferOptions): Promise<Transfer> {
    const dir = makeTempDir('tt-nat-transfer-');
    const path = join(dir.path, NAME);
    // Another torrent each time: what one test's peers remember is nothing to the next.
    writePayload(path, bytes, dir.path);
    const { torrentBytes, metainfo } = await createTorrent({
      path,
      ...(pieceBytes === undefined ? {} : { pieceLength: pieceBytes }),
      ...(isPrivate === undefined ? {} : { isPrivate }),
      ...(tracker === undefined ? {} : { trackerTiers: [[tracker]] }),
    });
    const transfer = new Transfer(dir, bytes, toHex(metainfo.infoHash));
    writeFileSync(transfer.torrentFile, torrentBytes);
    return transfer;
  }

  get content(): string {
    return join(this.#dir.path, NAME);
  }

  async seed(host: LabHost, flags: readonly string[] = []): Promise<MatrixPeer> {
    const command = ['seed', this.content, '--torrent', this.torrentFile];
    const seed = new MatrixPeer(spawnTt(host, [...command, ...ALONE, ...flags]));
    await seed.process.waitForLine(/"seeding"/, START_MS);
    return seed;
  }

  leech(host: LabHost, flags: readonly string[] = []): Leech {
    const out = join(this.#dir.path, `out-${++this.#outs}`);
    const process = spawnTt(host, ['download', this.torrentFile, '--out', out, ...ALONE, ...flags]);
    return new Leech(process, join(out, NAME), this);
  }

  [Symbol.dispose](): void {
    this.#dir.remove();
  }
}

export class Leech extends MatrixPeer {
  readonly #file: string;
  readonly #transfer: Transfer;

  constructor(process: MatrixPeer['process'], file: string, transfer: Transfer) {
    super(process);
    this.#file = file;
    this.#transfer = transfer;
  }

  /** Of payload, as its last line of progress said. */
  get downloadedBytes(): number {
    return this.events.findLast(({ event }) => event === 'progress')?.downloadedBytes ?? 0;
  }

  count(kind: string): number {
    return this.events.filter(({ event }) => event === kind).length;
  }

  /** Rungs that led to a peer, in order. */
  get rungs(): (string | undefined)[] {
    return this.events.filter(({ event }) => event === 'peer-connected').map(({ reached }) => reached?.rung);
  }

  async untilDownloaded(bytes: number, timeoutMs: number): Promise<void> {
    await this.process.waitFor(() => this.downloadedBytes >= bytes, {
      what: () => `${bytes} bytes (${this.downloadedBytes} are here)`,
      timeoutMs,
    });
  }

  /** Until it has ended by itself. @throws Error when what it left is not what was seeded, or a piece was not */
  async untilComplete(timeoutMs: number): Promise<void> {
    const { code } = await this.process.waitForExit(timeoutMs);
    if (code !== 0) throw new Error(`${this.process.name} ended with ${code}\n${this.process.tail()}`);
    if (this.count('piece-failed') > 0) throw new Error('a piece was corrupt');
    if (!readFileSync(this.#file).equals(readFileSync(this.#transfer.content)))
      throw new Error('another content than the seed has');
  }
}

/** How long after `sinceMs` (performance.now) more bytes than `bytes` had come. */
export async function recovery(leech: Leech, sinceMs: number, timeoutMs: number): Promise<number> {
  const before = leech.downloadedBytes;
  await waitFor(() => leech.downloadedBytes > before + ENOUGH_BYTES, {
    what: () => `bytes to flow again at ${leech.process.name}\n${leech.process.tail()}`,
    timeoutMs,
  });
  return performance.now() - sinceMs;
}

/** More than was on its way when the way was cut. */
const ENOUGH_BYTES = 512 * 1024;
