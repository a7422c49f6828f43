// Where the nodes of a crawl are: the map of the world, and the countries that have most of them. Pure.
import type { PlaceCounts } from '../../dht/crawl/io/places.ts';
import { shareBar } from '../terminal/charts.ts';
import { safeText } from '../terminal/text.ts';
import { formatShare } from '../terminal/units.ts';
import { cell, edges, type Line, span } from '../ui/styled.ts';
import { bigNumber } from './crawl-text.ts';
import { countryPoint, type MapPoint, pointMark, worldMap } from './world-map.ts';

/** Rows of a map for each of its columns: a globe unrolled, somewhat stretched where most people live. */
const MAP_ASPECT = 0.24;
const LEAST_MAP_ROWS = 5;
const LEAST_COUNTRY_ROWS = 3;
/** Below the map: fewer rows are for countries alone. */
const LEAST_FOR_SYSTEMS = 8;
const COUNT_COLUMNS = 8;
const SHARE_COLUMNS = 7;
const LEAST_NAME_COLUMNS = 10;
const MOST_NAME_COLUMNS = 26;

let names: Intl.DisplayNames | undefined;

/** `DE Germany`; the code alone where there is no name. */
export function countryName(code: string): string {
  names ??= new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
  const name = /^[A-Z]{2}$/.test(code) ? names.of(code) : undefined;
  return name === undefined ? safeText(code) : `${code} ${name}`;
}

function mapPoints(countries: ReadonlyMap<string, number>): MapPoint[] {
  return [...countries].flatMap(([code, count]) => countryPoint(code, count) ?? []);
}

/** The greatest first, as `name ███░░ 1 234 56.7%`. */
export function tallyLines(
  tallies: readonly (readonly [name: string, count: number])[],
  total: number,
  columns: number,
  most: number,
): Line[] {
  const nameColumns = Math.max(LEAST_NAME_COLUMNS, Math.min(MOST_NAME_COLUMNS, Math.floor(columns * 0.44)));
  const width = columns - nameColumns - COUNT_COLUMNS - SHARE_COLUMNS - 1;
  return [...tallies]
    .sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1))
    .slice(0, Math.max(0, most))
    .map(([name, count]) => [
      cell(safeText(name), nameColumns),
      ' ',
      ...(width > 0 ? [span('up', shareBar(total === 0 ? 0 : count / total, width))] : []),
      cell(bigNumber(count), COUNT_COLUMNS, 'right'),
      cell(formatShare(count, total), SHARE_COLUMNS, 'right'),
    ]);
}

function legend(countries: ReadonlyMap<string, number>): string {
  const most = Math.max(0, ...countries.values());
  return [1, 10, 100, 1000]
    .filter((count) => count <= most)
    .map((count) => `${pointMark(count)} ${count}+`)
    .join('  ');
}

/** `columns` wide, at most `rows` high: the map where it can be read, then countries. */
export function placeLines(
  { countries, systems, looked }: PlaceCounts,
  columns: number,
  rows: number,
): Line[] {
  if (rows < 2) return [];
  const known = [...countries.values()].reduce((sum, count) => sum + count, 0);
  const listed = [...countries].map(([code, count]) => [countryName(code), count] as const);
  const mapRows = Math.min(
    rows - 1 - Math.min(LEAST_COUNTRY_ROWS, listed.length),
    Math.ceil(columns * MAP_ASPECT),
  );
  const map = mapRows < LEAST_MAP_ROWS ? [] : worldMap(mapPoints(countries), columns, mapRows);
  const what =
    looked === 0
      ? 'countries'
      : `${countries.size} countries${systems.size === 0 ? '' : `, ${bigNumber(systems.size)} AS`}`;
  const unknown = looked - known;
  const right = map.length > 0 ? legend(countries) : unknown > 0 ? `${bigNumber(unknown)} unknown` : '';
  const below = rows - 1 - map.length;
  const systemRows = systems.size > 0 && below >= LEAST_FOR_SYSTEMS ? Math.floor(below * 0.4) : 0;
  return [
    edges([span('dim', what)], [span('dim', right)], columns),
    ...map,
    ...tallyLines(listed, looked, columns, below - systemRows),
    ...(systemRows === 0 ? [] : [[span('dim', 'autonomous systems')]]),
    ...tallyLines([...systems], looked, columns, systemRows - 1),
  ];
}
