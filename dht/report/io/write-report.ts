// The files of a report: every plot as SVG and PNG, and the page.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError } from '../../../core/base/result.ts';
import { chartSvg } from '../chart.ts';
import type { Plot } from '../plot-parts.ts';

export const PAGE_FILE = 'index.html';

/**
 * Pictures of plots that are not drawn any more are removed: what lies there belongs to the page.
 * @returns names of the files @throws OperationError `disk`
 */
export async function writeReport(
  directory: string,
  plots: readonly Plot[],
  page: string,
  signal: AbortSignal,
): Promise<string[]> {
  const drawn = plots.some(({ chart }) => chart !== undefined);
  // A large module, loaded only where something is drawn.
  const raster = drawn ? await import('./raster.ts') : undefined;
  const files: string[] = [];
  try {
    mkdirSync(directory, { recursive: true });
    for (const { name, chart } of plots) {
      for (const ending of ['svg', 'png']) rmSync(join(directory, `${name}.${ending}`), { force: true });
      if (chart === undefined || raster === undefined || signal.aborted) continue;
      const svg = chartSvg(chart);
      writeFileSync(join(directory, `${name}.svg`), svg);
      writeFileSync(join(directory, `${name}.png`), await raster.pngOfSvg(svg));
      files.push(`${name}.svg`, `${name}.png`);
    }
    writeFileSync(join(directory, PAGE_FILE), page);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw new OperationError('disk', `cannot write the report to ${directory}: ${(error as Error).message}`, {
      hint: 'Name another folder with --out.',
      cause: error,
    });
  }
  return [PAGE_FILE, ...files];
}
