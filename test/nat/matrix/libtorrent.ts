// libtorrent as a peer in a lab: uTP on, as its users have it, everything else that would find peers off.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningProcess } from '../../support/process.ts';
import type { LabHost } from '../lab/host.ts';

const SCRIPT = fileURLToPath(new URL('../../interop/support/libtorrent_peer.py', import.meta.url));
const PYTHON = '/usr/bin/python3';
const START_MS = 20_000;
const ASK_MS = 5_000;

interface Stats {
  readonly downloaded: number;
  readonly peers: readonly { readonly endpoint: string; readonly down: number; readonly up: number }[];
}

export interface LibtorrentOptions {
  readonly port: number;
  readonly torrentFile: string;
  readonly infoHash: string;
  /** Content lies, or will lie, below it. */
  readonly dir: string;
  /** `host:port`. */
  readonly peers: readonly string[];
  /** Bytes a second; 0: none. */
  readonly uploadLimit?: number;
}

export class LibtorrentPeer {
  readonly process: RunningProcess;
  readonly #infoHash: string;
  #lastId = 0;

  private constructor(process: RunningProcess, infoHash: string) {
    this.process = process;
    this.#infoHash = infoHash;
  }

  static async start(host: LabHost, options: LibtorrentOptions): Promise<LibtorrentPeer> {
    const { port, torrentFile, infoHash, dir, peers, uploadLimit = 0 } = options;
    const settings = {
      enable_outgoing_utp: true,
      enable_incoming_utp: true,
      alert_mask: 0x7fffffff,
    };
    const addresses = peers.map((peer) => [peer.split(':')[0], Number(peer.split(':')[1])]);
    const requests = [{ op: 'add', torrent: torrentFile, dir, peers: addresses, upload_limit: uploadLimit }];
    const argument = JSON.stringify({ host: '0.0.0.0', port, encryption: 'preferred', settings, requests });
    const process = host.spawn(PYTHON, [SCRIPT, argument], {
      name: `libtorrent in ${host.namespace}`,
      stdin: 'pipe',
    });
    await process.waitForLine(/"started"/, START_MS);
    return new LibtorrentPeer(process, infoHash);
  }

  async stats(): Promise<Stats> {
    const id = ++this.#lastId;
    const answer = this.process.waitForLine(new RegExp(`"id": ${id},`), ASK_MS);
    this.process.child.stdin?.write(`${JSON.stringify({ id, op: 'stats', info_hash: this.#infoHash })}\n`);
    return (JSON.parse(await answer) as { ok: Stats }).ok;
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
}

/** Where a world's seed has its content. */
export function seedDir(worldDir: string): string {
  return join(worldDir, 'seed');
}
