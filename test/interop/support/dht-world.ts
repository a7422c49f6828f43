// One DHT of our own and libtorrent's nodes on a private network, over IPv4 and IPv6, for programs to enter: ours are the entries.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type LoopbackDht, loopbackDht } from '../../support/dht-loopback.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';
import { waitFor } from '../../support/wait.ts';
import type { Client, ClientOptions, Endpoint } from './client.ts';
import { type LibtorrentClient, libtorrent } from './libtorrent.ts';
import { type Family, nextHosts } from './network.ts';

/** Transmission does nothing in a DHT of fewer than nine nodes. */
const OUR_NODES = 10;
const LIBTORRENT_NODES = 3;
const ENTER_TIMEOUT_MS = 60_000;

export class DhtWorld {
  readonly v4: LoopbackDht;
  readonly v6: LoopbackDht;
  readonly entries: Readonly<Record<Family, readonly Endpoint[]>>;
  readonly foreign: LibtorrentClient[] = [];
  readonly #scratch: TempDir;
  readonly #running: { stop(): Promise<void> }[] = [];
  #count = 0;

  private constructor(
    scratch: TempDir,
    networks: readonly [LoopbackDht, LoopbackDht],
    entries: DhtWorld['entries'],
  ) {
    this.#scratch = scratch;
    [this.v4, this.v6] = networks;
    this.entries = entries;
  }

  static async open(): Promise<DhtWorld> {
    const hosts = Array.from({ length: OUR_NODES }, () => nextHosts());
    const v4 = await loopbackDht(hosts.map((each) => each.v4));
    const v6 = await loopbackDht(hosts.map((each) => each.v6));
    const entries = {
      v4: hosts.map((each, i) => ({ host: each.v4, port: v4.nodes[i]?.port(4) as number })),
      v6: hosts.map((each, i) => ({ host: each.v6, port: v6.nodes[i]?.port(6) as number })),
    };
    const world = new DhtWorld(makeTempDir('tt-interop-dht-'), [v4, v6], entries);
    await world.#addLibtorrent();
    return world;
  }

  async #addLibtorrent(): Promise<void> {
    const clients = await Promise.all(
      Array.from({ length: LIBTORRENT_NODES }, (_, i) => this.keep(libtorrent.start(this.options(`lt${i}`)))),
    );
    for (const client of clients) {
      const knows = async (): Promise<number> =>
        ((await client.call('dht_state')) as { nodes: number }).nodes;
      await waitFor(async () => (await knows()) >= LIBTORRENT_NODES, {
        what: 'libtorrent to enter our DHT',
        timeoutMs: ENTER_TIMEOUT_MS,
      });
    }
    this.foreign.push(...clients);
  }

  /** A folder of its own. */
  folder(label: string): string {
    const path = join(this.#scratch.path, `${label}-${++this.#count}`);
    mkdirSync(path);
    return path;
  }

  /** Of a program that enters here. */
  options(label: string, family: Family = 'v4'): ClientOptions {
    const stateDir = this.folder(label);
    return { family, encryption: 'preferred', stateDir, dht: this.entries[family] };
  }

  /** Stopped with the world. */
  async keep<T extends Client>(client: Promise<T>): Promise<T> {
    const started = await client;
    this.#running.push(started);
    return started;
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((client) => client.stop()));
    await Promise.all([this.v4.close(), this.v6.close()]);
    this.#scratch.remove();
  }
}
