// Drives aria2c over JSON-RPC. It cannot be told of peers (needs a tracker) and cannot be kept from accepting encryption.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, start } from '../../support/process.ts';
import {
  authority,
  CHECK_TIMEOUT_MS,
  type Client,
  type ClientKind,
  type ClientOptions,
  type Encryption,
  type Endpoint,
  ProgramTransfer,
  type Source,
  START_TIMEOUT_MS,
  STORY_LINES,
  type TransferStats,
  withMagnetHints,
  withTrackers,
} from './client.ts';
import { nextHosts } from './network.ts';

const ENCRYPTION: Readonly<Record<Encryption, readonly string[]>> = {
  plain: ['--bt-require-crypto=false', '--bt-min-crypto-level=plain'],
  preferred: ['--bt-require-crypto=false', '--bt-min-crypto-level=arc4'],
  required: ['--bt-force-encryption=true'],
};

/** Of its log, which is mostly the DHT's messages. */
const ABOUT_PEERS =
  /Connecting to|PeerLookup|Received \d+ peers|eer.*(disconnect|drop|closed|returned)|xception|Download/;

interface Status {
  readonly status: 'active' | 'waiting' | 'paused' | 'error' | 'complete' | 'removed';
  readonly totalLength: string;
  readonly completedLength: string;
  readonly uploadLength: string;
  readonly connections: string;
  readonly errorMessage?: string;
  readonly followedBy?: readonly string[];
  readonly seeder?: 'true' | 'false';
}

export class Aria2Client implements Client {
  readonly name = 'aria2';
  readonly endpoint: Endpoint;
  readonly process: RunningProcess;
  readonly #rpcUrl: string;
  readonly #logFile: string;

  constructor(process: RunningProcess, endpoint: Endpoint, rpcPort: number, logFile: string) {
    this.#logFile = logFile;
    this.process = process;
    this.endpoint = endpoint;
    this.#rpcUrl = `http://127.0.0.1:${rpcPort}/jsonrpc`;
  }

  async call<T>(method: string, ...params: unknown[]): Promise<T> {
    const response = await fetch(this.#rpcUrl, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: '1', method: `aria2.${method}`, params }),
    });
    const answer = (await response.json()) as { result?: T; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`aria2 ${method}: ${answer.error.message}`);
    return answer.result as T;
  }

  async #add(source: Source, dir: string, options: object = {}): Promise<Aria2Transfer> {
    const gid =
      source.magnet === undefined
        ? await this.call<string>(
            'addTorrent',
            withTrackers(readFileSync(source.torrentFile as string), source.trackers ?? []).toString(
              'base64',
            ),
            [],
            { dir, ...options },
          )
        : await this.call<string>('addUri', [withMagnetHints(source.magnet, source)], { dir, ...options });
    return new Aria2Transfer(this, gid);
  }

  async seed(source: Source, parentDir: string): Promise<Aria2Transfer> {
    const transfer = await this.#add(source, parentDir, {
      'check-integrity': 'true',
      'bt-hash-check-seed': 'true',
    });
    await transfer.waitUntilComplete(CHECK_TIMEOUT_MS);
    return transfer;
  }

  leech(source: Source, parentDir: string): Promise<Aria2Transfer> {
    return this.#add(source, parentDir);
  }

  story(): string {
    const lines = readFileSync(this.#logFile, 'utf8').split('\n');
    return lines
      .filter((line) => ABOUT_PEERS.test(line))
      .slice(-STORY_LINES)
      .join('\n');
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
}

export class Aria2Transfer extends ProgramTransfer<Aria2Client> {
  #gid: string;

  constructor(client: Aria2Client, gid: string) {
    super(client);
    this.#gid = gid;
  }

  async raw(): Promise<Status> {
    const status = await this.client.call<Status>('tellStatus', this.#gid);
    // A magnet is one download for the metadata, followed by another for the content.
    const next = status.followedBy?.[0];
    if (next === undefined) return status;
    this.#gid = next;
    return this.raw();
  }

  async stats(): Promise<TransferStats> {
    const raw = await this.raw();
    return {
      isComplete: raw.seeder === 'true' && raw.totalLength !== '0' && raw.completedLength === raw.totalLength,
      // completedLength counts verified and found bytes, not what came over the wire.
      downloadedBytes: undefined,
      uploadedBytes: Number(raw.uploadLength),
      peerCount: Number(raw.connections),
      error: raw.status === 'error' ? (raw.errorMessage ?? 'error') : undefined,
    };
  }
}

export const aria2 = {
  name: 'aria2' as const,
  dialsPeers: false,
  async start(options: ClientOptions): Promise<Aria2Client> {
    const hosts = options.hosts ?? nextHosts();
    const host = hosts[options.family];
    const port = await freePort(options.family === 'v4' ? '0.0.0.0' : '::');
    const rpcPort = await freePort();
    mkdirSync(options.stateDir, { recursive: true });
    const logFile = join(options.stateDir, 'aria2.log');
    const args = [
      '--no-conf',
      `--log=${logFile}`,
      '--log-level=info',
      '--enable-rpc',
      '--rpc-save-upload-metadata=false',
      `--rpc-listen-port=${rpcPort}`,
      `--listen-port=${port}`,
      `--interface=${host}`,
      `--disable-ipv6=${options.family === 'v4'}`,
      `--enable-dht=${options.dht !== undefined && options.family === 'v4'}`,
      // Over IPv6 it wants a global unicast address: see dht-ipv6.test.ts.
      `--enable-dht6=${options.dht !== undefined && options.family === 'v6'}`,
      ...(options.dht === undefined
        ? []
        : [
            `--dht-entry-point${options.family === 'v6' ? '6' : ''}=${authority(options.dht[0] as Endpoint)}`,
            `--dht-listen-port=${port}`,
            ...(options.family === 'v6' ? [`--dht-listen-addr6=${host}`] : []),
          ]),
      `--dht-file-path=${join(options.stateDir, 'dht.dat')}`,
      `--dht-file-path6=${join(options.stateDir, 'dht6.dat')}`,
      '--bt-enable-lpd=false',
      '--seed-ratio=0',
      '--file-allocation=none',
      '--allow-overwrite=true',
      '--auto-save-interval=0',
      '--max-concurrent-downloads=20',
      '--bt-max-peers=0',
      '--no-netrc',
      '--summary-interval=0',
      '--console-log-level=warn',
      '--rpc-max-request-size=16M',
      `--dir=${options.stateDir}`,
      ...ENCRYPTION[options.encryption],
    ];
    const process = start('aria2c', args, { name: `aria2 ${host}` });
    const client = new Aria2Client(process, { host, port }, rpcPort, logFile);
    await process.waitFor(async () => (await client.call('getVersion')) !== undefined, {
      what: 'the RPC of aria2c',
      timeoutMs: START_TIMEOUT_MS,
    });
    return client;
  },
} satisfies ClientKind;
