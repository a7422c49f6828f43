// The key by which relays know us, kept over a restart: calls wait in queues for ten minutes, and a peer that comes back within that
// time must be the one they wait for. After that it is forgotten, so that nobody can follow us from day to day by it. One file for
// each port that we listen on, which no two processes share.
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fromHex, toHex } from '../../base/bytes.ts';
import { type Rng, randomBytes } from '../../base/clock.ts';
import { SEED_BYTES } from '../../base/ed25519.ts';
import { RelayIdentity } from '../../relay/identity.ts';
import { MAX_ITEM_TTL_SECONDS } from '../../relay/queue-item.ts';
import { makeFolder } from '../../storage/make-folder.ts';

const FOLDER = 'relay-keys';
const KEPT_MS = MAX_ITEM_TTL_SECONDS * 1000;
/** How often a running session says that it still uses it. */
export const TOUCH_MS = 60_000;
const MAX_FILES = 256;

export class RelayKeyFile {
  readonly #file: string;

  /** @param place what tells this session from others that use the same state folder: addresses and port */
  constructor(stateDir: string, place: string) {
    this.#file = path.join(stateDir, FOLDER, `${place.replace(/[^0-9A-Za-z.]/g, '_')}.key`);
  }

  /** The key of the session that was here a moment ago, or a new one. Never rejects: a disk that fails costs us a queue at most. */
  async load(rng: Rng, wallMs: number): Promise<RelayIdentity> {
    const kept = await this.#read(wallMs).catch(() => undefined);
    if (kept !== undefined) return new RelayIdentity(kept);
    const seed = randomBytes(rng, SEED_BYTES);
    await this.#write(seed, wallMs).catch(() => undefined);
    return new RelayIdentity(seed);
  }

  async touch(wallMs: number): Promise<void> {
    await utimes(this.#file, wallMs / 1000, wallMs / 1000).catch(() => undefined);
  }

  async #read(wallMs: number): Promise<Uint8Array | undefined> {
    const { mtimeMs, size } = await stat(this.#file);
    if (Math.abs(wallMs - mtimeMs) > KEPT_MS || size !== 2 * SEED_BYTES) return undefined;
    const seed = fromHex(await readFile(this.#file, 'latin1'));
    return seed?.length === SEED_BYTES ? seed : undefined;
  }

  async #write(seed: Uint8Array, wallMs: number): Promise<void> {
    const folder = path.dirname(this.#file);
    makeFolder(folder, { mode: 0o700 });
    for (const name of (await readdir(folder)).slice(0, MAX_FILES)) {
      const file = path.join(folder, name);
      const { mtimeMs } = await stat(file);
      if (Math.abs(wallMs - mtimeMs) > KEPT_MS) await rm(file, { force: true });
    }
    const draft = `${this.#file}.part`;
    await writeFile(draft, toHex(seed), { mode: 0o600 });
    await rename(draft, this.#file);
    await this.touch(wallMs);
  }
}
