// The torrent of the kill test: pieces of two segments over files of odd lengths.
import { type MadeTorrent, makeTorrent } from './support.ts';

export function killTorrent(): MadeTorrent {
  const lengths = [13_000_001, 7, 900_000, 20_000_000, 1 << 20, 3, 12_345_678];
  return makeTorrent(
    lengths.map((length, i) => ({ path: [`dir-${i % 3}`, `file-${i}`], length })),
    1_500_000 - (1_500_000 % 16_384),
    { name: 'killed', seed: 5 },
  );
}
