// The TCP listeners of a session: one port for both families, and the connections that have not said which torrent.
import { OperationError } from '../base/result.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import { type Doorkeeper, listenTcp, type TcpListener } from '../transport/tcp.ts';
import type { PeerConnection } from './peer/peer-connection.ts';
import { HANDSHAKE_TIMEOUT_MS, MAX_PENDING_INCOMING } from './peer-limits.ts';
import type { ListenSnapshot } from './snapshot.ts';

/** With the system choosing, the IPv6 listener may find its sibling's port taken: then both try another. */
const MAX_PAIR_ATTEMPTS = 8;

export class Listeners {
  #listeners: TcpListener[] = [];
  #incomingCount = 0;
  readonly #pending = new Set<PeerConnection>();

  /**
   * Binds every address on one and the same port, the first of the range that is free everywhere.
   * @throws OperationError `network` when there is none
   */
  async open(
    addresses: readonly string[],
    portRange: readonly [first: number, last: number],
    onStream: (stream: ByteStream) => void,
    keeper?: Doorkeeper,
  ): Promise<void> {
    const [first, last] = portRange;
    const attempts = first === 0 ? MAX_PAIR_ATTEMPTS : last - first + 1;
    let failure: unknown;
    for (let i = 0; i < attempts; i++) {
      try {
        await this.#bindAll(addresses, first === 0 ? 0 : first + i, onStream, keeper);
        return;
      } catch (error) {
        failure = error;
        await this.close();
        if ((error as OperationError).code !== 'EADDRINUSE') break;
      }
    }
    if (failure instanceof OperationError && failure.code === 'EADDRINUSE' && first !== last) {
      throw new OperationError('network', `cannot listen: every port from ${first} to ${last} is taken`, {
        code: 'EADDRINUSE',
        hint: 'choose another range with --port FIRST-LAST',
        cause: failure,
      });
    }
    throw failure;
  }

  async #bindAll(
    addresses: readonly string[],
    port: number,
    onStream: (stream: ByteStream) => void,
    keeper?: Doorkeeper,
  ): Promise<void> {
    let shared = port;
    for (const host of addresses) {
      try {
        const take = (stream: ByteStream): void => {
          this.#incomingCount++;
          onStream(stream);
        };
        const listener = await listenTcp(host, shared, take, keeper);
        this.#listeners.push(listener);
        shared = listener.port;
      } catch (error) {
        // A machine without IPv6 (or without IPv4) is a normal machine, as long as one family listens.
        const code = (error as OperationError).code ?? '';
        const isMissingFamily = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(code);
        if (!isMissingFamily || addresses.length === 1 || !isWildcard(host)) throw error;
      }
    }
    if (this.#listeners.length === 0) {
      throw new OperationError('network', 'cannot listen on any address of this machine');
    }
  }

  /** 0 when nothing listens. */
  get port(): number {
    return this.#listeners[0]?.port ?? 0;
  }

  /** When too many wait already, the oldest of the host that has most makes room: a flood pushes out itself. */
  addPending(connection: PeerConnection): void {
    if (this.#pending.size >= MAX_PENDING_INCOMING) this.#forgetSettled();
    if (this.#pending.size >= MAX_PENDING_INCOMING) {
      const crowder = this.#oldestOfMostCrowded();
      this.#pending.delete(crowder);
      crowder.close('too many wait');
    }
    this.#pending.add(connection);
  }

  #forgetSettled(): void {
    for (const connection of this.#pending) {
      if (connection.isAdmitted || connection.isClosing) this.#pending.delete(connection);
    }
  }

  #oldestOfMostCrowded(): PeerConnection {
    const byHost = new Map<string, PeerConnection[]>();
    let most: PeerConnection[] = [];
    for (const connection of this.#pending) {
      const { host } = connection.stream.remote;
      const ofHost = byHost.get(host) ?? [];
      ofHost.push(connection);
      byHost.set(host, ofHost);
      if (ofHost.length > most.length) most = ofHost;
    }
    return most[0] as PeerConnection;
  }

  /** Forgets those that found their torrent or ended, drops those that take too long. */
  tick(nowMs: number): void {
    this.#forgetSettled();
    for (const connection of this.#pending) {
      if (nowMs - connection.openedAtMs <= HANDSHAKE_TIMEOUT_MS) continue;
      this.#pending.delete(connection);
      connection.close('handshake timed out');
    }
  }

  snapshot(): ListenSnapshot[] {
    return this.#listeners.map(({ host, port }) => ({
      transport: 'tcp',
      host,
      port,
      incomingCount: this.#incomingCount,
    }));
  }

  async close(): Promise<void> {
    for (const connection of this.#pending) connection.close('stopped');
    this.#pending.clear();
    const listeners = this.#listeners;
    this.#listeners = [];
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}

function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}
