// Drives the program under test as a user starts it: bin/tt.cjs with flags, watched through --events. One process a transfer.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, type RunResult, type StartOptions, start } from '../../support/process.ts';
import {
  authority,
  CHECK_TIMEOUT_MS,
  type Client,
  type ClientKind,
  type ClientOptions,
  type Encryption,
  type Endpoint,
  type Source,
  STORY_LINES,
  type Transfer,
  type TransferStats,
  withMagnetHints,
} from './client.ts';
import { nextHosts } from './network.ts';

/** The program under test; `TT_BIN` names another one, such as an installed package's. */
export const TT = process.env['TT_BIN'] ?? fileURLToPath(new URL('../../../bin/tt.cjs', import.meta.url));

const ENCRYPTION: Readonly<Record<Encryption, string>> = {
  plain: 'off',
  preferred: 'prefer',
  required: 'require',
};

/** One line of `--events`. Fields beyond these depend on the kind. */
export interface TtEvent {
  readonly schema: string;
  readonly event?: string;
  readonly atMs: number;
  readonly torrent: string;
  readonly [field: string]: unknown;
}

/** The environment of a fresh user: nothing of the test runner's. */
const CLEAN_ENVIRONMENT = {
  NODE_OPTIONS: undefined,
  NODE_ENV: undefined,
  VITEST: undefined,
  VITEST_WORKER_ID: undefined,
  VITEST_POOL_ID: undefined,
  TEST: undefined,
  FORCE_COLOR: undefined,
  // Who tests the DHT says --dht.
  TT_DHT: 'false',
  TT_PORT_MAP: 'false',
};

/** Starts `tt ...args` with a TT_HOME of its own. */
export function startTt(
  args: readonly string[],
  options: StartOptions & { readonly home: string },
): RunningProcess {
  return start(process.execPath, [TT, ...args], {
    name: `tt ${args[0] ?? ''}`,
    ...options,
    env: { ...CLEAN_ENVIRONMENT, TT_HOME: options.home, ...options.env },
  });
}

export async function runTt(
  args: readonly string[],
  options: StartOptions & { readonly home: string; readonly timeoutMs?: number },
): Promise<RunResult> {
  return startTt(args, options).waitForExit(options.timeoutMs ?? 60_000);
}

export class TtTransfer implements Transfer {
  readonly process: RunningProcess;
  readonly events: TtEvent[] = [];
  readonly #endsWhenComplete: boolean;

  constructor(process: RunningProcess, endsWhenComplete: boolean) {
    this.process = process;
    this.#endsWhenComplete = endsWhenComplete;
    process.onLine((line, stream) => {
      if (stream === 'stdout' && line.startsWith('{')) this.events.push(JSON.parse(line) as TtEvent);
    });
  }

  has(kind: string): boolean {
    return this.events.some(({ event }) => event === kind);
  }

  last(kind: string): TtEvent | undefined {
    return this.events.findLast(({ event }) => event === kind);
  }

  stats(): Promise<TransferStats> {
    const progress = this.last('progress');
    const number = (name: string): number | undefined => {
      const value = progress?.[name];
      return typeof value === 'number' ? value : undefined;
    };
    const failure = this.last('error');
    return Promise.resolve({
      isComplete: this.has('completed') || (progress !== undefined && progress['state'] === 'seeding'),
      downloadedBytes: number('downloadedBytes'),
      uploadedBytes: number('uploadedBytes'),
      peerCount: number('peerCount') ?? 0,
      error: failure === undefined ? undefined : String(failure['message']),
    });
  }

  /** A download that ends by itself must also end with exit code 0. */
  async waitUntilComplete(timeoutMs: number): Promise<void> {
    if (this.#endsWhenComplete) {
      const { code, signal } = await this.process.waitForExit(timeoutMs);
      if (code !== 0) throw new Error(`tt ended with ${signal ?? code}\n${this.process.tail()}`);
      return;
    }
    await this.process.waitFor(async () => (await this.stats()).isComplete, {
      what: 'tt to complete',
      timeoutMs,
    });
  }
}

export interface TtOptions extends ClientOptions {
  /** Go on after the download, as in a swarm. */
  readonly keepsSeeding?: boolean;
  readonly extraArgs?: readonly string[];
}

export class TtClient implements Client {
  readonly name = 'tt';
  readonly endpoint: Endpoint;
  readonly #options: TtOptions;
  readonly #transfers: TtTransfer[] = [];

  constructor(endpoint: Endpoint, options: TtOptions) {
    this.endpoint = endpoint;
    this.#options = options;
  }

  #start(command: readonly string[], source: Source, endsWhenComplete: boolean): TtTransfer {
    if (this.#transfers.length > 0) throw new Error('one tt client, one transfer: start another');
    const { host, port } = this.endpoint;
    const args = [
      ...command,
      '--events',
      '--port',
      String(port),
      '--interface',
      host,
      '--encryption',
      ENCRYPTION[this.#options.encryption],
      // Of --no-lsd and --lsd the last one counts, and so for the DHT.
      '--no-lsd',
      '--no-dht',
      '--no-port-map',
      ...(this.#options.utpOnly === true ? ['--no-tcp'] : []),
      ...(this.#options.extraArgs ?? []),
    ];
    if (source.magnet === undefined) {
      for (const url of source.trackers ?? []) args.push('--tracker', url);
      for (const peer of source.peers ?? []) args.push('--peer', authority(peer));
    }
    const process = startTt(args, { home: this.#options.stateDir, name: `tt ${command[0]} ${host}` });
    const transfer = new TtTransfer(process, endsWhenComplete);
    this.#transfers.push(transfer);
    return transfer;
  }

  /** Serves `parentDir/<name of the torrent>`. */
  async seed(source: Source, parentDir: string): Promise<TtTransfer> {
    const command = ['seed', join(parentDir, source.name), '--torrent', source.torrentFile as string];
    const transfer = this.#start(command, source, false);
    await transfer.waitUntilComplete(CHECK_TIMEOUT_MS);
    return transfer;
  }

  /** A magnet carries its trackers and peers itself. */
  leech(source: Source, parentDir: string): Promise<TtTransfer> {
    const what =
      source.magnet === undefined ? (source.torrentFile as string) : withMagnetHints(source.magnet, source);
    const keepsSeeding = this.#options.keepsSeeding === true;
    const command = ['download', what, '--out', parentDir, ...(keepsSeeding ? ['--seed'] : [])];
    return Promise.resolve(this.#start(command, source, !keepsSeeding));
  }

  story(): string {
    const events = this.#transfers.flatMap((transfer) => transfer.events);
    const told = events.filter(({ event }) => event !== 'progress').slice(-STORY_LINES);
    return told.map((event) => JSON.stringify(event)).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#transfers.map((transfer) => transfer.process.stop('SIGINT')));
  }
}

export const tt = {
  name: 'tt',
  dialsPeers: true,
  async start(options: TtOptions): Promise<TtClient> {
    const hosts = options.hosts ?? nextHosts();
    const host = hosts[options.family];
    return new TtClient({ host, port: await freePort(host) }, options);
  },
} satisfies ClientKind;
