// The pictures and steps that panels are made of.

import { describe, expect, it } from 'vitest';
import { brailleArea, shareBar, sparkline } from '../../../cli/terminal/charts.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import { History } from '../../../cli/ui/history.ts';
import stringWidth from '../../../cli/ui/ink-width.ts';
import { KEYS, keyName } from '../../../cli/ui/keys.ts';
import { lowerLimit, raiseLimit } from '../../../cli/ui/limits.ts';
import { pieceLines } from '../../../cli/ui/panels/piece-lines.ts';
import { pieceCells } from '../../../cli/ui/piece-map.ts';
import { PANELS } from '../../../cli/ui/state.ts';
import { edges, fitLine, type Line, lineWidth, paintLine, plainText, span } from '../../../cli/ui/styled.ts';
import fc from '../../support/property.ts';
import { peer, session, torrent } from '../../support/screen-rig.ts';

describe('piece map', () => {
  it('counts every piece once, whatever the number of cells', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 500 }),
        (pieces, unused, mostCells) => {
          const pieceCount = pieces.length * 8 - unused + 1;
          const open = pieceCount > 3 ? [0, pieceCount - 1] : [];
          const availability = new Uint8Array(pieceCount).fill(3);
          const cells = pieceCells(
            { pieceCount, pieces, openPieces: open, pieceAvailability: availability },
            mostCells,
          );
          let have = 0;
          for (let i = 0; i < pieceCount; i++) have += ((pieces[i >> 3] as number) >> (7 - (i & 7))) & 1;
          const sum = (pick: (cell: (typeof cells)[number]) => number): number =>
            cells.reduce((total, cell) => total + pick(cell), 0);
          expect(cells).toHaveLength(Math.min(pieceCount, mostCells));
          expect(sum((cell) => cell.pieces)).toBe(pieceCount);
          expect(sum((cell) => cell.have)).toBe(have);
          expect(sum((cell) => cell.inFlight)).toBe(open.length);
          for (const cell of cells) expect(cell.rarest).toBe(cell.have < cell.pieces ? 3 : undefined);
        },
      ),
    );
  });

  it('has a character for each state: there, in part, in flight, missing, had by nobody', () => {
    const availability = Uint8Array.from([1, 1, 1, 1, 0, 2, 9, 9]);
    const text = pieceLines(
      torrent({
        pieceCount: 8,
        pieces: Uint8Array.of(0b1010_0001),
        openPieces: [3],
        pieceAvailability: availability,
        peers: Array.from({ length: 9 }, () => peer()),
      }),
      80,
      20,
    ).map(plainText);
    expect(text[1]).toBe('█-█+!-·█');
    expect(text.at(-1)).toMatch(/have .*part .*in flight .*missing .*nobody/);
    expect(text[0]).toContain('1 in flight');
  });

  it('calls nothing rare among few peers, and nothing absent among none', () => {
    const pieces = new Uint8Array(1);
    const map = (peers: number): string =>
      plainText(
        pieceLines(
          torrent({
            pieceCount: 4,
            pieces,
            openPieces: [],
            pieceAvailability: Uint8Array.from([0, 1, 2, 3]),
            peers: Array.from({ length: peers }, () => peer()),
          }),
          80,
          20,
        )[1] as Line,
      );
    expect(map(9)).toBe('!--·');
    expect(map(3)).toBe('!···');
    expect(map(0)).toBe('····');
  });

  it('shades cells of several pieces', () => {
    const pieces = Uint8Array.of(0xff, 0b1111_1100, 0b1000_0000, 0);
    const cells = pieceLines(torrent({ pieceCount: 32, pieces, openPieces: [] }), 4, 5).map(plainText);
    expect(cells[1]).toBe('█▓▒·');
  });
});

describe('the width of text for Ink', () => {
  it('is ours, without styles', () => {
    for (const text of ['', 'abc', '漢字', 'हिन्दी', '👩‍👩‍👧', '⣿█'])
      for (const styled of [text, `\u001b[1;36m${text}\u001b[22;39m`])
        expect(stringWidth(styled)).toBe(textWidth(text));
    expect(stringWidth('\u001b[1ma', { countAnsiEscapeCodes: true })).toBeGreaterThan(1);
  });
});

describe('charts', () => {
  it('braille fills from the bottom, newest at the right', () => {
    expect(brailleArea([1, 2, 3, 4], 2, 1, 4)).toEqual(['⣠⣾']);
    expect(brailleArea([8], 2, 2, 8)).toEqual([' ⢸', ' ⢸']);
    expect(brailleArea([], 3, 1, 0)).toEqual(['   ']);
    // Little is not nothing.
    expect(brailleArea([1, 1_000_000], 1, 1, 1_000_000)).toEqual(['⣸']);
  });

  it('sparkline and bar keep their width', () => {
    expect(sparkline([0, 1, 8], 5)).toBe('  ▁▁█');
    expect(sparkline([], 3)).toBe('   ');
    expect(shareBar(0, 4)).toBe('░░░░');
    expect(shareBar(0.5, 4)).toBe('██░░');
    expect(shareBar(1, 4)).toBe('████');
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 2, noNaN: true }),
        fc.integer({ min: 1, max: 300 }),
        (share, columns) => {
          expect(textWidth(shareBar(share, columns))).toBe(columns);
        },
      ),
    );
  });
});

describe('history', () => {
  it('takes one sample a second, keeps ten minutes, forgets torrents that are gone', () => {
    const history = new History();
    for (let atMs = 0; atMs < 1_000_000; atMs += 250) history.add(session([torrent()], { atMs }));
    expect(history.total.down).toHaveLength(600);
    expect(history.of('a'.repeat(40)).up).toHaveLength(600);
    history.add(session([], { atMs: 2_000_000 }));
    expect(history.of('a'.repeat(40)).up).toHaveLength(0);
    history.add(session([], { atMs: 2_000_100 }));
    expect(history.total.down.at(-1)).toBe(0);
    expect(history.total.down.at(-2)).not.toBe(0);
  });
});

describe('limits', () => {
  it('steps up to none and down from what moves', () => {
    const MIB = 1 << 20;
    expect(raiseLimit(MIB)).toBe(2 * MIB);
    expect(raiseLimit(1000 * MIB)).toBe(0);
    expect(raiseLimit(0)).toBe(0);
    expect(lowerLimit(0, 12 * MIB)).toBe(10 * MIB);
    expect(lowerLimit(0, 0)).toBe(8192);
    expect(lowerLimit(2 * MIB, 0)).toBe(MIB);
    expect(lowerLimit(8192, 0)).toBe(8192);
  });
});

describe('keys', () => {
  it('mean one thing each in every panel', () => {
    for (const panel of [undefined, ...PANELS]) {
      const seen = KEYS.filter((spec) => spec.panel === undefined || spec.panel === panel).flatMap(
        ({ keys }) => keys,
      );
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  it('have names', () => {
    expect(keyName('', { upArrow: true })).toBe('up');
    expect(keyName('', { tab: true, shift: true })).toBe('shift-tab');
    expect(keyName('c', { ctrl: true })).toBe('ctrl-c');
    expect(keyName(' ', {})).toBe('space');
    expect(keyName('', { delete: true })).toBe('backspace');
    expect(keyName('G', { shift: true })).toBe('G');
  });
});

describe('lines', () => {
  it('are cut to the width with a sign of it, styles and all', () => {
    expect(plainText(fitLine(['abc', span('bold', 'def')], 6))).toBe('abcdef');
    expect(plainText(fitLine(['abc', span('bold', 'def')], 5))).toBe('abcd…');
    expect(plainText(fitLine(['abc', span('bold', 'def')], 3))).toBe('ab…');
    expect(plainText(fitLine(['漢字', 'x'], 4))).toBe('漢…');
    expect(paintLine([span('good', 'abcdef')], 4, true)).toBe('\u001b[32mabc…\u001b[39m');
    expect(paintLine([span('good', 'abc')], 4, false)).toBe('abc');
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.integer({ min: 0, max: 40 }),
        (parts, columns) => {
          expect(lineWidth(fitLine(parts, columns))).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it('keep the right edge when the left is too long', () => {
    expect(plainText(edges(['left'], ['right'], 12))).toBe('left   right');
    expect(plainText(edges(['a long left'], ['right'], 12))).toBe('a lon… right');
  });
});
