// Peer exchange among the peers of one torrent (BEP 11): tells each whom we know, adds whom they tell.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { isLocalAddress, isLoopbackAddress } from '../../base/local-address.ts';
import { UT_HOLEPUNCH, UT_PEX } from '../../wire/extensions.ts';
import { type PexPeer, PexReceiver, PexSender } from '../../wire/ut-pex.ts';
import type { TorrentPeers } from '../torrent-peers.ts';
import type { PeerConnection } from './peer-connection.ts';

interface Exchange {
  readonly sender: PexSender;
  readonly receiver: PexReceiver;
}

export class PeerExchange {
  readonly #peers: TorrentPeers;
  readonly #exchanges = new Map<PeerConnection, Exchange>();

  readonly #onTold: (teller: PeerConnection, peer: PexPeer) => void;

  /** @param onTold hears of every peer that is named, before it may be dialled */
  constructor(peers: TorrentPeers, onTold: (teller: PeerConnection, peer: PexPeer) => void = () => {}) {
    this.#peers = peers;
    this.#onTold = onTold;
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
    for (const peer of message.value.added) {
      const { endpoint, isSeed } = peer;
      if (!mayName(host, endpoint.host)) continue;
      this.#onTold(connection, peer);
      this.#peers.add([endpoint], 'pex', { isSeed: isSeed === true, speaksUtp: peer.supportsUtp === true });
    }
    return undefined;
  }

  tick(nowMs: number): void {
    if (this.#exchanges.size === 0) return;
    let current: Map<string, PexPeer> | undefined;
    for (const [connection, { sender }] of this.#exchanges) {
      if (nowMs < sender.notBeforeMs || !connection.wire.peerTakes(UT_PEX.name)) continue;
      current ??= this.#current();
      this.#tell(connection, sender, current, nowMs);
    }
  }

  /** The first message does not wait for the tick: a peer behind a NAT is reached the sooner. */
  tellAtOnce(connection: PeerConnection, nowMs: number): void {
    const sender = this.#exchanges.get(connection)?.sender;
    if (sender !== undefined && nowMs >= sender.notBeforeMs)
      this.#tell(connection, sender, this.#current(), nowMs);
  }

  #tell(
    connection: PeerConnection,
    sender: PexSender,
    current: ReadonlyMap<string, PexPeer>,
    nowMs: number,
  ): void {
    const own = listeningEndpoint(connection);
    const payload = sender.compose(current, own === undefined ? '' : endpointKey(own), nowMs);
    if (payload !== undefined) connection.wire.sendExtended(UT_PEX.name, payload);
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
        supportsUtp: connection.stream.transport === 'utp',
        supportsHolepunch: connection.wire.peerTakes(UT_HOLEPUNCH.name),
        // Only a straight way proves it: a hole that opened for us is shut for others.
        isReachable: !connection.isIncoming && connection.reached?.rung === 'direct',
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

/**
 * Where others can reach this peer; undefined when it came in and did not say. A peer that can be introduced (BEP 55) goes by the
 * uTP endpoint that we see: behind a NAT that shifts ports it is the only one that means anything.
 */
function listeningEndpoint(connection: PeerConnection): Endpoint | undefined {
  const { remote, transport } = connection.stream;
  if (!connection.isIncoming) return remote;
  if (transport === 'utp' && connection.wire.peerTakes(UT_HOLEPUNCH.name)) return remote;
  const port = connection.extended?.listenPort;
  return port === undefined ? undefined : { host: remote.host, port };
}
