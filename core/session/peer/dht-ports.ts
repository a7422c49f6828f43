// BEP 5: peers with a DHT node tell each other its port. Nothing is said or heard in private torrents (BEP 27).
import type { DhtNeighbour } from '../../base/peer-source.ts';
import type { PeerConnection } from './peer-connection.ts';

/** Of one connection: a NAT may give another port now and then. Each is asked by one datagram, and the queries that may be open are few. */
const MAX_NAMED = 4;

export class DhtPorts {
  readonly #dht: DhtNeighbour | undefined;
  readonly #told = new WeakSet<PeerConnection>();
  readonly #named = new WeakMap<PeerConnection, number>();

  constructor(dht: DhtNeighbour | undefined) {
    this.#dht = dht;
  }

  /** Whether our handshake offers a node. */
  get isOffered(): boolean {
    return this.#dht !== undefined;
  }

  handlePort(connection: PeerConnection, port: number): void {
    const named = this.#named.get(connection) ?? 0;
    if (port === 0 || named >= MAX_NAMED) return;
    this.#named.set(connection, named + 1);
    this.#dht?.addNode({ host: connection.stream.remote.host, port });
  }

  /** Tells those who asked for it; in the beginning our node may not be there yet. */
  tick(connections: Iterable<PeerConnection>): void {
    const port = this.#dht?.port() ?? 0;
    if (port === 0) return;
    for (const connection of connections) {
      if (!connection.isAdmitted || connection.handshake?.offersDht !== true) continue;
      if (this.#told.has(connection)) continue;
      this.#told.add(connection);
      connection.wire.sendPort(port);
    }
  }
}
