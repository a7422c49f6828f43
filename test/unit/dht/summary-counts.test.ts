// What the summary says of a run must follow from its visits by the words of docs/dataset.md, also where these are odd: entries of
// the zone that are somebody else by now, errors, prefixes in the place of addresses.
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DatasetStore } from '../../../dht/dataset/io/store.ts';
import { summarise } from '../../../dht/dataset/io/summarise.ts';
import type { SummaryRow } from '../../../dht/dataset/more-tables.ts';
import { type Outcome, VISIT_TABLE, type VisitRow } from '../../../dht/dataset/visit-table.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-summary-');
afterAll(() => place.remove());

const BITS = 12;
const ID = 'a3f'.padEnd(40, '1');
const HERE = 'a3f'.padEnd(40, '7');
const ELSEWHERE = 'a3e'.padEnd(40, 'f');

interface Seen {
  readonly claimed: string | null;
  readonly observed?: string;
  readonly outcome: Outcome;
  readonly tries?: number;
}

/** As the crawl writes it: in the zone is who answered with an id of it, else who is listed under one. */
function visit(number: number, { claimed, observed, outcome, tries = 1 }: Seen, ip: string): VisitRow {
  const id = observed ?? claimed;
  const isHeard = outcome !== 'timeout' && outcome !== 'optout';
  const whenHeard = <T>(value: T): T | null => (isHeard ? value : null);
  const empty = {
    first_referrer: null,
    version_raw: null,
    client: null,
    is_read_only: null,
    echo: null,
    supports_32: null,
    supports_33: null,
    supports_42: null,
    supports_44: null,
    supports_51: null,
    bep42: null,
    nodes_count: null,
    nodes_other_family: null,
    nodes_bogon: null,
    nodes_duplicate_ip: null,
    nodes_in_zone: null,
    nodes_new: null,
    token_bytes: null,
    value_count: null,
    reply_bytes: null,
    unknown_keys: null,
  };
  return {
    ...empty,
    run_id: 'run',
    pass: 1,
    number,
    node: number,
    id_claimed: claimed,
    id_observed: observed ?? null,
    ip,
    net: '192.0.2.0/24',
    port: 6881 + number,
    family: 4,
    is_in_zone: id?.startsWith('a3f') === true,
    source: claimed === null ? 'bootstrap' : 'reply',
    referrer_count: 1,
    queued_us: 0,
    sent_us: tries === 0 ? null : 1,
    received_us: whenHeard(2),
    tries,
    answered_try: whenHeard(1),
    round_trip_us: whenHeard(1),
    outcome,
    query: 'find_node',
    target: ID,
    probe_bits: 12,
  };
}

async function summaryOf(
  name: string,
  seen: readonly Seen[],
  ip = '192.0.2.1',
  bits = BITS,
): Promise<(metric: string) => SummaryRow | undefined> {
  const store = await DatasetStore.open(join(place.path, `${name}.sqlite`), 'create');
  try {
    store.put(
      VISIT_TABLE,
      seen.map((each, i) => visit(i, each, ip)),
    );
    const rows = summarise(store, {
      ...{ runId: 'run', zoneBits: bits, zonePrefix: (bits === 0 ? '' : 'a3f').padEnd(40, '0') },
      ...{ distances: undefined, planted: undefined, secondPort: undefined, gone: undefined },
      ...{ repeatRange: undefined, traps: [] },
    });
    return (metric) => rows.find((row) => row.metric === metric && row.item === '');
  } finally {
    store.close();
  }
}

/** Five entries of the zone: well, silent, an error, and two that answer with another id, one of them of another zone. */
const SEEN: readonly Seen[] = [
  { claimed: ID, observed: ID, outcome: 'ok' },
  { claimed: ID, outcome: 'timeout', tries: 2 },
  { claimed: ID, outcome: 'error_202' },
  { claimed: ID, observed: HERE, outcome: 'id_mismatch' },
  { claimed: ID, observed: ELSEWHERE, outcome: 'id_mismatch' },
  // On the way in, not asked, and a way in without an id: none of them is listed here.
  { claimed: ELSEWHERE, observed: ELSEWHERE, outcome: 'ok' },
  { claimed: ELSEWHERE, observed: HERE, outcome: 'id_mismatch' },
  { claimed: ID, outcome: 'optout', tries: 0 },
  { claimed: null, observed: ELSEWHERE, outcome: 'ok' },
];

describe('the summary of a zone', () => {
  it('counts who is listed there, whoever answers', async () => {
    const of = await summaryOf('zone', SEEN);
    expect(of('listed')?.value).toBe(5);
    expect(of('dead_share'), 'an error is an answer').toMatchObject({ value: 1 / 5, basis: 5 });
    expect(of('ids_per_endpoint')).toMatchObject({ value: 2 / 3, basis: 3 });
    expect(of('verified')?.value).toBe(1);
    expect(of('responded')?.value, 'with an id of the zone').toBe(3);
  });

  it('of everything has everybody who is listed under an id', async () => {
    const of = await summaryOf('full', SEEN, '192.0.2.1', 0);
    expect(of('listed')?.value).toBe(7);
    expect(of('dead_share')).toMatchObject({ value: 1 / 7, basis: 7 });
  });

  it('does not count addresses where it has prefixes', async () => {
    const raw = await summaryOf('raw', SEEN);
    expect([raw('distinct_ips')?.value, raw('distinct_endpoints')?.value]).toEqual([1, 3]);
    const of = await summaryOf('prefix', SEEN, '192.0.2.0/24');
    expect([of('distinct_ips')?.value, of('distinct_endpoints')?.value]).toEqual([null, null]);
  });
});
