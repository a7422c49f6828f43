// Who told us of whom (BEP 11), and so who can introduce us (BEP 55). Bounded: a peer may tell of thousands.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { isPrivateAddress } from '../../base/local-address.ts';
import { UT_HOLEPUNCH } from '../../wire/extensions.ts';
import type { PexPeer } from '../../wire/ut-pex.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';

/** Endpoints remembered of one teller; PEX names at most 50 a minute, so this is an hour of a busy swarm. */
const MAX_TOLD = 3000;

export interface Told {
  /** Nobody of those who told us dialled it, or nobody says so. */
  readonly isHidden: boolean;
  readonly supportsHolepunch: boolean;
}

export class Introducers {
  readonly #byTeller = new Map<PeerConnection, Map<string, Told>>();

  handleTold(teller: PeerConnection, peer: PexPeer): void {
    let told = this.#byTeller.get(teller);
    if (told === undefined) {
      told = new Map();
      this.#byTeller.set(teller, told);
    }
    const key = endpointKey(peer.endpoint);
    told.delete(key);
    if (told.size >= MAX_TOLD) told.delete(told.keys().next().value as string);
    told.set(key, {
      isHidden: peer.isReachable !== true,
      supportsHolepunch: peer.supportsHolepunch === true,
    });
  }

  handleDropped(teller: PeerConnection, endpoint: Endpoint): void {
    this.#byTeller.get(teller)?.delete(endpointKey(endpoint));
  }

  leave(teller: PeerConnection): void {
    this.#byTeller.delete(teller);
  }

  /** What is said of an endpoint; undefined when nobody said anything. Whoever dialled it himself is believed before others. */
  toldOf(endpoint: Endpoint): Told | undefined {
    const key = endpointKey(endpoint);
    let all: Told | undefined;
    for (const told of this.#byTeller.values()) {
      const one = told.get(key);
      if (one === undefined) continue;
      all = {
        isHidden: one.isHidden && all?.isHidden !== false,
        supportsHolepunch: one.supportsHolepunch || all?.supportsHolepunch === true,
      };
    }
    return all;
  }

  /**
   * Neighbours worth asking, in order: those who told of the endpoint, then others, who may know it under this name all the same.
   */
  for(endpoint: Endpoint, connections: Iterable<PeerConnection>): PeerConnection[] {
    const key = endpointKey(endpoint);
    const tellers: PeerConnection[] = [];
    const others: PeerConnection[] = [];
    for (const connection of connections) {
      if (!connection.isAdmitted || connection.isClosing) continue;
      if (!connection.wire.peerTakes(UT_HOLEPUNCH.name)) continue;
      // It would introduce us by an address that means nothing out there.
      if (isPrivateAddress(connection.stream.remote.host) && !isPrivateAddress(endpoint.host)) continue;
      if (this.#byTeller.get(connection)?.has(key) === true) tellers.push(connection);
      else others.push(connection);
    }
    return [...tellers, ...others.slice(0, MAX_STRANGERS)];
  }
}

/** Asked on the chance that they know the target: a refusal costs two small messages. */
const MAX_STRANGERS = 2;
