// Two connections to one peer: which of them stays, and how the other goes. Pure.
import { compareBytes } from '../base/bytes.ts';
import { sourceOf } from '../base/endpoint.ts';
import { SPLICE_LINGER_MS } from '../nat/ladder.ts';
import type { PeerConnection } from './peer/peer-connection.ts';
import { FOUND_AGAIN_MS, HANDSHAKE_TIMEOUT_MS, STALLED_MS } from './peer-limits.ts';
import { isUnheard } from './silent-peers.ts';

/** How the elder of two goes: after a while beside the newer one, or at once. */
export type Farewell =
  | { readonly lingersMs: number }
  | { readonly closesAs: string; readonly isOurWish: boolean };

/** A relay passes its bytes on. */
export function isSpliced({ stream }: PeerConnection): boolean {
  return stream.transport === 'relayed';
}

/** Another connection that stands, to the peer of this id. */
export function twinOf(
  connection: PeerConnection,
  peerId: Uint8Array,
  connections: Iterable<PeerConnection>,
): PeerConnection | undefined {
  for (const other of connections) {
    if (other === connection || !other.isAdmitted || other.isClosing) continue;
    const theirs = other.handshake?.peerId;
    if (theirs !== undefined && compareBytes(theirs, peerId) === 0) return other;
  }
  return undefined;
}

/** @returns how the elder goes; undefined when it stays, and the newer one is not wanted */
export function farewellOf(
  elder: PeerConnection,
  newer: PeerConnection,
  ids: { readonly own: Uint8Array; readonly peer: Uint8Array },
  nowMs: number,
): Farewell | undefined {
  // A straight way at last: the relay is spared as soon as that has proved itself.
  if (isSpliced(elder) && !isSpliced(newer)) return { lingersMs: SPLICE_LINGER_MS };
  if (elder.soughtCount > 0) return { lingersMs: FOUND_AGAIN_MS };
  // Whoever dials us once more has heard nothing from us either.
  if (isUnheard(elder, nowMs) || isForgotten(elder, newer, nowMs))
    return { closesAs: 'the peer came back', isOurWish: true };
  if (isImpostor(newer, elder, nowMs)) return undefined;
  return prevails(newer, elder, ids) ? { closesAs: 'connected already', isOurWish: false } : undefined;
}

/** Both sides must keep the same of two connections that crossed: the one that the greater peer id dialled. */
function prevails(
  newer: PeerConnection,
  elder: PeerConnection,
  ids: { readonly own: Uint8Array; readonly peer: Uint8Array },
): boolean {
  if (isSpliced(newer) && !isSpliced(elder)) return false;
  if (newer.isIncoming === elder.isIncoming) return false;
  const weAreGreater = compareBytes(ids.own, ids.peer) > 0;
  return newer.isIncoming !== weAreGreater;
}

/**
 * Somebody at another address says that he is a peer whose connection stands and works. Two that crossed are young both and have moved
 * nothing; anybody else may have read the peer id in a handshake of theirs, and would take the place of a seed with it.
 */
function isImpostor(newer: PeerConnection, elder: PeerConnection, nowMs: number): boolean {
  if (isSpliced(newer) || isSpliced(elder)) return false;
  if (sourceOf(newer.stream.remote.host) === sourceOf(elder.stream.remote.host)) return false;
  return elder.payloadBytes > 0 || nowMs - elder.openedAtMs > HANDSHAKE_TIMEOUT_MS;
}

/** It has said nothing for long, wants nothing that we hold back, and here it is again: what we sent last did not get there. */
function isForgotten(
  { lastReceivedAtMs, swarmPeer, stream }: PeerConnection,
  again: PeerConnection,
  nowMs: number,
): boolean {
  // Of a peer with two addresses both may be known, and in use one after the other.
  if (stream.remote.host !== again.stream.remote.host) return false;
  return swarmPeer?.requestsIn === 0 && nowMs - lastReceivedAtMs >= STALLED_MS;
}
