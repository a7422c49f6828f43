// The pieces of a torrent as cells of a picture: how much of each cell is there, in flight, or had by nobody. Pure.
import type { TorrentSnapshot } from '../../core/session/snapshot.ts';

export interface PieceCell {
  readonly pieces: number;
  readonly have: number;
  readonly inFlight: number;
  /** Fewest peers that have any one missing piece of the cell; undefined: none is missing, or it is not known. */
  readonly rarest: number | undefined;
}

const BITS_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});

/** Ones in [first, end) of a BEP 3 bitfield. */
function countOnes(bits: Uint8Array, first: number, end: number): number {
  let count = 0;
  let at = first;
  while (at < end) {
    const byte = bits[at >> 3] ?? 0;
    if ((at & 7) === 0 && at + 8 <= end) {
      count += BITS_OF_BYTE[byte] as number;
      at += 8;
    } else {
      count += (byte >> (7 - (at & 7))) & 1;
      at++;
    }
  }
  return count;
}

function hasPiece(bits: Uint8Array, piece: number): boolean {
  return (((bits[piece >> 3] ?? 0) >> (7 - (piece & 7))) & 1) === 1;
}

type MapInput = Pick<TorrentSnapshot, 'pieceCount' | 'pieces' | 'openPieces' | 'pieceAvailability'>;

/** At most `mostCells`, each of about as many pieces as the others; fewer when there are fewer pieces. */
export function pieceCells(torrent: MapInput, mostCells: number): PieceCell[] {
  const { pieceCount, pieces, pieceAvailability } = torrent;
  const count = Math.min(pieceCount, Math.max(0, mostCells));
  if (count === 0) return [];
  const inFlight = new Uint32Array(count);
  for (const piece of torrent.openPieces) {
    const index = Math.min(count - 1, Math.floor((piece * count) / pieceCount));
    inFlight[index] = (inFlight[index] as number) + 1;
  }
  const cells: PieceCell[] = [];
  for (let i = 0; i < count; i++) {
    // The inverse of the rounding above: cell i holds every piece p with floor(p * count / pieceCount) = i.
    const first = Math.ceil((i * pieceCount) / count);
    const end = Math.ceil(((i + 1) * pieceCount) / count);
    const have = countOnes(pieces, first, end);
    let rarest: number | undefined;
    if (pieceAvailability !== undefined && have < end - first) {
      for (let piece = first; piece < end; piece++) {
        if (hasPiece(pieces, piece)) continue;
        const peers = pieceAvailability[piece] ?? 0;
        if (rarest === undefined || peers < rarest) rarest = peers;
      }
    }
    cells.push({ pieces: end - first, have, inFlight: inFlight[i] as number, rarest });
  }
  return cells;
}
