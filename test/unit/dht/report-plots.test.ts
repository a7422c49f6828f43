// Plots of a report by their figures: what each says of its run and its n, what is left over, what is said where there is nothing.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DatasetStore } from '../../../dht/dataset/io/store.ts';
import type { BarChart } from '../../../dht/report/chart.ts';
import { chartSvg } from '../../../dht/report/chart.ts';
import type { RunFigures } from '../../../dht/report/figures.ts';
import { readFigures } from '../../../dht/report/io/read-figures.ts';
import type { Plot } from '../../../dht/report/plot-parts.ts';
import { plotsOf } from '../../../dht/report/plots.ts';
import { makeRunFolder, type RunFolderOptions } from '../../support/run-folder.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-plots-');

async function figuresOf(label: string, options: RunFolderOptions = {}): Promise<RunFigures> {
  const directory = join(place.path, label);
  const run = await makeRunFolder(directory, options);
  const store = await DatasetStore.open(join(directory, 'data.sqlite'), 'read');
  try {
    return readFigures(label, run, store);
  } finally {
    store.close();
  }
}

function named(plots: readonly Plot[], name: string): Plot {
  const found = plots.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no plot is called ${name}`);
  return found;
}

function noteOf(plots: readonly Plot[], name: string): string {
  return (named(plots, name).chart?.note ?? '').replaceAll('\u2009', ' ');
}

describe('plots of one run', () => {
  it('say which run it is, when it was, and on how many observations they rest', async () => {
    const plots = plotsOf([await figuresOf('noted', { withEdges: true, withSessions: true })]);
    const begin = 'noted: zone 0/0, IPv4, 2026-01-02 03:00 UTC; n = ';
    // Of 200 nodes every fifth is dead; three tables were drained; ten sessions of twenty began in the first half and were followed.
    expect(noteOf(plots, 'growth')).toBe(`${begin}200 endpoints`);
    expect(noteOf(plots, 'round-trips')).toBe(`${begin}160 answers`);
    expect(noteOf(plots, 'clients')).toBe(`${begin}160 answering nodes`);
    expect(noteOf(plots, 'table-depth')).toBe(`${begin}3 tables`);
    expect(noteOf(plots, 'id-uniformity')).toBe(`${begin}160 verified ids`);
    expect(noteOf(plots, 'bep42')).toBe(`${begin}160 nodes with a global address`);
    expect(noteOf(plots, 'dead-share')).toBe(`${begin}200 endpoints listed and asked`);
    expect(noteOf(plots, 'session-survival')).toBe(`${begin}20 sessions seen to begin`);
    expect(noteOf(plots, 'availability')).toBe(`${begin}20 nodes`);
    const outcomes = named(plots, 'dead-share').chart as BarChart;
    expect(outcomes.bars.map(({ label, values }) => [label, values[0]?.value])).toEqual([
      ['ok', 0.8],
      ['timeout', 0.2],
    ]);
    expect(named(plots, 'dead-share').about).toContain('Dead, that is without an answer: 20.0 %');
    for (const { chart } of plots)
      if (chart !== undefined) expect(chartSvg(chart)).toContain('noted: zone 0/0');
  });

  it('without a single visit say why there is nothing to draw', async () => {
    const plots = plotsOf([await figuresOf('empty', { nodes: 0 })]);
    expect(plots.every(({ chart, missing }) => chart === undefined && (missing ?? '') !== '')).toBe(true);
  });

  it('do not judge how ids spread when the run was cut', async () => {
    const cut = await figuresOf('cut', { isCut: true, header: { state: 'partial', state_reason: 'signal' } });
    expect(named(plotsOf([cut]), 'id-uniformity').missing).toContain('the run was cut');
    expect(cut.summary.some(({ metric }) => metric === 'id_uniformity')).toBe(false);
  });
});

describe('tallies with many labels', () => {
  const many = (run: RunFigures, factor: number): RunFigures => ({
    ...run,
    countries: Array.from({ length: 20 }, (_, i) => ({ label: `C${i}`, count: (20 - i) * factor })),
  });

  it('put those without a bar together, last', async () => {
    const run = many(await figuresOf('many'), 1);
    const chart = named(plotsOf([run]), 'countries').chart as BarChart;
    expect(chart.bars).toHaveLength(15);
    expect(chart.bars[0]).toEqual({ label: 'C0', values: [{ value: 20 }] });
    // Of 210 the first fourteen have 20 + 19 + ... + 7.
    expect(chart.bars.at(-1)).toEqual({ label: '6 others', values: [{ value: 21 }] });
    expect(chart.note).toMatch(/n = 210 answering nodes$/);
  });

  it('compare runs by shares that add up to one', async () => {
    const run = await figuresOf('shares');
    const chart = named(plotsOf([many(run, 1), { ...many(run, 3), label: 'again' }]), 'countries')
      .chart as BarChart;
    for (const group of [0, 1]) {
      const total = chart.bars.reduce((sum, { values }) => sum + (values[group]?.value ?? 0), 0);
      expect(total).toBeCloseTo(1, 9);
    }
    expect(chart.note).toBe('n = 210 / 630 answering nodes');
    expect(chart.groups).toEqual(['shares', 'again']);
  });
});
