// We as the common neighbour of BEP 55: two peers of one torrent that cannot reach each other learn each other's endpoint from us.
// Deviation from BEP 55: a rendezvous may name the target's observed endpoint or the one it announced; libtorrent knows the
// first only, so that targets behind a NAT that shifts ports are never found.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { isPrivateAddress } from '../../base/local-address.ts';
import { isDialable } from '../../discovery/candidates.ts';
import { SignalLimit } from '../../nat/ladder-rules.ts';
import { UT_HOLEPUNCH } from '../../wire/extensions.ts';
import {
  encodeHolepunch,
  encodeHolepunchError,
  PUNCH_ERRORS,
  type PunchErrorCode,
} from '../../wire/ut-holepunch.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** Where a packet for this peer must go: through the hole it keeps open towards us, or where it says it listens. */
function openEndpoint(connection: PeerConnection): Endpoint | undefined {
  const { remote, transport } = connection.stream;
  if (!connection.isIncoming || transport === 'utp') return remote;
  const port = connection.extended?.listenPort;
  return port === undefined ? undefined : { host: remote.host, port };
}

/** Whether `endpoint` is one of the names under which others may know this peer. */
export function answersTo(connection: PeerConnection, endpoint: Endpoint): boolean {
  const { remote } = connection.stream;
  if (remote.host !== endpoint.host) return false;
  return remote.port === endpoint.port || connection.extended?.listenPort === endpoint.port;
}

/** A spliced connection does not count: a straight one is what is wanted in its place. */
export function isConnectedTo(connections: Iterable<PeerConnection>, endpoint: Endpoint): boolean {
  for (const connection of connections) {
    if (!connection.isAdmitted || connection.isClosing) continue;
    if (connection.stream.transport !== 'relayed' && answersTo(connection, endpoint)) return true;
  }
  return false;
}

export class PunchRelay {
  readonly #isSelf: (endpoint: Endpoint) => boolean;
  readonly #limits = new WeakMap<PeerConnection, SignalLimit>();

  constructor(isSelf: (endpoint: Endpoint) => boolean) {
    this.#isSelf = isSelf;
  }

  /**
   * @param payload the rendezvous as it came
   * @param connections of the torrent
   */
  handleRendezvous(
    asker: PeerConnection,
    endpoint: Endpoint,
    payload: Uint8Array,
    connections: Iterable<PeerConnection>,
    nowMs: number,
  ): void {
    // BEP 55: whoever does not take the extension gets no answer; whoever asks too often gets none either.
    if (!asker.wire.peerTakes(UT_HOLEPUNCH.name) || !this.#limitOf(asker).take(nowMs)) return;
    const outcome = this.#judge(asker, endpoint, connections, nowMs);
    if (typeof outcome === 'number') {
      asker.wire.sendExtended(UT_HOLEPUNCH.name, encodeHolepunchError(payload, outcome));
      return;
    }
    outcome.target.wire.sendExtended(UT_HOLEPUNCH.name, encodeHolepunch('connect', outcome.from));
    asker.wire.sendExtended(UT_HOLEPUNCH.name, encodeHolepunch('connect', outcome.to));
  }

  #judge(
    asker: PeerConnection,
    endpoint: Endpoint,
    connections: Iterable<PeerConnection>,
    nowMs: number,
  ): PunchErrorCode | { readonly target: PeerConnection; readonly from: Endpoint; readonly to: Endpoint } {
    if (!isDialable(endpoint)) return PUNCH_ERRORS.noSuchPeer;
    // "Self" is us by the text, and the asker by what libtorrent and Transmission do: a peer hears of itself through PEX.
    if (this.#isSelf(endpoint) || answersTo(asker, endpoint)) return PUNCH_ERRORS.noSelf;
    const target = findTarget(connections, endpoint);
    const from = openEndpoint(asker);
    const to = target === undefined ? undefined : openEndpoint(target);
    if (target === undefined || to === undefined || from === undefined) return PUNCH_ERRORS.notConnected;
    // One is met inside our network, the other outside: neither is to be found where we see it.
    if (isPrivateAddress(from.host) !== isPrivateAddress(to.host)) return PUNCH_ERRORS.notConnected;
    if (!target.wire.peerTakes(UT_HOLEPUNCH.name)) return PUNCH_ERRORS.noSupport;
    // What a flood costs its victims is bounded at both ends of the relay.
    if (!this.#limitOf(target).take(nowMs)) return PUNCH_ERRORS.notConnected;
    return { target, from, to };
  }

  #limitOf(connection: PeerConnection): SignalLimit {
    let limit = this.#limits.get(connection);
    if (limit === undefined) {
      limit = new SignalLimit();
      this.#limits.set(connection, limit);
    }
    return limit;
  }
}

/** An exact match of the socket's endpoint goes before an announced port: behind one NAT many announce the same one. */
function findTarget(connections: Iterable<PeerConnection>, endpoint: Endpoint): PeerConnection | undefined {
  const key = endpointKey(endpoint);
  let announced: PeerConnection | undefined;
  for (const connection of connections) {
    if (!connection.isAdmitted || connection.isClosing || !answersTo(connection, endpoint)) continue;
    if (endpointKey(connection.stream.remote) === key) return connection;
    announced ??= connection;
  }
  return announced;
}
