// Peer exchange among the peers of one torrent (BEP 11): tells each whom we know, adds whom they tell.
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import { isLocalAddress, isLoopbackAddress } from '../base/local-address.ts';
import { UT_PEX } from '../wire/extensions.ts';
import { type PexPeer, PexReceiver, PexSender } from '../wire/ut-pex.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { TorrentPeers } from './torrent-peers.ts';

interface Exchange {
  readonly sender: PexSender;
  readonly receiver: PexReceiver;
}

export class PeerExchange {
  readonly #peers: TorrentPeers;
  readonly #exchanges = new Map<PeerConnection, Exchange>();

  constructor(peers: TorrentPeers) {
    this.#peers = peers;
  }

  /** The peer takes ut_pex, or has just said so. */
  join(connection: PeerConnection): void {
    if (this.#exchanges.has(connection)) return;
    this.#exchanges.set(connection, { sender: new PexSender(), receiver: new PexReceiver() });
  }

  leave(connection: PeerConnection): void {
    this.#exchanges.delete(connection);
  }

  /** @returns a reason to end the connection, if the peer gave one */
  handleMessage(connection: PeerConnection, payload: Uint8Array, nowMs: number): string | undefined {
    this.join(connection);
    const message = (this.#exchanges.get(connection) as Exchange).receiver.receive(payload, nowMs);
    if (!message.ok) return message.reason.what;
    const { host } = connection.stream.remote;
    for (const { endpoint, isSeed } of message.value.added) {
      if (mayName(host, endpoint.host)) this.#peers.add([endpoint], 'pex', { isSeed: isSeed === true });
    }
    return undefined;
  }

  tick(nowMs: number): void {
    if (this.#exchanges.size === 0) return;
    let current: Map<string, PexPeer> | undefined;
    for (const [connection, { sender }] of this.#exchanges) {
      if (nowMs < sender.notBeforeMs || !connection.wire.peerTakes(UT_PEX.name)) continue;
      current ??= this.#current();
      const own = listeningEndpoint(connection);
      const payload = sender.compose(current, own === undefined ? '' : endpointKey(own), nowMs);
      if (payload !== undefined) connection.wire.sendExtended(UT_PEX.name, payload);
    }
  }

  #current(): Map<string, PexPeer> {
    const current = new Map<string, PexPeer>();
    for (const connection of this.#peers.connections) {
      const endpoint = listeningEndpoint(connection);
      if (!connection.isAdmitted || endpoint === undefined) continue;
      current.set(endpointKey(endpoint), {
        endpoint,
        prefersEncryption: connection.isEncrypted,
        isSeed: connection.swarmPeer?.isSeed === true,
        isReachable: !connection.isIncoming,
      });
    }
    return current;
  }
}

/** A stranger must not make us knock at the doors of our own machine or network. */
function mayName(teller: string, named: string): boolean {
  if (isLoopbackAddress(named)) return isLoopbackAddress(teller);
  return !isLocalAddress(named) || isLocalAddress(teller);
}

/** Where others can reach this peer; undefined when it came in and did not say. */
function listeningEndpoint(connection: PeerConnection): Endpoint | undefined {
  const { remote } = connection.stream;
  if (!connection.isIncoming) return remote;
  const port = connection.extended?.listenPort;
  return port === undefined ? undefined : { host: remote.host, port };
}
