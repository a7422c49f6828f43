// A session in a temporary home, torrents of made-up data, and waiting for what sessions say.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { Session } from '../../../core/session/session.ts';
import type { SessionEvent, SessionOptions } from '../../../core/session/session-api.ts';
import { writePayload } from '../../support/payload.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';

export interface Made {
  readonly metainfo: Metainfo;
  /** Holds the content below `metainfo.name`. */
  readonly directory: string;
}

/** Everything of one test; removed with it. */
export class World {
  readonly dir: TempDir = makeTempDir();
  readonly #sessions: Session[] = [];
  #madeCount = 0;

  path(name: string): string {
    const path = join(this.dir.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  async make(
    files: Readonly<Record<string, number>>,
    options: { pieceLength?: number; isPrivate?: boolean } = {},
  ): Promise<Made> {
    const directory = this.path(`content${this.#madeCount++}`);
    const root = join(directory, 'it');
    for (const [name, length] of Object.entries(files)) writePayload(join(root, name), length, name);
    const { metainfo } = await createTorrent({ path: root, ...options });
    return { metainfo, directory };
  }

  async session(name: string, options: Partial<SessionOptions> = {}): Promise<Session> {
    const session = new Session({
      portRange: [0, 0],
      bindAddresses: ['127.0.0.1'],
      lsd: false,
      stateDir: this.path(`state-${name}`),
      ...options,
    });
    await session.start();
    this.#sessions.push(session);
    return session;
  }

  async seed(made: Made, options: Partial<SessionOptions> = {}): Promise<Session> {
    const session = await this.session(`seed${this.#sessions.length}`, options);
    await session.add({ source: { metainfo: made.metainfo }, directory: made.directory, seedOnly: true });
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close(500)));
    this.dir.remove();
  }
}

export function addressOf(session: Session): { host: string; port: number } {
  const { host, port } = session.snapshot().listen[0] as { host: string; port: number };
  return { host, port };
}

/** Resolves with the first event that passes; rejects on the torrent's error unless that is what is waited for. */
export function untilEvent<Kind extends SessionEvent['kind']>(
  session: Session,
  kind: Kind,
  passes: (event: Extract<SessionEvent, { kind: Kind }>) => boolean = () => true,
): Promise<Extract<SessionEvent, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const stop = session.subscribe((event) => {
      if (event.kind === kind && passes(event as Extract<SessionEvent, { kind: Kind }>)) {
        stop();
        resolve(event as Extract<SessionEvent, { kind: Kind }>);
      } else if (event.kind === 'error') {
        stop();
        reject(event.error);
      }
    });
  });
}

export function sameContent(made: Made, directory: string, files: readonly string[]): boolean {
  return files.every((name) =>
    readFileSync(join(made.directory, 'it', name)).equals(readFileSync(join(directory, 'it', name))),
  );
}
