// Drives libtorrent through libtorrent_peer.py: JSON lines both ways.
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, start } from '../../support/process.ts';
import { within } from '../../support/wait.ts';
import {
  authority,
  CHECK_TIMEOUT_MS,
  type Client,
  type ClientKind,
  type ClientOptions,
  type Endpoint,
  ProgramTransfer,
  type Source,
  START_TIMEOUT_MS,
  type TransferStats,
  withMagnetHints,
} from './client.ts';
import { nextHosts } from './network.ts';
import { PYTHON } from './requirements.ts';

const SCRIPT = fileURLToPath(new URL('libtorrent_peer.py', import.meta.url));
const ANSWER_TIMEOUT_MS = 60_000;

export interface LibtorrentEvent {
  readonly event: string;
  /** CLOCK_MONOTONIC: comparable with process.hrtime. */
  readonly at_ns: number;
  readonly info_hash?: string;
  readonly message?: string;
}

export interface LibtorrentStats {
  readonly state: string;
  readonly progress: number;
  readonly is_seeding: boolean;
  readonly has_metadata: boolean;
  readonly downloaded: number;
  readonly uploaded: number;
  readonly failed: number;
  readonly redundant: number;
  readonly num_pieces: number;
  readonly error: string;
  readonly peers: readonly {
    readonly endpoint: string;
    readonly client: string;
    readonly encrypted: boolean;
    readonly rc4: boolean;
    readonly down: number;
    readonly up: number;
  }[];
}

export interface LibtorrentOptions extends ClientOptions {
  readonly profile?: 'default' | 'high-performance';
  /** libtorrent's own setting names. */
  readonly settings?: Readonly<Record<string, number | string | boolean>>;
}

export interface LibtorrentAdd {
  readonly torrent?: string;
  readonly torrent_base64?: string;
  readonly magnet?: string;
  readonly dir: string;
  readonly trackers?: readonly string[];
  readonly peers?: readonly (readonly [string, number])[];
  /** Trust the data without a check. */
  readonly seed_mode?: boolean;
  readonly upload_limit?: number;
}

export class LibtorrentClient implements Client {
  readonly name = 'libtorrent';
  readonly endpoint: Endpoint;
  readonly process: RunningProcess;
  readonly events: LibtorrentEvent[] = [];
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #nextId = 1;

  constructor(process: RunningProcess, endpoint: Endpoint) {
    this.process = process;
    this.endpoint = endpoint;
    process.onLine((line, stream) => {
      if (stream === 'stdout') this.#handleLine(line);
    });
  }

  #handleLine(line: string): void {
    const record = JSON.parse(line) as { id?: number; ok?: unknown; error?: string } & LibtorrentEvent;
    if (record.id === undefined) {
      this.events.push(record);
      return;
    }
    const waiting = this.#waiting.get(record.id);
    this.#waiting.delete(record.id);
    if (record.error === undefined) waiting?.resolve(record.ok);
    else waiting?.reject(new Error(`libtorrent: ${record.error}`));
  }

  async call(op: string, fields: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.process.child.stdin?.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    return within(answer, ANSWER_TIMEOUT_MS, `libtorrent to answer ${op}\n${this.process.tail()}`);
  }

  async add(fields: LibtorrentAdd): Promise<LibtorrentTransfer> {
    const { info_hash } = (await this.call('add', fields)) as { info_hash: string };
    return new LibtorrentTransfer(this, info_hash);
  }

  #fieldsOf(source: Source, dir: string): LibtorrentAdd {
    const content =
      source.magnet === undefined
        ? { torrent: source.torrentFile as string, trackers: source.trackers ?? [] }
        : { magnet: withMagnetHints(source.magnet, { ...source, peers: [] }) };
    return { ...content, dir, peers: (source.peers ?? []).map(({ host, port }) => [host, port] as const) };
  }

  async seed(source: Source, parentDir: string): Promise<LibtorrentTransfer> {
    const transfer = await this.add(this.#fieldsOf(source, parentDir));
    await transfer.waitUntilComplete(CHECK_TIMEOUT_MS);
    return transfer;
  }

  leech(source: Source, parentDir: string): Promise<LibtorrentTransfer> {
    return this.add(this.#fieldsOf(source, parentDir));
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }
}

export class LibtorrentTransfer extends ProgramTransfer<LibtorrentClient> {
  readonly infoHash: string;

  constructor(client: LibtorrentClient, infoHash: string) {
    super(client);
    this.infoHash = infoHash;
  }

  async raw(): Promise<LibtorrentStats> {
    return (await this.client.call('stats', { info_hash: this.infoHash })) as LibtorrentStats;
  }

  async stats(): Promise<TransferStats> {
    const raw = await this.raw();
    return {
      isComplete: raw.is_seeding,
      downloadedBytes: raw.downloaded,
      uploadedBytes: raw.uploaded,
      peerCount: raw.peers.length,
      error: raw.error === '' ? undefined : raw.error,
    };
  }

  /** The .torrent as libtorrent writes it from metadata that came over the wire. */
  async torrentBytes(): Promise<Buffer> {
    const answer = (await this.client.call('metadata', { info_hash: this.infoHash })) as {
      torrent_base64: string;
    };
    return Buffer.from(answer.torrent_base64, 'base64');
  }
}

const UTP_ONLY = {
  enable_outgoing_utp: true,
  enable_incoming_utp: true,
  enable_outgoing_tcp: false,
  enable_incoming_tcp: false,
} as const;

/** Small networks look like attacks: whatever guards against those is off. */
function dhtSettings(
  nodes: readonly Endpoint[] | undefined,
): Readonly<Record<string, number | string | boolean>> {
  const entry = nodes?.[0];
  if (entry === undefined) return {};
  return {
    enable_dht: true,
    dht_bootstrap_nodes: authority(entry),
    dht_restrict_routing_ips: false,
    dht_restrict_search_ips: false,
    dht_ignore_dark_internet: false,
    dht_block_ratelimit: 1000,
  };
}

export const libtorrent = {
  name: 'libtorrent' as const,
  dialsPeers: true,
  async start(options: LibtorrentOptions): Promise<LibtorrentClient> {
    const hosts = options.hosts ?? nextHosts();
    const host = hosts[options.family];
    const port = await freePort(host);
    const argument = JSON.stringify({
      host,
      port,
      encryption: options.encryption,
      profile: options.profile,
      settings: {
        ...dhtSettings(options.dht),
        ...(options.utpOnly === true ? UTP_ONLY : {}),
        ...options.settings,
      },
    });
    const process = start(PYTHON, [SCRIPT, argument], { name: `libtorrent ${host}`, stdin: 'pipe' });
    const client = new LibtorrentClient(process, { host, port });
    await process.waitFor(() => client.events.some(({ event }) => event === 'listen_succeeded'), {
      what: 'libtorrent to listen',
      timeoutMs: START_TIMEOUT_MS,
    });
    return client;
  },
} satisfies ClientKind;
