// Pictures of made-up sessions, and a terminal of any size for the screen to draw on: what is on it, and keys into it.
import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { ScreenModel } from '../../cli/ui/model.ts';
import { noTime } from '../../core/account/causes.ts';
import { ACCOUNT_VERSION, NO_BYTES, type TransferAccount } from '../../core/account/transfer-account.ts';
import type { DhtPicture } from '../../core/base/peer-source.ts';
import type { NatFamilySnapshot } from '../../core/nat/nat-snapshot.ts';
import type { MappingSnapshot } from '../../core/nat/port-mapper.ts';
import type { RelayStatus } from '../../core/relay/client-links.ts';
import type { Command } from '../../core/session/session-api.ts';
import type {
  FileSnapshot,
  PeerSnapshot,
  SessionSnapshot,
  TorrentSnapshot,
} from '../../core/session/snapshot.ts';

const MIB = 1 << 20;

export function peer(overrides: Partial<PeerSnapshot> = {}): PeerSnapshot {
  return {
    address: '192.0.2.7:6881',
    client: 'qBittorrent 5.1.2',
    transport: 'tcp',
    isIncoming: false,
    isEncrypted: true,
    origin: 'tracker',
    amChoking: false,
    amInterested: true,
    peerChoking: false,
    peerInterested: true,
    isSnubbed: false,
    unchokeReason: 'optimistic',
    downRateBytesPerSec: 1.5 * MIB,
    upRateBytesPerSec: 300_000,
    downloadedBytes: 40 * MIB,
    uploadedBytes: 3 * MIB,
    pieceCount: 800,
    requestsOut: 64,
    requestsIn: 3,
    ...overrides,
  };
}

export function file(index: number, overrides: Partial<FileSnapshot> = {}): FileSnapshot {
  return {
    index,
    path: `folder/file-${index + 1}.bin`,
    length: 10 * MIB,
    verifiedBytes: index % 2 === 0 ? 10 * MIB : 2 * MIB,
    priority: 4,
    ...overrides,
  };
}

/** Every third piece of `count` is there. */
export function thirds(count: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let piece = 0; piece < count; piece += 3)
    bits[piece >> 3] = (bits[piece >> 3] as number) | (0x80 >> (piece & 7));
  return bits;
}

export function torrent(overrides: Partial<TorrentSnapshot> = {}): TorrentSnapshot {
  const pieceCount = overrides.pieceCount ?? 1000;
  return {
    infoHash: 'a'.repeat(40),
    name: 'debian-13.2.0-amd64-netinst.iso',
    state: 'downloading',
    error: undefined,
    directory: '/srv/torrents',
    isPrivate: false,
    totalBytes: 1000 * MIB,
    wantedBytes: 1000 * MIB,
    verifiedBytes: 333 * MIB,
    checkedBytes: 0,
    pieceCount,
    pieceLength: MIB,
    verifiedPieces: Math.ceil(pieceCount / 3),
    downloadedBytes: 340 * MIB,
    uploadedBytes: 34 * MIB,
    wastedBytes: { duplicate: 32_768, failedHash: 0, unrequested: 0 },
    downRateBytesPerSec: 12 * MIB,
    upRateBytesPerSec: MIB,
    etaMs: 55_000,
    ratio: 0.1,
    startedAtMs: 1_000,
    completedAtMs: undefined,
    peers: [peer(), peer({ address: '[2001:db8::9]:51413', client: 'Transmission 4.0.6', transport: 'utp' })],
    candidateCount: 17,
    sources: [
      {
        kind: 'tracker',
        name: 'udp://tracker.example:6969/announce',
        tier: 0,
        state: 'ok',
        message: undefined,
        peersReceived: 50,
        seeds: 120,
        leechers: 8,
        nextAnnounceAtMs: 1_000_000,
      },
      {
        kind: 'dht',
        name: 'DHT',
        tier: 0,
        state: 'working',
        message: '312 nodes',
        peersReceived: 7,
        seeds: undefined,
        leechers: undefined,
        nextAnnounceAtMs: undefined,
      },
    ],
    files: [file(0), file(1), file(2, { priority: 0 })],
    pieces: thirds(pieceCount),
    openPieces: [1, 2],
    availability: 2.4,
    pieceAvailability: new Uint8Array(pieceCount).fill(5),
    isSequential: false,
    ...overrides,
  };
}

export function session(
  torrents: readonly TorrentSnapshot[],
  overrides: Partial<SessionSnapshot> = {},
): SessionSnapshot {
  return {
    version: 1,
    atMs: 400_000,
    torrents,
    listen: [{ transport: 'tcp', host: '0.0.0.0', port: 6891, incomingCount: 0 }],
    downRateBytesPerSec: torrents.reduce((sum, each) => sum + each.downRateBytesPerSec, 0),
    upRateBytesPerSec: torrents.reduce((sum, each) => sum + each.upRateBytesPerSec, 0),
    peerCount: torrents.reduce((sum, each) => sum + each.peers.length, 0),
    downLimitBytesPerSec: 0,
    upLimitBytesPerSec: 0,
    externalAddresses: ['198.51.100.4'],
    ...overrides,
  };
}

/** The books of a download that has just begun. */
export function transferAccount(overrides: Partial<TransferAccount> = {}): TransferAccount {
  return {
    version: ACCOUNT_VERSION,
    infoHash: 'a'.repeat(40),
    name: 'debian-13.2.0-amd64-netinst.iso',
    directory: '/srv/torrents',
    state: 'running',
    wantedBytes: 1000 * MIB,
    verifiedBytes: 333 * MIB,
    connectedPeers: 2,
    knownPeers: 17,
    availability: 2.4,
    lastCause: 'slow',
    idleMs: 0,
    runs: 1,
    startedAtMs: 0,
    updatedAtMs: 0,
    wallMs: 30_000,
    time: noTime(),
    bytes: NO_BYTES,
    processor: { userMs: 0, systemMs: 0 },
    peakMemoryBytes: 0,
    ...overrides,
  };
}

/** A DHT node that has found its place. */
export function dhtPicture(overrides: Partial<DhtPicture> = {}): DhtPicture {
  return {
    families: [
      { family: 4, port: 6891, good: 312, nodes: 340, depth: 17 },
      { family: 6, port: 6891, good: 88, nodes: 104, depth: 14 },
    ],
    lookups: 14,
    queriesOut: 812,
    queriesIn: 230,
    timeouts: 61,
    outstanding: 3,
    roundTripP10Ms: 38,
    roundTripP90Ms: 310,
    isOffline: false,
    ...overrides,
  };
}

/** A port that the router forwards, and somebody came in by. */
export function portMapping(overrides: Partial<MappingSnapshot> = {}): MappingSnapshot {
  return {
    transport: 'tcp',
    internalPort: 6891,
    state: 'verified',
    protocol: 'pcp',
    externalHost: '198.51.100.4',
    externalPort: 40_123,
    lifetimeSec: 3600,
    renewInMs: 1_700_000,
    answers: { pcp: 'granted 40123' },
    ...overrides,
  };
}

/** Behind a router that forwards what it is asked to. */
export function natFamily(overrides: Partial<NatFamilySnapshot> = {}): NatFamilySnapshot {
  return {
    family: 4,
    state: 'mapped',
    external: { host: '198.51.100.4', port: 40_123 },
    isTranslated: true,
    mapping: 'endpoint',
    filtering: 'port',
    evidence: [],
    gateway: '192.168.1.1',
    mappings: [portMapping(), portMapping({ transport: 'udp', state: 'claimed' })],
    ...overrides,
  };
}

export function heldRelay(overrides: Partial<RelayStatus> = {}): RelayStatus {
  return {
    endpoint: { host: '203.0.113.9', port: 7001 },
    state: 'reserved',
    isNeighbour: false,
    isUtp: true,
    observed: { host: '198.51.100.4', port: 40_123 },
    proxyPort: 0,
    lastRefusal: undefined,
    ...overrides,
  };
}

export interface ModelRig {
  readonly model: ScreenModel;
  readonly commands: Command[];
  /** `add:...`, `quit`, `interrupt`, in order. */
  readonly asked: string[];
  /** The rows as read by a person, without styles. */
  rows(columns?: number, rows?: number): string[];
  text(columns?: number, rows?: number): string;
  press(...keys: string[]): void;
}

interface RigOptions {
  readonly hasColor?: boolean;
  readonly failWith?: string;
  readonly addsNothing?: boolean;
  readonly onCommand?: (command: Command) => void;
  readonly snapshot?: () => SessionSnapshot;
}

export function modelRig(options: RigOptions = {}): ModelRig {
  const commands: Command[] = [];
  const asked: string[] = [];
  const model = new ScreenModel({
    hasColor: options.hasColor ?? false,
    nowMs: () => 5_000,
    control: {
      command: (command) => {
        commands.push(command);
        options.onCommand?.(command);
        return options.failWith === undefined
          ? Promise.resolve()
          : Promise.reject(new Error(options.failWith));
      },
      ...(options.snapshot === undefined ? {} : { snapshot: options.snapshot }),
      add: options.addsNothing
        ? undefined
        : (source) => {
            asked.push(`add:${source}`);
            return Promise.resolve();
          },
      quit: () => void asked.push('quit'),
      interrupt: () => void asked.push('interrupt'),
    },
  });
  const rows = (columns = 80, count = 24): string[] =>
    model.frame(columns, count).map((row) => stripVTControlCharacters(row));
  return {
    model,
    commands,
    asked,
    rows,
    text: (columns, count) => rows(columns, count).join('\n'),
    press: (...keys) => {
      for (const key of keys) model.press(key);
    },
  };
}

/** The writing end of a terminal for Ink in debug mode: each write is a whole frame. */
export class FakeStdout extends EventEmitter {
  readonly isTTY = true;
  columns: number;
  rows: number;
  lastFrame = '';
  /** Everything, switches of the terminal too. */
  written = '';

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(data: string, done?: () => void): boolean {
    this.written += data;
    // Switches of the terminal are no picture.
    if (stripVTControlCharacters(data).trim() !== '') this.lastFrame = data;
    done?.();
    return true;
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.emit('resize');
  }

  get text(): string {
    return stripVTControlCharacters(this.lastFrame);
  }
}

/** The reading end. */
export class FakeStdin extends EventEmitter {
  readonly isTTY = true;
  isRaw = false;
  private waiting: string | null = null;

  type(data: string): void {
    this.waiting = data;
    this.emit('readable');
  }

  read(): string | null {
    const data = this.waiting;
    this.waiting = null;
    return data;
  }

  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }

  setEncoding(): void {}
  resume(): void {}
  pause(): void {}
  ref(): void {}
  unref(): void {}
}
