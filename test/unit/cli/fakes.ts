// A world for the cli without a process: streams that remember, signals that are sent by hand, a clock that is set.
import type { Environment, OutputStream } from '../../../cli/base/environment.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';

export class FakeStream implements OutputStream {
  text = '';
  readonly isTTY: boolean;
  columns: number;
  private onError: ((error: Error & { code?: string }) => void) | undefined;

  constructor(isTty = false, columns = 80) {
    this.isTTY = isTty;
    this.columns = columns;
  }

  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    this.text += typeof data === 'string' ? data : new TextDecoder().decode(data);
    done?.();
    return true;
  }

  on(event: 'error' | 'resize', listener: (error: Error & { code?: string }) => void): this {
    if (event === 'error') this.onError = listener;
    return this;
  }

  breakPipe(): void {
    this.fail('EPIPE');
  }

  fail(code: string): void {
    this.onError?.(Object.assign(new Error(`write ${code}`), { code }));
  }
}

export interface FakeWorld extends Environment {
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
  readonly exits: number[];
  clockMs: number;
  send(signal: NodeJS.Signals): void;
}

export function fakeWorld(
  options: {
    readonly argv?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly stdout?: FakeStream;
    readonly stderr?: FakeStream;
  } = {},
): FakeWorld {
  const listeners = new Map<NodeJS.Signals, Set<() => void>>();
  const world: FakeWorld = {
    argv: options.argv ?? [],
    // Nothing there: no config file, no state of the person who runs the tests.
    env: { TT_HOME: '/nonexistent/tt-home', ...options.env },
    cwd: '/nonexistent',
    stdin: (async function* () {})(),
    stdout: options.stdout ?? new FakeStream(),
    stderr: options.stderr ?? new FakeStream(),
    exits: [],
    clockMs: 0,
    onSignal: (signal, listener) => {
      const set = listeners.get(signal) ?? new Set();
      listeners.set(signal, set.add(listener));
      return () => void set.delete(listener);
    },
    exitNow: (code) => void world.exits.push(code),
    nowMs: () => world.clockMs,
    send: (signal) => {
      for (const listener of listeners.get(signal) ?? []) listener();
    },
  };
  return world;
}

export function fakeTorrent(changes: Partial<TorrentSnapshot> = {}): TorrentSnapshot {
  return {
    infoHash: 'aa'.repeat(20),
    name: 'thing.iso',
    state: 'downloading',
    error: undefined,
    directory: '/d',
    isPrivate: false,
    totalBytes: 1000,
    wantedBytes: 1000,
    verifiedBytes: 423,
    checkedBytes: 0,
    pieceCount: 10,
    pieceLength: 100,
    verifiedPieces: 4,
    downloadedBytes: 423,
    uploadedBytes: 0,
    wastedBytes: { duplicate: 0, failedHash: 0, unrequested: 0 },
    downRateBytesPerSec: 2048,
    upRateBytesPerSec: 0,
    etaMs: 65_000,
    ratio: 0,
    startedAtMs: 0,
    completedAtMs: undefined,
    peers: [],
    candidateCount: 0,
    sources: [],
    files: [{ index: 0, path: 'thing.iso', length: 1000, verifiedBytes: 423, priority: 4 }],
    pieces: new Uint8Array(2),
    openPieces: [],
    availability: 1,
    ...changes,
  };
}

export function fakeSnapshot(torrents: readonly TorrentSnapshot[]): SessionSnapshot {
  const sum = (pick: (torrent: TorrentSnapshot) => number): number =>
    torrents.reduce((total, torrent) => total + pick(torrent), 0);
  return {
    version: 1,
    atMs: 0,
    torrents,
    listen: [],
    downRateBytesPerSec: sum((torrent) => torrent.downRateBytesPerSec),
    upRateBytesPerSec: sum((torrent) => torrent.upRateBytesPerSec),
    peerCount: sum((torrent) => torrent.peers.length),
    downLimitBytesPerSec: 0,
    upLimitBytesPerSec: 0,
    externalAddresses: [],
  };
}
