// Drives transmission-daemon over its RPC. It has no way to name a peer, drops 127/8 and ::1, allows one connection an address, and
// unchokes on a ten-second tick: give it a tracker, an address of its own, and patience.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { encodeCompact } from '../../../core/base/endpoint.ts';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, start } from '../../support/process.ts';
import {
  CHECK_TIMEOUT_MS,
  type Client,
  type ClientKind,
  type ClientOptions,
  type Encryption,
  type Endpoint,
  ProgramTransfer,
  type Source,
  START_TIMEOUT_MS,
  type TransferStats,
  withMagnetHints,
  withTrackers,
} from './client.ts';
import { nextHosts } from './network.ts';

const ENCRYPTION: Readonly<Record<Encryption, number>> = { plain: 0, preferred: 1, required: 2 };
const SESSION_HEADER = 'x-transmission-session-id';

interface TorrentFields {
  readonly percentDone: number;
  readonly metadataPercentComplete: number;
  readonly leftUntilDone: number;
  /** 0 stopped, 1 check wait, 2 checking, 3 download wait, 4 downloading, 5 seed wait, 6 seeding. */
  readonly status: number;
  readonly error: number;
  readonly errorString: string;
  readonly downloadedEver: number;
  readonly uploadedEver: number;
  readonly corruptEver: number;
  readonly peers: readonly {
    readonly address: string;
    readonly isEncrypted: boolean;
    readonly clientName: string;
  }[];
}
const FIELDS: readonly (keyof TorrentFields)[] = [
  'percentDone',
  'metadataPercentComplete',
  'leftUntilDone',
  'status',
  'error',
  'errorString',
  'downloadedEver',
  'uploadedEver',
  'corruptEver',
  'peers',
];
const STATUS_SEEDING = 6;
/** 1 and 2 are a tracker's; 3 is local: disk and the like. */
const LOCAL_ERROR = 3;

export class TransmissionClient implements Client {
  readonly name = 'transmission';
  readonly endpoint: Endpoint;
  readonly process: RunningProcess;
  readonly #rpcUrl: string;
  #sessionId = '';

  constructor(process: RunningProcess, endpoint: Endpoint, rpcPort: number) {
    this.process = process;
    this.endpoint = endpoint;
    this.#rpcUrl = `http://127.0.0.1:${rpcPort}/transmission/rpc`;
  }

  async call<T>(method: string, fields: object = {}): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(this.#rpcUrl, {
        method: 'POST',
        headers: { [SESSION_HEADER]: this.#sessionId },
        body: JSON.stringify({ method, arguments: fields }),
      });
      const text = await response.text();
      if (response.status === 409 && attempt === 0) {
        this.#sessionId = response.headers.get(SESSION_HEADER) ?? '';
        continue;
      }
      const answer = JSON.parse(text) as { result: string; arguments: T };
      if (answer.result !== 'success') throw new Error(`transmission ${method}: ${answer.result}`);
      return answer.arguments;
    }
  }

  async #add(source: Source, dir: string): Promise<TransmissionTransfer> {
    const content =
      source.magnet === undefined
        ? {
            metainfo: withTrackers(
              readFileSync(source.torrentFile as string),
              source.trackers ?? [],
            ).toString('base64'),
          }
        : { filename: withMagnetHints(source.magnet, { ...source, peers: [] }) };
    await this.call('torrent-add', { ...content, 'download-dir': dir, paused: false });
    return new TransmissionTransfer(this, source.infoHash);
  }

  async seed(source: Source, parentDir: string): Promise<TransmissionTransfer> {
    const transfer = await this.#add(source, parentDir);
    await this.call('torrent-verify', { ids: [source.infoHash] });
    await this.process.waitFor(
      async () => {
        const fields = await transfer.raw();
        return fields.status === STATUS_SEEDING && fields.leftUntilDone === 0;
      },
      { what: 'transmission to seed', timeoutMs: CHECK_TIMEOUT_MS },
    );
    return transfer;
  }

  leech(source: Source, parentDir: string): Promise<TransmissionTransfer> {
    return this.#add(source, parentDir);
  }

  async stop(): Promise<void> {
    const left = sessionFiles(this.process.pid);
    // Its orderly end waits for trackers; nothing here needs its state.
    await this.process.stop('SIGKILL');
    for (const path of left) rmSync(path, { force: true });
  }
}

/** In /tmp whatever the environment says: one file that it locks, and would remove in the end. */
function sessionFiles(pid: number): string[] {
  try {
    const handles = `/proc/${pid}/fd`;
    const open = new Set(readdirSync(handles).map((name) => readlinkSync(join(handles, name))));
    return [...open].filter((path) => /^\/tmp\/tr_session_id_\w+$/.test(path));
  } catch {
    // It has ended.
    return [];
  }
}

export class TransmissionTransfer extends ProgramTransfer<TransmissionClient> {
  readonly infoHash: string;

  constructor(client: TransmissionClient, infoHash: string) {
    super(client);
    this.infoHash = infoHash;
  }

  async raw(): Promise<TorrentFields> {
    const { torrents } = await this.client.call<{ torrents: TorrentFields[] }>('torrent-get', {
      ids: [this.infoHash],
      fields: FIELDS,
    });
    const torrent = torrents[0];
    if (torrent === undefined) throw new Error(`transmission does not know ${this.infoHash}`);
    return torrent;
  }

  async stats(): Promise<TransferStats> {
    const raw = await this.raw();
    return {
      isComplete:
        raw.metadataPercentComplete === 1 && raw.leftUntilDone === 0 && raw.status === STATUS_SEEDING,
      downloadedBytes: raw.downloadedEver,
      uploadedBytes: raw.uploadedEver,
      peerCount: raw.peers.length,
      error: raw.error === LOCAL_ERROR ? raw.errorString : undefined,
    };
  }
}

export const transmission = {
  name: 'transmission' as const,
  dialsPeers: false,
  async start(options: ClientOptions): Promise<TransmissionClient> {
    const hosts = options.hosts ?? nextHosts();
    const host = hosts[options.family];
    const port = await freePort(host);
    const rpcPort = await freePort();
    mkdirSync(options.stateDir, { recursive: true });
    const settings = {
      'alt-speed-enabled': false,
      // It calls IPv6 trackers from the IPv4 address too, unless that is the default.
      'bind-address-ipv4': options.family === 'v4' ? host : '0.0.0.0',
      'bind-address-ipv6': options.family === 'v6' ? host : '::1',
      'dht-enabled': options.dht !== undefined,
      'download-queue-enabled': false,
      encryption: ENCRYPTION[options.encryption],
      'idle-seeding-limit-enabled': false,
      'lpd-enabled': false,
      'peer-port': port,
      'peer-limit-per-torrent': 200,
      'pex-enabled': true,
      'port-forwarding-enabled': false,
      'ratio-limit-enabled': false,
      'rpc-authentication-required': false,
      'rpc-bind-address': '127.0.0.1',
      'rpc-port': rpcPort,
      'rpc-whitelist-enabled': false,
      'rpc-host-whitelist-enabled': false,
      'seed-queue-enabled': false,
      'speed-limit-down-enabled': false,
      'speed-limit-up-enabled': false,
      // It cannot do without TCP: the other side has to.
      'utp-enabled': options.utpOnly === true,
    };
    writeFileSync(join(options.stateDir, 'settings.json'), JSON.stringify(settings));
    if (options.dht !== undefined) {
      // As if saved by an earlier run: these are asked every two seconds, named ones every fifteen.
      const nodes = Buffer.concat(options.dht.map(encodeCompact));
      const id = createHash('sha1').update(host).digest();
      const saved = options.family === 'v4' ? { id, nodes } : { id, nodes6: nodes };
      writeFileSync(join(options.stateDir, 'dht.dat'), encodeBencode(saved));
    }
    const process = start('transmission-daemon', ['-f', '-g', options.stateDir], {
      name: `transmission ${host}`,
    });
    const client = new TransmissionClient(process, { host, port }, rpcPort);
    await process.waitFor(async () => (await client.call('session-get')) !== undefined, {
      what: 'the RPC of transmission-daemon',
      timeoutMs: START_TIMEOUT_MS,
    });
    return client;
  },
} satisfies ClientKind;
