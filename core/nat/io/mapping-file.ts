// What a killed process left behind at the gateway: each process keeps the list of its mappings in a file of its own, and takes the
// file away when it has taken the mappings back. The next one to start finds the files of the dead.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fromHex, toHex } from '../../base/bytes.ts';
import { MAPPING_PROTOCOLS, type MappingKey, type MappingProtocol } from '../mapping-types.ts';

const FOLDER = 'port-mappings';
const MAX_FILE_BYTES = 16 * 1024;
const MAX_FILES = 64;
const MAX_ENTRIES = 16;

export interface MappingRecord {
  readonly family: 4 | 6;
  readonly gateway: string;
  /** Our address there; a mapping belongs to it. */
  readonly localHost: string;
  readonly protocol: MappingProtocol;
  readonly key: MappingKey;
  readonly expiresAtUnixMs: number;
}

export class MappingFile {
  readonly #folder: string;
  readonly #file: string;
  #written = '';
  #queue: Promise<void> = Promise.resolve();

  constructor(stateDir: string, processId: number) {
    this.#folder = path.join(stateDir, FOLDER);
    this.#file = path.join(this.#folder, `${processId}.json`);
  }

  /** Writes happen in order; the disk's troubles are not ours. */
  write(records: readonly MappingRecord[]): Promise<void> {
    const text = records.length === 0 ? '' : `${JSON.stringify(records.map(encode))}\n`;
    if (text === this.#written) return this.#queue;
    this.#written = text;
    this.#queue = this.#queue.then(() => this.#put(text)).catch(() => undefined);
    return this.#queue;
  }

  async #put(text: string): Promise<void> {
    if (text === '') return rm(this.#file, { force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const draft = `${this.#file}.part`;
    await writeFile(draft, text, { mode: 0o600 });
    await rename(draft, this.#file);
  }

  /**
   * Takes the files of processes that are no more away, and hands out what they had.
   * @param isAlive whether a process of that id runs
   */
  async takeLeftovers(isAlive: (processId: number) => boolean, nowUnixMs: number): Promise<MappingRecord[]> {
    const found: MappingRecord[] = [];
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    for (const name of names.slice(0, MAX_FILES)) {
      const processId = /^(\d{1,10})\.json$/.exec(name)?.[1];
      if (processId === undefined) continue;
      const file = path.join(this.#folder, name);
      const records = decode(await readFile(file, 'utf8').catch(() => ''));
      const isOver = records.every((record) => record.expiresAtUnixMs <= nowUnixMs);
      // A file of our own number that we have not written is a dead namesake's, as in containers; what is over is over anyway.
      const isOwn = file === this.#file;
      if (isOwn ? this.#written !== '' : isAlive(Number(processId)) && !isOver) continue;
      await rm(file, { force: true }).catch(() => undefined);
      found.push(...records.filter((record) => record.expiresAtUnixMs > nowUnixMs));
    }
    return found;
  }
}

function encode({ key, ...record }: MappingRecord): object {
  return { ...record, ...key, nonce: toHex(key.nonce) };
}

function decode(text: string): MappingRecord[] {
  if (text.length > MAX_FILE_BYTES) return [];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.slice(0, MAX_ENTRIES).flatMap(decodeRecord) : [];
  } catch {
    return [];
  }
}

function decodeRecord(value: unknown): MappingRecord[] {
  if (typeof value !== 'object' || value === null) return [];
  const record = value as Record<string, unknown>;
  const { family, gateway, localHost, protocol, transport, internalPort, externalPort, expiresAtUnixMs } =
    record;
  const nonce = typeof record['nonce'] === 'string' ? fromHex(record['nonce']) : undefined;
  const isPort = (port: unknown): port is number =>
    typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535;
  if (
    (family !== 4 && family !== 6) ||
    typeof gateway !== 'string' ||
    typeof localHost !== 'string' ||
    (transport !== 'tcp' && transport !== 'udp') ||
    !isPort(internalPort) ||
    !isPort(externalPort) ||
    typeof expiresAtUnixMs !== 'number' ||
    nonce?.length !== 12 ||
    !MAPPING_PROTOCOLS.includes(protocol as MappingProtocol)
  ) {
    return [];
  }
  const key: MappingKey = { transport, internalPort, externalPort, nonce };
  return [{ family, gateway, localHost, protocol: protocol as MappingProtocol, key, expiresAtUnixMs }];
}
