// A run's folder made of chosen rows: what a crawl, a drain of tables or a monitor would leave behind, without a network.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { seededRng } from '../../core/base/clock.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { DEFAULT_CONFIG } from '../../dht/crawl/config.ts';
import { newHeader } from '../../dht/crawl/io/run-header.ts';
import { OptOut } from '../../dht/crawl/opt-out.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { writeHeader } from '../../dht/dataset/io/header-file.ts';
import { DatasetStore } from '../../dht/dataset/io/store.ts';
import { storeSummary } from '../../dht/dataset/io/summarise.ts';
import { EDGE_TABLE, SAMPLE_TABLE, SESSION_TABLE, type SessionRow } from '../../dht/dataset/more-tables.ts';
import { RUN_TABLE, type RunRow } from '../../dht/dataset/run-table.ts';
import { VISIT_TABLE, type VisitRow } from '../../dht/dataset/visit-table.ts';

export const START_MS = Date.UTC(2026, 0, 2, 3, 0, 0);

export interface RunFolderOptions {
  readonly startMs?: number;
  readonly ipPrivacy?: 'raw' | 'prefix' | 'hmac';
  /** Nodes `first` to `first + nodes`: runs whose ranges overlap have nodes in common. */
  readonly first?: number;
  readonly nodes?: number;
  readonly withEdges?: boolean;
  readonly withSessions?: boolean;
  readonly withSamples?: boolean;
  /** Stopped in its first look. */
  readonly isCut?: boolean;
  readonly header?: Partial<RunRow>;
}

/** Every fifth is dead. The same number gives the same node in every run. */
function nodeOf(number: number): { readonly id: string; readonly ip: string; readonly isDead: boolean } {
  const id = Buffer.from(Id160.random(seededRng(number + 1)).toBytes()).toString('hex');
  return { id, ip: `192.0.${2 + (number >> 8)}.${number & 255}`, isDead: number % 5 === 4 };
}

function visitRow(runId: string, number: number, first: number, ipPrivacy: string): VisitRow {
  const { id, ip, isDead } = nodeOf(first + number);
  const subnet = `${ip.slice(0, ip.lastIndexOf('.'))}.0/24`;
  const hidden = ipPrivacy === 'raw' ? ip : ipPrivacy === 'prefix' ? subnet : `hash-of-${first + number}`;
  const answer = <T>(value: T): T | null => (isDead ? null : value);
  return {
    run_id: runId,
    pass: 1,
    number,
    node: number,
    id_claimed: id,
    id_observed: answer(id),
    ip: hidden,
    net: subnet,
    port: 6881,
    family: 4,
    is_in_zone: true,
    source: 'reply',
    first_referrer: null,
    referrer_count: 1 + (number % 9),
    queued_us: number * 1000,
    sent_us: number * 1000 + 500,
    received_us: answer(number * 1000 + 20_500 + number * 100),
    tries: isDead ? 2 : 1,
    answered_try: answer(1),
    round_trip_us: answer(20_000 + number * 100),
    outcome: isDead ? 'timeout' : 'ok',
    query: 'find_node',
    target: id,
    probe_bits: 160,
    version_raw: answer('4c540100'),
    client: answer(number % 3 === 0 ? 'libtorrent <&> "1,2"' : 'uTorrent'),
    is_read_only: answer(false),
    echo: null,
    supports_32: null,
    supports_33: null,
    supports_42: answer(false),
    supports_44: null,
    supports_51: null,
    bep42: answer(number % 2 === 0 ? 'valid' : 'invalid'),
    nodes_count: answer(8),
    nodes_other_family: answer(0),
    nodes_bogon: answer(0),
    nodes_duplicate_ip: answer(0),
    nodes_in_zone: answer(8),
    nodes_new: answer(1),
    token_bytes: answer(0),
    value_count: answer(0),
    reply_bytes: answer(300),
    unknown_keys: answer(0),
  };
}

const MINUTE_US = 60_000_000;
/** Of the monitor: four hours. */
const WINDOW_US = 240 * MINUTE_US;

/** Every session begins in the first half; the i-th lasts 10 (i + 1) minutes. */
function sessionRow(runId: string, session: number): SessionRow {
  const start = (session + 1) * MINUTE_US;
  const end = start + 10 * (session + 1) * MINUTE_US;
  const isOpen = end >= WINDOW_US;
  return {
    run_id: runId,
    session,
    node: session,
    ...{ id: nodeOf(session).id, ip: nodeOf(session).ip, port: 6881, family: 4 },
    first_success_us: start,
    last_success_us: isOpen ? WINDOW_US : end,
    before_us: start,
    first_failure_us: isOpen ? null : end,
    probes: 5,
    lost_probes: 0,
    is_created: true,
    is_censored: isOpen,
    end_reason: isOpen ? 'window' : 'silent',
    id_changes: 0,
    endpoint_changes: 0,
  };
}

/** @returns the header, as run.json has it */
export async function makeRunFolder(directory: string, options: RunFolderOptions = {}): Promise<RunRow> {
  const { startMs = START_MS, ipPrivacy = 'raw', first = 0, nodes = 200 } = options;
  mkdirSync(directory, { recursive: true });
  const run: RunRow = {
    ...newHeader({
      config: { ...DEFAULT_CONFIG, ipPrivacy },
      zone: Zone.everything,
      tool: { version: '0', commit: undefined },
      optOut: OptOut.none,
      optOutHash: undefined,
      keyId: ipPrivacy === 'hmac' ? '0123456789abcdef' : undefined,
      nowUnixMs: startMs,
      random: new Uint8Array(10).fill(first & 255),
    }),
    state: 'complete',
    ended_utc: new Date(startMs + 60_000).toISOString(),
    elapsed_us: options.withSessions === true ? WINDOW_US : 60_000_000,
    ...options.header,
  };
  const store = await DatasetStore.open(join(directory, 'data.sqlite'), 'create');
  store.put(RUN_TABLE, [run]);
  const visits = Array.from({ length: nodes }, (_, i) => visitRow(run.run_id, i, first, ipPrivacy));
  store.put(VISIT_TABLE, visits);
  if (options.withEdges === true) {
    const edges = [0, 1, 2].flatMap((visit) =>
      Array.from({ length: 8 * (3 - visit) }, (_, position) => ({
        run_id: run.run_id,
        ...{ pass: 1, visit, position, neighbour_id: nodeOf(position).id, neighbour_node: position },
        ...{ ip: nodeOf(position).ip, port: 6881, shared_bits: position >> 3 },
      })),
    );
    store.put(EDGE_TABLE, edges);
  }
  if (options.withSamples === true) {
    // Of each answer a row of its own; of every second one a hash as well.
    const samples = [0, 1, 2, 3].flatMap((visit) =>
      [-1, ...(visit % 2 === 0 ? [0] : [])].map((position) => ({
        ...{ run_id: run.run_id, pass: 1, visit, position, interval_s: 21_600 },
        ...{ stored: 40 + visit, sample_count: position < 0 ? 20 : null },
        info_hash: position < 0 ? null : nodeOf(visit).id,
      })),
    );
    store.put(SAMPLE_TABLE, samples);
  }
  if (options.withSessions === true)
    store.put(
      SESSION_TABLE,
      Array.from({ length: 20 }, (_, i) => sessionRow(run.run_id, i)),
    );
  storeSummary(store, {
    runId: run.run_id,
    zoneBits: run.zone_bits,
    zonePrefix: run.zone_prefix,
    distances: undefined,
    planted: undefined,
    secondPort: undefined,
    gone: undefined,
    repeatRange: undefined,
    traps: [],
    isCut: options.isCut === true,
  });
  store.close();
  writeHeader(directory, run);
  return run;
}
