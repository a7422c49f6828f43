// The tables beside header and visits: edges, sessions, samples, enrichment and the summary.
import { defineTable, type Row } from './columns.ts';

export const EDGE_TABLE = defineTable({
  name: 'edge',
  about:
    'Topology mode: one row for every entry of every reply, that is of every routing table as far as its owner shows it.',
  key: ['run_id', 'pass', 'visit', 'position'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    pass: { type: 'integer', about: 'pass of the visit' },
    visit: { type: 'integer', about: '`number` of the visit whose reply lists the neighbour' },
    position: { type: 'integer', about: 'place in the reply, from 0' },
    neighbour_id: { type: 'text', about: 'id listed, 40 hex digits' },
    neighbour_node: {
      type: 'integer',
      isNullable: true,
      about: '`node` of its endpoint; empty when it is no address to visit',
    },
    ip: { type: 'text', about: 'address listed, treated as `ip_privacy` says' },
    port: { type: 'integer', about: 'port listed' },
    shared_bits: {
      type: 'integer',
      about: "leading bits shared by the neighbour and the table's owner: its bucket",
    },
  },
});

export const SESSION_TABLE = defineTable({
  name: 'session',
  about:
    'Monitor mode: one row for every stretch of time in which a node (id, address, port) answered. A node with two sessions was away in between.',
  key: ['run_id', 'session'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    session: { type: 'integer', about: 'sessions of the run in the order in which they ended, from 0' },
    node: { type: 'integer', about: 'number of the node within the run' },
    id: { type: 'text', about: 'node id, 40 hex digits' },
    ip: { type: 'text', about: 'address, treated as `ip_privacy` says' },
    port: { type: 'integer', about: 'UDP port' },
    family: { type: 'integer', about: '4 or 6' },
    first_success_us: {
      type: 'integer',
      about: 'first answer of the session, microseconds since `started_utc`',
    },
    last_success_us: { type: 'integer', about: 'last answer' },
    before_us: {
      type: 'integer',
      isNullable: true,
      about:
        'the last look before it that did not find the node: an unanswered probe (when it was asked), or the middle of the second or later crawl that missed it; empty when it was there at the first look. It began between this and `first_success_us`',
    },
    first_failure_us: {
      type: 'integer',
      isNullable: true,
      about:
        'when the first of the probes that ended it was asked (its first try), or another id answered; empty when it was not seen to end. It ended between `last_success_us` and this',
    },
    probes: { type: 'integer', about: 'probes within the session, tries not counted twice' },
    lost_probes: {
      type: 'integer',
      about: 'probes without an answer after which it answered again within the session',
    },
    is_created: { type: 'boolean', about: 'seen to begin: absent before (`before_us` is set)' },
    is_censored: { type: 'boolean', about: 'not seen to end' },
    end_reason: {
      type: 'text',
      about:
        '`silent`, `id_changed`, `window` (still there when the run ended), or `interrupted` (the run was: cut where it was seen last)',
    },
    id_changes: { type: 'integer', about: 'other ids this endpoint answered with so far' },
    endpoint_changes: { type: 'integer', about: 'other endpoints at which this id was seen so far' },
  },
});

export const SAMPLE_TABLE = defineTable({
  name: 'sample',
  about:
    'Sample mode (BEP 51): one row for every answer with samples. The info hashes themselves are kept only when asked for, one row each, in `info_hash`.',
  key: ['run_id', 'pass', 'visit', 'position'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    pass: { type: 'integer', about: 'pass of the visit' },
    visit: { type: 'integer', about: '`number` of the visit' },
    position: {
      type: 'integer',
      about: '-1 for the answer as a whole; from 0 for each info hash when they are kept',
    },
    interval_s: { type: 'integer', isNullable: true, about: 'seconds the node asks to be left alone for' },
    stored: { type: 'integer', isNullable: true, about: '`num`: info hashes the node says it stores' },
    sample_count: { type: 'integer', isNullable: true, about: 'samples in the answer' },
    info_hash: { type: 'text', isNullable: true, about: '40 hex digits; only with --info-hashes' },
  },
});

export const ENRICHMENT_TABLE = defineTable({
  name: 'enrichment',
  about:
    'What databases say about an address. Kept apart: it is not a measurement, and it ages. Join by `ip`.',
  key: ['run_id', 'ip'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    ip: { type: 'text', about: 'as in `visit`' },
    as_number: { type: 'integer', isNullable: true, about: 'autonomous system' },
    as_organisation: { type: 'text', isNullable: true, about: 'its name' },
    country: { type: 'text', isNullable: true, about: 'ISO 3166 code' },
    prefix: {
      type: 'text',
      isNullable: true,
      about: 'network of the database that the address is in; only with `ip_privacy` raw',
    },
    is_datacentre: {
      type: 'boolean',
      isNullable: true,
      about: 'the database says hosting provider; empty when it does not say',
    },
    database: { type: 'text', about: 'name of the database' },
    database_date: { type: 'text', about: 'its build date, ISO 8601' },
  },
});

export const SUMMARY_TABLE = defineTable({
  name: 'summary',
  about:
    'Figures of the run, one a row, with 95 % intervals where they are estimates. Made from the other tables when the run ends; `tt dht report` prints it.',
  key: ['run_id', 'metric', 'item'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    metric: { type: 'text', about: 'what is counted or estimated; see the list of metrics' },
    item: { type: 'text', about: 'of which outcome, client, quantile; empty for a metric of one figure' },
    value: {
      type: 'real',
      isNullable: true,
      about: 'count, share or estimate; empty when there is not enough to say',
    },
    low: { type: 'real', isNullable: true, about: 'lower end of the 95 % interval' },
    high: { type: 'real', isNullable: true, about: 'upper end' },
    basis: { type: 'integer', isNullable: true, about: 'observations it rests on' },
  },
});

/** Metrics of the summary table. */
export const METRICS = {
  visits: 'visits of pass 1, by outcome',
  sent: 'queries sent by all passes; those of `recheck` and of the lookups for `distances` come on top',
  listed: 'endpoints listed under an id of the zone and asked, dead or alive',
  responded: 'endpoints that answered with an id of the zone',
  verified: 'endpoints in the zone that answered with the id they are listed under',
  verified_either:
    'nodes (id and endpoint) verified by either of two looks, in the part of the zone that both looked at: each look misses others',
  second_port: 'share of answering nodes asked again that answered a socket they had never heard from',
  distinct_ids: 'distinct ids observed in the zone',
  distinct_ips: 'distinct addresses that answered in the zone; empty with `ip_privacy` prefix',
  distinct_endpoints: 'distinct (address, port) that answered in the zone; empty with `ip_privacy` prefix',
  ids_per_endpoint:
    'of the endpoints listed in the zone that answered with an id: share that answered with another one than they are listed under',
  clients: 'answering nodes in the zone, by client',
  dead_share: 'share of `listed` that did not answer at all (an error, or nonsense, is an answer)',
  read_only_share: 'share of answering nodes that say they are read-only',
  bep42_valid_share: 'share of answering nodes with a global address whose id fits it',
  p: 'chance that the crawl finds and verifies a node that is there, by method: `repeat`, `planted`, `loss`',
  nodes: 'nodes in the whole network that can be reached, by estimator: `bernoulli`, `chapman`, `distances`',
  nodes_in_zone: 'the same for the zone, by estimator',
  recheck:
    'nodes of the first look asked again when it was over: how many (`asked`), how many answered a socket they had never heard from (`strange_port`), how many only the one they knew (`known_port`), and when, in seconds since the start (`at_s`)',
  turnover: 'of these: share that had gone, per hour',
  in_degree: 'replies that listed a verified node of the zone until its visit ended: quantiles',
  round_trip_ms: 'round trips: quantiles',
  id_uniformity:
    'are ids spread evenly over the zone: chi-square statistic (`chi2`), its p-value (`p_value`)',
  samples:
    'BEP 51: nodes that gave samples (`nodes`), info hashes they say they store (`stored`), distinct ones kept (`info_hashes`)',
  countries:
    'answering nodes in the zone whose address a database knows, by country; only with an enrichment',
  systems: 'the same by autonomous system, as `AS64500 Example`',
  trapped: 'endpoints set aside as traps, by subnet',
  sessions: 'sessions seen: `all`, `created` (seen to begin), `ended` (seen to end)',
  session_survival:
    'share of sessions that last longer than the time in `item`: create-based, Kaplan-Meier, Greenwood interval',
  session_median_s: 'seconds that half of the sessions outlast; empty when fewer than half were seen to end',
} as const;
export type Metric = keyof typeof METRICS;

export type EdgeRow = Row<typeof EDGE_TABLE>;
export type SessionRow = Row<typeof SESSION_TABLE>;
export type SampleRow = Row<typeof SAMPLE_TABLE>;
export type EnrichmentRow = Row<typeof ENRICHMENT_TABLE>;
export type SummaryRow = Row<typeof SUMMARY_TABLE>;
