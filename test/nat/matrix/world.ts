// One torrent and the programs around it in a lab: a seed and a leecher behind NATs of any kinds, a neighbour in the open that
// has nothing of what the leecher wants, and strangers that tell how they see one (DHT nodes).
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../../core/base/bytes.ts';
import { createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import { TT } from '../../interop/support/tt.ts';
import { writePayload } from '../../support/payload.ts';
import type { RunningProcess } from '../../support/process.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';
import { waitFor } from '../../support/wait.ts';
import type { LabHost } from '../lab/host.ts';

export const PORT = 6881;
const PIECE_BYTES = 16 * 1024;
const WANTED_BYTES = 1 << 20;
const START_MS = 30_000;

/** One line of `--events`. */
export interface Event {
  readonly event?: string;
  readonly address?: string;
  readonly transport?: string;
  readonly reached?: { readonly rung: string; readonly ms: number };
  readonly reason?: string;
  /** Of `progress`. */
  readonly downloadedBytes?: number;
  /** By this process's clock, when the line came. */
  readonly heardMs: number;
}

export class MatrixPeer {
  readonly process: RunningProcess;
  readonly startedMs = performance.now();
  readonly events: Event[] = [];

  constructor(process: RunningProcess) {
    this.process = process;
    process.onLine((line, stream) => {
      if (stream !== 'stdout' || !line.startsWith('{')) return;
      this.events.push({ ...(JSON.parse(line) as Event), heardMs: performance.now() });
    });
  }

  find(kind: string, passes: (event: Event) => boolean = () => true): Event | undefined {
    return this.events.find((event) => event.event === kind && passes(event));
  }

  async until(kind: string, timeoutMs: number, passes?: (event: Event) => boolean): Promise<Event> {
    return waitFor(() => this.find(kind, passes), {
      what: () => `"${kind}" of ${this.process.name}\n${this.process.tail()}`,
      timeoutMs,
    });
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGINT');
  }
}

export class MatrixWorld {
  readonly dir: TempDir = makeTempDir('tt-matrix-');
  readonly torrentFile: string;
  /** 40 hex digits. */
  infoHash = '';
  readonly #homes: string[] = [];

  private constructor() {
    this.torrentFile = join(this.dir.path, 'it.torrent');
  }

  static async make(): Promise<MatrixWorld> {
    const world = new MatrixWorld();
    const root = join(world.dir.path, 'seed', 'it');
    // Nobody has `absent` in the end: the neighbour wants only that and the seed lacks it, so that nobody leaves, and the leecher
    // gets every byte of `wanted` from the seed.
    writePayload(join(root, 'absent'), PIECE_BYTES, 'absent');
    writePayload(join(root, 'wanted'), WANTED_BYTES, 'wanted');
    const { torrentBytes, metainfo } = await createTorrent({ path: root, pieceLength: PIECE_BYTES });
    world.infoHash = toHex(metainfo.infoHash);
    writeFileSync(world.torrentFile, torrentBytes);
    rmSync(join(root, 'absent'));
    return world;
  }

  #start(
    host: LabHost,
    name: string,
    command: readonly string[],
    peers: readonly string[],
    flags: readonly string[],
  ): MatrixPeer {
    const number = this.#homes.push(name);
    const home = join(this.dir.path, `home-${number}`);
    // Everybody but the neighbour has a port of his own: whoever had one before him may still get packets there, and a gateway that takes
    // them in gives the port to nobody else then.
    const port = name === 'neighbour' ? PORT : PORT + number;
    const own = ['--events', '--port', String(port), '--no-lsd', '--no-port-map', '--no-dht'];
    const named = peers.flatMap((peer) => ['--peer', peer]);
    const child = host.spawn(process.execPath, [TT, ...command, ...own, ...named, ...flags], {
      name,
      env: { TT_HOME: home, TT_DHT: undefined, NODE_OPTIONS: undefined, VITEST: undefined },
    });
    return new MatrixPeer(child);
  }

  /** A peer of the swarm that has nothing to give: it introduces. */
  async neighbour(host: LabHost): Promise<MatrixPeer> {
    const out = join(this.dir.path, `neighbour-${this.#homes.length}`);
    const command = ['download', this.torrentFile, '--out', out, '--select', '*absent'];
    const peer = this.#start(host, 'neighbour', command, [], []);
    await peer.until('started', START_MS);
    return peer;
  }

  /** Has all but `absent`. @param flags more of the program's */
  async seed(host: LabHost, peers: readonly string[], flags: readonly string[] = []): Promise<MatrixPeer> {
    const command = ['download', this.torrentFile, '--out', join(this.dir.path, 'seed'), '--recheck'];
    const peer = this.#start(host, 'seed', command, peers, flags);
    await peer.until('started', START_MS);
    return peer;
  }

  leech(host: LabHost, peers: readonly string[], flags: readonly string[] = []): MatrixPeer {
    const out = join(this.dir.path, `out-${this.#homes.length}`);
    // It wants `absent` as well: who is complete leaves, and a splice that comes first has no time to become a straight way.
    const command = ['download', this.torrentFile, '--out', out];
    return this.#start(host, 'leech', command, peers, flags);
  }

  remove(): void {
    this.dir.remove();
  }
}
