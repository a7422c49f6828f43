// Charts of a report: ticks at round numbers, SVG that is well-formed whatever strangers call themselves, curves where they belong.

import { describe, expect, it } from 'vitest';
import { type Chart, chartSvg, type LineChart } from '../../../dht/report/chart.ts';
import { cumulative, histogramOf } from '../../../dht/report/figures.ts';
import { formatSeconds, linearTicks, logTicks, stepOf, type Tick } from '../../../dht/report/ticks.ts';
import fc from '../../support/property.ts';

const values = (ticks: readonly Tick[]): number[] => ticks.map(({ value }) => value);
const labels = (ticks: readonly Tick[]): string[] =>
  ticks.map(({ label }) => label.replaceAll('\u2009', ' ')).filter((label) => label !== '');

/** Every element closed in its turn, attributes quoted, no bare `<` or `&`: what a strict parser asks for. */
function mustBeXml(text: string): void {
  const open: string[] = [];
  const rest = text.replace(
    /<(\/?)([a-z]+)((?:\s+[a-zA-Z:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)\s*(\/?)>/g,
    (_, closes: string, name: string, _attributes: string, isEmpty: string) => {
      if (closes !== '') expect(open.pop()).toBe(name);
      else if (isEmpty === '') open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest.replace(/&(amp|lt|gt|quot);/g, '')).not.toMatch(/[<>&]/);
}

const line = (points: LineChart['series'][number]['points'], name = 'x'): LineChart => ({
  kind: 'lines',
  title: 'a title',
  x: { label: 'time', unit: 'time', from: 0 },
  y: { label: 'nodes', unit: 'count', from: 0 },
  series: [{ name, style: 'line', points }],
});

describe('ticks', () => {
  it('are round numbers of their unit', () => {
    expect(values(linearTicks(0, 97, 6, 'count'))).toEqual([0, 20, 40, 60, 80, 100]);
    expect(labels(linearTicks(0, 1, 6, 'share'))).toEqual(['0 %', '20 %', '40 %', '60 %', '80 %', '100 %']);
    expect(labels(linearTicks(0, 7200, 8, 'time'))).toEqual([
      ...['0', '15 min', '30 min', '45 min', '1 h', '1 h 15', '1 h 30', '1 h 45', '2 h'],
    ]);
    expect(values(linearTicks(0, 24, 8, 'hour'))).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24]);
    expect(labels(linearTicks(0, 12_000_000, 6, 'count')).slice(0, 3)).toEqual(['0', '2 M', '4 M']);
    expect(values(linearTicks(0, 0.4, 6, 'count')), 'there is no half node').toEqual([0, 1]);
    expect(labels(linearTicks(0, 0.3, 6, 'number'))).toContain('0.05');
    expect(formatSeconds(90_000)).toBe('1.042\u2009d');
  });

  it('of a logarithmic axis hold the values between labelled ones', () => {
    expect(labels(logTicks(20, 40, 'number'))).toEqual(['20', '50']);
    expect(labels(logTicks(0.3, 12_000, 'number'))).toEqual([
      '0.1',
      '1',
      '10',
      '100',
      '1 000',
      '10 000',
      '100 000',
    ]);
  });

  it('hold every range, few and in order', () => {
    const range = fc.tuple(
      fc.double({ min: 1e-6, max: 1e12, noNaN: true }),
      fc.double({ min: 1, max: 1e6, noNaN: true }),
    );
    fc.assert(
      fc.property(range, fc.constantFrom('count', 'number', 'share', 'time'), ([low, factor], unit) => {
        const high = low * factor;
        for (const ticks of [linearTicks(low, high, 6, unit), logTicks(low, high, unit)]) {
          const all = values(ticks);
          expect(all.length).toBeGreaterThan(1);
          expect(all).toEqual([...all].sort((x, y) => x - y));
          expect(all[0]).toBeLessThanOrEqual(low * (1 + 1e-6));
          expect(all.at(-1)).toBeGreaterThanOrEqual(high * (1 - 1e-6));
          expect(labels(ticks).length).toBeLessThanOrEqual(13);
        }
        expect(stepOf(high - low + 1, 6, 'number') * 6).toBeGreaterThanOrEqual((high - low + 1) * (1 - 1e-9));
      }),
      { seed: 11 },
    );
  });
});

describe('a chart', () => {
  it('is well-formed whatever names and values are', () => {
    const numbers = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    const chart = fc.oneof(
      fc
        .tuple(fc.string({ unit: 'binary' }), fc.array(fc.tuple(numbers, numbers)))
        .map(([name, points]): Chart => line(points, name)),
      fc.tuple(fc.string({ unit: 'binary' }), fc.array(numbers, { minLength: 1 })).map(
        ([label, all]): Chart => ({
          kind: 'bars',
          title: label,
          value: { label, unit: 'count' },
          groups: all.map((_, i) => `${label}${i}`),
          bars: [{ label, values: all.map((value) => ({ value, low: value - 1, high: value + 1 })) }],
        }),
      ),
    );
    fc.assert(
      fc.property(chart, (each) => {
        const svg = chartSvg(each);
        mustBeXml(svg);
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      }),
      { seed: 12 },
    );
  });

  it('draws a point where its axes say', () => {
    const svg = chartSvg(
      line([
        [0, 0],
        [7200, 100],
      ]),
    );
    const frame = /<path d="M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)"/.exec(svg);
    const drawn = /d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" stroke="#0072b2"/.exec(svg);
    const [left, top, bottom, right] = frame?.slice(1) ?? [];
    expect(drawn?.slice(1)).toEqual([left, bottom, right, top]);
  });

  it('needs a legend for several series only', () => {
    expect(chartSvg(line([[0, 1]], 'alone'))).not.toContain('alone');
    const two: LineChart = {
      ...line([[0, 1]], 'one'),
      series: [
        {
          name: 'one',
          style: 'step',
          points: [
            [0, 1],
            [5, 2],
          ],
          band: [
            [0, 2],
            [1, 3],
          ],
        },
        { name: 'other', style: 'dots', points: [[1, 1]], band: [[0, 2]] },
      ],
    };
    const svg = chartSvg(two);
    expect(svg).toMatch(/>one<.*>other</s);
    expect(svg, 'the band').toContain('fill-opacity');
    mustBeXml(svg);
  });
});

describe('a cumulative distribution', () => {
  it('begins at nothing, ends at all, and stays small', () => {
    expect(cumulative([])).toEqual([]);
    expect(cumulative(histogramOf([1, 1, 2, 4]))).toEqual([
      ...[
        [1, 0],
        [1, 0.5],
        [2, 0.75],
        [4, 1],
      ],
    ]);
    const many = cumulative(Array.from({ length: 100_000 }, (_, i) => [i, 1] as const));
    expect(many.length).toBeLessThan(500);
    expect(many.at(-1)).toEqual([99_999, 1]);
  });
});
