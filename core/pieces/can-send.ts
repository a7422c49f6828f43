// Which pieces may be asked of a peer now.
import type { PickerPeer } from './picker-types.ts';

/** It has the piece, and it does not choke us or allows this one in spite of that (BEP 6). */
export function canSend(peer: PickerPeer, piece: number): boolean {
  return peer.pieces.has(piece) && (!peer.isChoked || peer.allowedFast?.has(piece) === true);
}
