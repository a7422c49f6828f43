// Drives qbittorrent-nox over its Web API, with a profile of its own.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  type TransferStats,
  withMagnetHints,
  withTrackers,
} from './client.ts';
import { nextHosts } from './network.ts';

const ENCRYPTION: Readonly<Record<Encryption, number>> = { preferred: 0, required: 1, plain: 2 };

interface TorrentInfo {
  readonly state: string;
  readonly progress: number;
  readonly amount_left: number;
  readonly downloaded: number;
  readonly uploaded: number;
  readonly num_seeds: number;
  readonly num_leechs: number;
}
/** Everything is there and was checked. */
const COMPLETE_STATES = new Set(['uploading', 'stalledUP', 'forcedUP', 'queuedUP', 'pausedUP']);
const ERROR_STATES = new Set(['error', 'missingFiles']);

export class QbittorrentClient implements Client {
  readonly name = 'qbittorrent';
  readonly endpoint: Endpoint;
  readonly process: RunningProcess;
  readonly #apiUrl: string;

  constructor(process: RunningProcess, endpoint: Endpoint, webPort: number) {
    this.process = process;
    this.endpoint = endpoint;
    this.#apiUrl = `http://127.0.0.1:${webPort}/api/v2/`;
  }

  async call(path: string, body?: URLSearchParams | FormData): Promise<string> {
    const response = await fetch(
      this.#apiUrl + path,
      body === undefined ? { method: 'GET' } : { method: 'POST', body },
    );
    const text = await response.text();
    if (!response.ok || text === 'Fails.') throw new Error(`qbittorrent ${path}: ${response.status} ${text}`);
    return text;
  }

  async #add(source: Source, dir: string): Promise<QbittorrentTransfer> {
    const form = new FormData();
    form.set('savepath', dir);
    form.set('autoTMM', 'false');
    form.set('contentLayout', 'Original');
    if (source.magnet === undefined) {
      const torrent = withTrackers(readFileSync(source.torrentFile as string), source.trackers ?? []);
      form.set('torrents', new Blob([new Uint8Array(torrent)]), 'test.torrent');
    } else {
      form.set('urls', withMagnetHints(source.magnet, { ...source, peers: [] }));
    }
    await this.call('torrents/add', form);
    const transfer = new QbittorrentTransfer(this, source.infoHash);
    await this.process.waitFor(async () => (await transfer.raw()) !== undefined, {
      what: 'qbittorrent to take the torrent',
      timeoutMs: START_TIMEOUT_MS,
    });
    const peers = (source.peers ?? []).map(authority).join('|');
    if (peers !== '')
      await this.call('torrents/addPeers', new URLSearchParams({ hashes: source.infoHash, peers }));
    return transfer;
  }

  async seed(source: Source, parentDir: string): Promise<QbittorrentTransfer> {
    const transfer = await this.#add(source, parentDir);
    await transfer.waitUntilComplete(CHECK_TIMEOUT_MS);
    return transfer;
  }

  leech(source: Source, parentDir: string): Promise<QbittorrentTransfer> {
    return this.#add(source, parentDir);
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
}

export class QbittorrentTransfer extends ProgramTransfer<QbittorrentClient> {
  readonly infoHash: string;

  constructor(client: QbittorrentClient, infoHash: string) {
    super(client);
    this.infoHash = infoHash;
  }

  async raw(): Promise<TorrentInfo | undefined> {
    return (JSON.parse(await this.client.call(`torrents/info?hashes=${this.infoHash}`)) as TorrentInfo[])[0];
  }

  async stats(): Promise<TransferStats> {
    const raw = await this.raw();
    if (raw === undefined) throw new Error(`qbittorrent does not know ${this.infoHash}`);
    return {
      isComplete: COMPLETE_STATES.has(raw.state) && raw.amount_left === 0,
      downloadedBytes: raw.downloaded,
      uploadedBytes: raw.uploaded,
      peerCount: raw.num_seeds + raw.num_leechs,
      error: ERROR_STATES.has(raw.state) ? raw.state : undefined,
    };
  }
}

export const qbittorrent = {
  name: 'qbittorrent' as const,
  dialsPeers: true,
  async start(options: ClientOptions): Promise<QbittorrentClient> {
    const hosts = options.hosts ?? nextHosts();
    const host = hosts[options.family];
    const port = await freePort(host);
    const webPort = await freePort();
    const configDir = join(options.stateDir, 'qBittorrent', 'config');
    mkdirSync(configDir, { recursive: true });
    const config = [
      '[LegalNotice]',
      'Accepted=true',
      '[Network]',
      'PortForwardingEnabled=false',
      '[BitTorrent]',
      `Session\\Port=${port}`,
      'Session\\UseRandomPort=false',
      'Session\\Interface=lo',
      'Session\\InterfaceName=lo',
      `Session\\InterfaceAddress=${host}`,
      'Session\\DHTEnabled=false',
      'Session\\LSDEnabled=false',
      `Session\\Encryption=${ENCRYPTION[options.encryption]}`,
      `Session\\BTProtocol=${options.utpOnly === true ? 'UTP' : 'TCP'}`,
      'Session\\MultiConnectionsPerIp=true',
      'Session\\QueueingSystemEnabled=false',
      'Session\\IDNSupportEnabled=false',
      'Session\\SSRFMitigation=false',
      `Session\\DefaultSavePath=${options.stateDir}`,
      '[Preferences]',
      'WebUI\\Enabled=true',
      'WebUI\\Address=127.0.0.1',
      `WebUI\\Port=${webPort}`,
      'WebUI\\LocalHostAuth=false',
      'WebUI\\CSRFProtection=false',
      'WebUI\\HostHeaderValidation=false',
      'WebUI\\UseUPnP=false',
      'Connection\\UPnP=false',
      '',
    ].join('\n');
    writeFileSync(join(configDir, 'qBittorrent.conf'), config);
    const process = start('qbittorrent-nox', [`--profile=${options.stateDir}`, `--webui-port=${webPort}`], {
      name: `qbittorrent ${host}`,
    });
    const client = new QbittorrentClient(process, { host, port }, webPort);
    await process.waitFor(async () => (await client.call('app/version')) !== '', {
      what: 'the Web API of qbittorrent-nox',
      timeoutMs: START_TIMEOUT_MS,
    });
    return client;
  },
} satisfies ClientKind;
