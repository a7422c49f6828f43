// A map of the world of characters, with points on it: where the nodes of a crawl are. Pure. The coasts are our own, drawn by hand
// from general knowledge as polygons of a few degrees' precision: good for telling continents, not for anything else.

import { type Line, type Span, span } from '../ui/styled.ts';
import { LAND } from './world-land.ts';
import { COUNTRY_PLACES } from './world-places.ts';

export interface MapPoint {
  /** Degrees, north and east positive. */
  readonly lat: number;
  readonly lon: number;
  /** How many are there; default 1. */
  readonly count?: number;
}

export interface MapOptions {
  /** `.` for land instead of braille dots: for fonts and terminals without them. */
  readonly ascii?: boolean;
}

/** What is drawn of the globe: nobody has a node beyond. */
const NORTH = 78;
const SOUTH = -56;
const WEST = -170;
const EAST = 190;
const BRAILLE_BASE = 0x2800;
/** Bits of a cell by row and column (Unicode Braille Patterns). */
const DOT_BITS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const DOT_ROWS = DOT_BITS.length;
const DOT_COLUMNS = 2;
/** From the first to the last: each stands for ten times as many as the one before. */
const POINT_MARKS = ['o', 'O', '0', '@'] as const;

/** Even-odd rule. @param ring lon, lat, lon, lat, ... */
function isInside(lon: number, lat: number, ring: readonly number[]): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [x1, y1, x2, y2] = [ring[i], ring[i + 1], ring[j], ring[j + 1]] as [number, number, number, number];
    if (y1 > lat !== y2 > lat && lon < ((x2 - x1) * (lat - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

/** Whether there is land at that place, as far as this map knows. */
export function isLand(lat: number, lon: number): boolean {
  // Siberia's tip lies beyond 180 degrees.
  return LAND.some(
    (ring) => isInside(lon, lat, ring) || isInside(lon > 180 ? lon - 360 : lon + 360, lat, ring),
  );
}

const landCache = new Map<string, readonly string[]>();
/** A terminal that is resized by hand goes through many sizes. */
const MOST_CACHED = 8;

/** The empty map: the same for every picture of a size, and the dearest part of it. */
function landRows(width: number, height: number, ascii: boolean): readonly string[] {
  const key = `${width} ${height} ${ascii}`;
  const known = landCache.get(key);
  if (known !== undefined) return known;
  if (landCache.size >= MOST_CACHED) landCache.clear();
  const [columns, rows] = ascii ? [1, 1] : [DOT_COLUMNS, DOT_ROWS];
  const lines: string[] = [];
  for (let y = 0; y < height; y++) {
    let line = '';
    for (let x = 0; x < width; x++) {
      let dots = 0;
      for (let dy = 0; dy < rows; dy++) {
        for (let dx = 0; dx < columns; dx++) {
          const lat = NORTH - ((y + (dy + 0.5) / rows) / height) * (NORTH - SOUTH);
          const lon = WEST + ((x + (dx + 0.5) / columns) / width) * (EAST - WEST);
          // Every other dot: a light grey that points stand out from, without colour too.
          if ((ascii || (dx + dy) % 2 === 0) && isLand(lat, lon)) dots |= DOT_BITS[dy]?.[dx as 0 | 1] ?? 0;
        }
      }
      line += dots === 0 ? ' ' : ascii ? '.' : String.fromCodePoint(BRAILLE_BASE + dots);
    }
    lines.push(line);
  }
  landCache.set(key, lines);
  return lines;
}

/** The cell of a place; undefined beyond the map. */
function cellOf(
  { lat, lon }: MapPoint,
  width: number,
  height: number,
): readonly [x: number, y: number] | undefined {
  if (!Number.isFinite(lat) || !Number.isFinite(lon)) return undefined;
  const turned = ((((lon - WEST) % 360) + 360) % 360) + WEST;
  const x = Math.floor(((turned - WEST) / (EAST - WEST)) * width);
  const y = Math.floor(((NORTH - lat) / (NORTH - SOUTH)) * height);
  return x < 0 || x >= width || y < 0 || y >= height ? undefined : [x, y];
}

/** `o` for one to nine, `O` to 99, `0` to 999, `@` for more: read without colour too. */
export function pointMark(count: number): string {
  const power = Math.min(POINT_MARKS.length - 1, Math.floor(Math.log10(Math.max(1, count)) + 1e-9));
  return POINT_MARKS[power] as string;
}

/** Exactly `height` lines of at most `width` columns; points of one cell are added up. */
export function worldMap(
  points: readonly MapPoint[],
  width: number,
  height: number,
  { ascii = false }: MapOptions = {},
): Line[] {
  if (width < 1 || height < 1) return [];
  const counts = new Map<number, number>();
  for (const point of points) {
    const cell = cellOf(point, width, height);
    if (cell === undefined) continue;
    const at = cell[1] * width + cell[0];
    counts.set(at, (counts.get(at) ?? 0) + (point.count ?? 1));
  }
  return landRows(width, height, ascii).map((row, y) => {
    const characters = [...row];
    const line: (string | Span)[] = [];
    let land = '';
    const flush = (): void => {
      if (land !== '') line.push(span('dim', land));
      land = '';
    };
    for (let x = 0; x < width; x++) {
      const count = counts.get(y * width + x);
      if (count === undefined) {
        land += characters[x];
        continue;
      }
      flush();
      line.push(span('key', pointMark(count)));
    }
    flush();
    return line;
  });
}

/** About the middle of where people live. @param code ISO 3166-1 alpha-2 @returns undefined for one that is not known */
export function countryPoint(code: string, count = 1): MapPoint | undefined {
  const place = COUNTRY_PLACES[code.toUpperCase()];
  return place === undefined ? undefined : { lat: place[0], lon: place[1], count };
}
