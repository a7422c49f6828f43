// The world map: land where land is, points in their cells, whatever the size.
import { describe, expect, it } from 'vitest';
import { countryPoint, isLand, pointMark, worldMap } from '../../../cli/crawl/world-map.ts';
import { COUNTRY_PLACES } from '../../../cli/crawl/world-places.ts';
import { lineWidth, plainText } from '../../../cli/ui/styled.ts';

describe('world map', () => {
  it('knows continents from oceans', () => {
    const land = [
      [48, 2],
      [55, 60],
      [30, 105],
      [40, -100],
      [-10, -55],
      [10, 20],
      [-25, 135],
      [21, 78],
      [66, -172],
    ];
    const sea = [
      [0, -150],
      [30, -45],
      [-30, 80],
      [-40, -120],
      [40, 180],
      [0, -25],
      [15, -75],
      [35, 18],
      [43, 34],
    ];
    for (const [lat, lon] of land) expect(isLand(lat as number, lon as number), `${lat} ${lon}`).toBe(true);
    for (const [lat, lon] of sea) expect(isLand(lat as number, lon as number), `${lat} ${lon}`).toBe(false);
  });

  it('puts countries on or beside land', () => {
    for (const [code, [lat, lon]] of Object.entries(COUNTRY_PLACES)) {
      const around = [-3, 0, 3].flatMap((dLat) => [-3, 0, 3].map((dLon) => isLand(lat + dLat, lon + dLon)));
      // Islands smaller than a dot are left out of the map, not of the table.
      if (!['MU', 'MT', 'PR', 'JM', 'TT'].includes(code)) expect(around.includes(true), code).toBe(true);
    }
    expect(countryPoint('de', 7)).toEqual({ lat: 51, lon: 10, count: 7 });
    expect(countryPoint('XX')).toBeUndefined();
  });

  it('has the size that was asked for, in braille and in ASCII', () => {
    for (const [width, height] of [
      [1, 1],
      [40, 10],
      [80, 20],
      [120, 40],
      [200, 55],
    ] as const) {
      for (const ascii of [false, true]) {
        const lines = worldMap([{ lat: 51, lon: 10 }], width, height, { ascii });
        expect(lines).toHaveLength(height);
        for (const line of lines) expect(lineWidth(line)).toBe(width);
        expect(lines.map(plainText).join('')).toContain('o');
        if (ascii) expect(lines.map(plainText).join('')).toMatch(/^[ .o]*$/);
      }
    }
    expect(worldMap([], 0, 5)).toEqual([]);
  });

  it('adds up points of a cell, turns the globe, drops what is no place', () => {
    const text = (points: Parameters<typeof worldMap>[0]): string =>
      worldMap(points, 80, 20).map(plainText).join('\n');
    const many = Array.from({ length: 12 }, () => ({ lat: 51, lon: 10 }));
    expect(text(many)).toContain('O');
    expect(text([{ lat: 51, lon: 10, count: 5000 }])).toContain('@');
    expect(text([{ lat: 51, lon: 370 }])).toBe(text([{ lat: 51, lon: 10 }]));
    const empty = text([]);
    for (const [lat, lon] of [
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
      [90, 0],
      [-90, 0],
    ] as const)
      expect(text([{ lat, lon }])).toBe(empty);
    expect([1, 9, 10, 99, 100, 1000, 1e9].map(pointMark).join('')).toBe('ooOO0@@');
  });
});
