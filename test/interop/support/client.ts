// The one shape every BitTorrent program under test has: tt and the clients nobody here wrote are driven alike.
import type { RunningProcess } from '../../support/process.ts';
import type { Family, HostPair } from './network.ts';

/** plain: no encryption at all (as far as the program allows); preferred: both ways; required: nothing else. */
export type Encryption = 'plain' | 'preferred' | 'required';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ClientOptions {
  readonly family: Family;
  readonly encryption: Encryption;
  /** Addresses of its own; default fresh ones. */
  readonly hosts?: HostPair;
  /** Where its settings and logs live. */
  readonly stateDir: string;
  /** uTP and nothing else. Default: TCP and nothing else, but tt, which does as it does for everybody. */
  readonly utpOnly?: boolean;
  /** Nodes of a DHT to enter through; without them there is no DHT. */
  readonly dht?: readonly Endpoint[];
}

/** What to fetch and from where. Exactly one of `torrentFile` and `magnet`. */
export interface Source {
  readonly torrentFile?: string;
  readonly magnet?: string;
  readonly infoHash: string;
  /** Of the file or folder inside `parentDir`. */
  readonly name: string;
  readonly trackers?: readonly string[];
  /** Only for clients whose `dialsPeers` is true; the others need a tracker. */
  readonly peers?: readonly Endpoint[];
}

export interface TransferStats {
  readonly isComplete: boolean;
  /** Payload bytes as the program itself counts them; undefined where it does not say. */
  readonly downloadedBytes: number | undefined;
  readonly uploadedBytes: number | undefined;
  readonly peerCount: number;
  readonly error: string | undefined;
}

export interface Transfer {
  stats(): Promise<TransferStats>;
  /** Resolves when every byte is there and verified by the program itself. */
  waitUntilComplete(timeoutMs: number): Promise<void>;
}

export interface Client {
  readonly name: string;
  /** Where other clients reach it. */
  readonly endpoint: Endpoint;
  /** Serves data that lies complete below `parentDir`; resolves when the program has checked it and accepts peers. */
  seed(source: Source, parentDir: string): Promise<Transfer>;
  leech(source: Source, parentDir: string): Promise<Transfer>;
  stop(): Promise<void>;
  /** What went on with its peers, for the report of a failure. */
  story?(): string;
}

/** Lines that a failure's report holds of each client. */
export const STORY_LINES = 40;

export interface ClientKind {
  readonly name: string;
  /** Whether `Source.peers` works. */
  readonly dialsPeers: boolean;
  start(options: ClientOptions): Promise<Client>;
}

/** Starting a daemon on a busy two-core machine. */
export const START_TIMEOUT_MS = 60_000;
/** Checking what it is to seed. */
export const CHECK_TIMEOUT_MS = 60_000;

export function authority({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Splices an announce URL into a .torrent that has none, without touching one byte of the info dictionary. */
export function withTrackers(torrent: Uint8Array, trackers: readonly string[]): Buffer {
  const first = trackers[0];
  const bytes = Buffer.from(torrent);
  if (first === undefined) return bytes;
  if (bytes.includes('8:announce')) throw new Error('the torrent names a tracker already');
  const text = (value: string): string => `${Buffer.byteLength(value)}:${value}`;
  const tiers = trackers.map((url) => `l${text(url)}e`).join('');
  return Buffer.concat([
    Buffer.from(`d8:announce${text(first)}13:announce-listl${tiers}e`),
    bytes.subarray(1),
  ]);
}

/** Splices a web seed into a .torrent whose last entry is its info dictionary: `url-list` comes after it. */
export function withWebSeed(torrent: Uint8Array, url: string): Buffer {
  const bytes = Buffer.from(torrent);
  if (bytes.includes('8:url-list')) throw new Error('the torrent names a web seed already');
  return Buffer.concat([bytes.subarray(0, -1), Buffer.from(`8:url-list${Buffer.byteLength(url)}:${url}e`)]);
}

/** Adds what a magnet can carry of trackers and peers. */
export function withMagnetHints(magnet: string, source: Source): string {
  const trackers = (source.trackers ?? []).map((url) => `&tr=${encodeURIComponent(url)}`);
  const peers = (source.peers ?? []).map((peer) => `&x.pe=${encodeURIComponent(authority(peer))}`);
  return magnet + [...trackers, ...peers].join('');
}

/** A transfer of a program that runs beside us. */
export abstract class ProgramTransfer<C extends Client & { readonly process: RunningProcess }>
  implements Transfer
{
  readonly client: C;

  constructor(client: C) {
    this.client = client;
  }

  abstract stats(): Promise<TransferStats>;

  /** Polls `stats`; an error that the program reports, or its end, ends the wait at once. */
  async waitUntilComplete(timeoutMs: number): Promise<void> {
    const { name, process } = this.client;
    let last: TransferStats | undefined;
    await process.waitFor(
      async () => {
        last = await this.stats();
        return last.isComplete || last.error !== undefined;
      },
      { what: () => `${name} to complete; last seen ${JSON.stringify(last)}`, timeoutMs },
    );
    if (last?.error !== undefined) throw new Error(`${name}: ${last.error}`);
  }
}
