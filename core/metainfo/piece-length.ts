// The piece length of new torrents.
import { BLOCK_BYTES } from './layout.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/**
 * Largest content for each piece length, along the lines Transmission and libtorrent draw: some 1,000 to 2,000 pieces keep the
 * .torrent at tens of kilobytes, so a magnet's metadata arrives in an instant, while a corrupt piece still costs little.
 */
const STEPS: readonly (readonly [upToBytes: number, pieceLength: number])[] = [
  [16 * MIB, 16 * KIB],
  [50 * MIB, 32 * KIB],
  [150 * MIB, 64 * KIB],
  [350 * MIB, 128 * KIB],
  [512 * MIB, 256 * KIB],
  [GIB, 512 * KIB],
  [2 * GIB, MIB],
  [4 * GIB, 2 * MIB],
  [8 * GIB, 4 * MIB],
  [32 * GIB, 8 * MIB],
];
/** Clients hold whole pieces in memory, and older ones refuse more: beyond 32 GiB the count grows instead. */
const LARGEST = 16 * MIB;

/** What may be asked for: one block, to the largest that clients in use take. */
export const PIECE_LENGTH_RANGE = { min: BLOCK_BYTES, max: 64 * MIB } as const;

export function choosePieceLength(totalBytes: number): number {
  return STEPS.find(([upToBytes]) => totalBytes <= upToBytes)?.[1] ?? LARGEST;
}

/** Whether `pieceLength` is a power of two within PIECE_LENGTH_RANGE: all that every client takes. */
export function isUsablePieceLength(pieceLength: number): boolean {
  const { min, max } = PIECE_LENGTH_RANGE;
  return pieceLength >= min && pieceLength <= max && Number.isInteger(Math.log2(pieceLength));
}
