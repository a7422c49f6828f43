// What a run is given, what it says while it goes, and what it leaves.
import type { DhtAddress } from '../../base/address.ts';
import type { AddressBook } from '../../dataset/io/address-book.ts';
import type { JsonlWriter } from '../../dataset/io/jsonl.ts';
import type { SummaryRow } from '../../dataset/more-tables.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import type { CrawlConfig } from '../config.ts';
import type { CrawlCounts } from '../crawl-counts.ts';
import type { OptOut } from '../opt-out.ts';
import type { Turnover } from '../two-looks.ts';
import type { CrawlRun } from './crawl-run.ts';
import type { OverlapCounts } from './overlap.ts';
import type { PlaceCounts } from './places.ts';
import type { ToolIdentity } from './run-header.ts';

export const JOURNAL_FILE = 'journal';

export interface CrawlSetup {
  readonly directory: string;
  readonly tool: ToolIdentity;
  /** Of a new run; a resumed one has its own. */
  readonly config: CrawlConfig | undefined;
  readonly optOut: OptOut;
  readonly optOutHash: string | undefined;
  /** With `hmac`. */
  readonly key: Uint8Array | undefined;
  readonly bind: string | undefined;
  readonly port: number;
  /** Where to enter. */
  readonly entries: (config: CrawlConfig) => Promise<readonly DhtAddress[]>;
  /** Distances of the nearest live nodes to random targets; undefined for no lookups. */
  readonly lookups: ((config: CrawlConfig) => Promise<readonly (readonly number[])[]>) | undefined;
  readonly jsonl: JsonlWriter | undefined;
  /** Databases of addresses: the enrichment table is written as the run goes, from addresses not yet hidden. */
  readonly book?: AddressBook | undefined;
  readonly signal: AbortSignal;
  /** Stops asking after this long; undefined for never. */
  readonly timeMs: number | undefined;
  readonly onStart: (run: CrawlRun) => void;
}

export interface CrawlProgress {
  readonly runId: string;
  readonly phase: 'crawl' | 'repeat' | 'recheck' | 'lookups' | 'summary';
  readonly pass: number;
  readonly elapsedMs: number;
  readonly counts: CrawlCounts;
  readonly verified: number;
  readonly queueLeft: number;
  readonly inFlight: number;
  readonly sent: number;
  readonly zoneBits: number;
  readonly traps: number;
  /** Where the answering nodes of this look are, with a database. */
  readonly places: PlaceCounts | undefined;
  /** Of a second look: how much of what it finds the first had found. */
  readonly overlap: OverlapCounts | undefined;
  /** Of a second look after a long first one. */
  readonly turnover?: Turnover | undefined;
}

export interface CrawlResult {
  readonly run: RunRow;
  readonly summary: readonly SummaryRow[];
}
