// The model of a coordinator's full screen: keeps what the curves need and hands out rows.
import type { FleetProgress } from '../../dht/crawl/io/fleet-run.ts';
import type { BandPoint } from '../terminal/charts.ts';
import type { Line } from '../ui/styled.ts';
import { CurvesModel, extended } from './curves-model.ts';
import { fleetLines } from './fleet-view.ts';

/** One order says little about the others. */
const LEAST_DONE = 2;

export class FleetModel extends CurvesModel {
  #verified: number[] = [];
  #estimates: BandPoint[] = [];
  #progress: FleetProgress | undefined;

  update(progress: FleetProgress): void {
    // An attempt that was lost takes its nodes back; the curve shows what there was.
    this.#verified = extended(this.#verified, progress.verified);
    const { estimate } = progress;
    if (estimate !== undefined) this.#estimates = extended(this.#estimates, [estimate.low, estimate.high]);
    this.#progress = progress;
    this.changed();
  }

  protected override lines(columns: number, rows: number): readonly Line[] | undefined {
    const { notes, title } = this;
    const progress = this.#progress;
    if (progress === undefined) return undefined;
    const curves = { verified: this.#verified, estimates: this.#estimates };
    return fleetLines({ progress, title, ...curves, notes, leftMs: leftMs(progress) }, columns, rows);
  }
}

/** At the pace of this process; undefined while there is none. */
export function leftMs({ orders, done, doneBefore, elapsedMs }: FleetProgress): number | undefined {
  const since = done - doneBefore;
  return since < LEAST_DONE || done >= orders ? undefined : (elapsedMs / since) * (orders - done);
}
