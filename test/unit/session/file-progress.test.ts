import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { PieceLayout } from '../../../core/metainfo/layout.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { FileProgress } from '../../../core/session/file-progress.ts';

/** Files by length, in pieces of 10 bytes; `p` marks padding. */
function torrent(...lengths: (number | `p${number}`)[]): Metainfo {
  let offset = 0;
  const files = lengths.map((given, index) => {
    const isPadding = typeof given === 'string';
    const length = isPadding ? Number(given.slice(1)) : given;
    const file = {
      index,
      path: [`${index}`],
      length,
      offset,
      isPadding,
      isExecutable: false,
      isHidden: false,
      symlinkTarget: undefined,
    };
    offset += length;
    return file;
  });
  return { files, layout: new PieceLayout(offset, 10) } as unknown as Metainfo;
}

describe('files and pieces', () => {
  it('a file is complete with its last piece, in whatever order they come', () => {
    const metainfo = torrent(15, 5, 0, 12);
    const progress = new FileProgress(metainfo, new Bitfield(4));
    expect(progress.pieceVerified(1)).toEqual([1]);
    expect(progress.pieceVerified(0)).toEqual([0]);
    expect(progress.pieceVerified(3)).toEqual([]);
    expect(progress.pieceVerified(2)).toEqual([3]);
  });

  it('counts what was there at the start, and says nothing of padding', () => {
    const have = new Bitfield(2);
    have.set(0);
    const progress = new FileProgress(torrent(12, 'p8'), have);
    expect(progress.pieceVerified(1)).toEqual([0]);
  });

  it('many files in one piece are all complete at once', () => {
    const progress = new FileProgress(torrent(1, 2, 3, 4, 10), new Bitfield(2));
    expect(progress.pieceVerified(0)).toEqual([0, 1, 2, 3]);
  });

  it('a piece is as wanted as the most wanted file it touches; padding wants nothing', () => {
    const progress = new FileProgress(torrent(15, 10, 'p5', 10), new Bitfield(4));
    expect(progress.piecePriorities([0, 7, 4, 1])).toEqual([0, 7, 7, 1]);
  });
});
