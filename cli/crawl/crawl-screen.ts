// The model of a crawl's full screen: keeps what the curves need and hands out rows.
import type { CrawlProgress } from '../../dht/crawl/io/crawl-setup.ts';
import type { BandPoint } from '../terminal/charts.ts';
import type { Line } from '../ui/styled.ts';
import { crawlLines } from './crawl-view.ts';
import { CurvesModel, extended, newest } from './curves-model.ts';
import { liveEstimate } from './live-estimate.ts';

export class CrawlModel extends CurvesModel {
  #verified: number[] = [];
  #rates: number[] = [];
  #estimates: BandPoint[] = [];
  #leftMs: number | undefined;
  #progress: CrawlProgress | undefined;

  /** @param leftMs of this look; undefined when nobody can say */
  update(progress: CrawlProgress, leftMs: number | undefined): void {
    const last = this.#progress;
    const seconds = last === undefined ? 0 : (progress.elapsedMs - last.elapsedMs) / 1000;
    if (last !== undefined && seconds > 0)
      this.#rates = newest(this.#rates, Math.max(0, progress.sent - last.sent) / seconds);
    // The second look has curves of its own.
    if (last?.pass !== progress.pass) {
      this.#verified = [];
      this.#estimates = [];
    }
    this.#verified = extended(this.#verified, progress.verified);
    const estimate = liveEstimate(progress);
    if (estimate !== undefined) this.#estimates = extended(this.#estimates, [estimate.low, estimate.high]);
    this.#leftMs = leftMs;
    this.#progress = progress;
    this.changed();
  }

  protected override lines(columns: number, rows: number): readonly Line[] | undefined {
    const { notes, title } = this;
    const progress = this.#progress;
    if (progress === undefined) return undefined;
    const curves = { verified: this.#verified, rates: this.#rates, estimates: this.#estimates };
    return crawlLines({ progress, title, leftMs: this.#leftMs, ...curves, notes }, columns, rows);
  }
}
