// One visit: an endpoint was asked, or deliberately not asked, and this is what came of it.
import { defineTable, type Row } from './columns.ts';

/** How a visit ended. */
export const OUTCOMES = {
  ok: 'answered in time, with the id that was expected, from where it was expected',
  timeout: 'silent through all tries and the wait for late answers',
  stalled_late: 'answered after the wait of its last try: slow, not dead; counts as an answer',
  icmp_unreachable: 'the system reported that nothing is there',
  error_201: 'KRPC error 201, generic',
  error_202: 'KRPC error 202, server',
  error_203: 'KRPC error 203, protocol',
  error_204: 'KRPC error 204, method unknown',
  error_other: 'KRPC error with another number',
  bad_bencode: 'a datagram came from there that is no KRPC message',
  id_mismatch: 'answered with another id than the one it was listed under',
  port_mismatch: 'the answer came from another port of the same address: a translator in between',
  filtered_bogon: 'not asked: no address of the network that it was heard from (private, multicast, port 0)',
  optout: 'not asked: the opt-out file names it',
  trapped: 'not asked: its address or subnet lists more nodes here than chance allows',
} as const;
export type Outcome = keyof typeof OUTCOMES;

/** Outcomes in which the node itself answered with a valid reply. */
export const ANSWERED: readonly Outcome[] = ['ok', 'stalled_late', 'id_mismatch', 'port_mismatch'];
export const VISIT_TABLE = defineTable({
  name: 'visit',
  about:
    'One row for every endpoint of a pass (in topology mode: for every probe of one), with all that its answer said. `sum(tries)` is what its passes sent.',
  key: ['run_id', 'pass', 'number'],
  columns: {
    run_id: { type: 'text', about: 'run' },
    pass: {
      type: 'integer',
      about: '1 is the crawl; 2 and up are independent repeats of it (own socket, id, seed, table)',
    },
    number: { type: 'integer', about: 'visits of the pass in the order in which they ended, from 0' },
    node: {
      type: 'integer',
      about: 'number of the endpoint within the pass, in the order in which they were heard of',
    },
    id_claimed: {
      type: 'text',
      isNullable: true,
      about: 'id it was listed under, 40 hex digits; empty for bootstrap nodes',
    },
    id_observed: { type: 'text', isNullable: true, about: 'id it answered with, 40 hex digits' },
    ip: { type: 'text', about: 'address: HMAC, prefix or as it is (`ip_privacy`)' },
    net: { type: 'text', about: 'its /24 (IPv4) or /48 (IPv6), treated the same way' },
    port: { type: 'integer', about: 'UDP port' },
    family: { type: 'integer', about: '4 or 6' },
    is_in_zone: {
      type: 'boolean',
      about: "the id observed, else the one claimed, begins with the zone's prefix",
    },
    source: { type: 'text', about: '`bootstrap`, `reply`, or `known` (given to the run)' },
    first_referrer: { type: 'integer', isNullable: true, about: '`node` of who listed it first' },
    referrer_count: {
      type: 'integer',
      about: 'replies that had listed it when its visit ended; at most 65535',
    },
    queued_us: { type: 'integer', about: 'heard of, microseconds since `started_utc`' },
    sent_us: {
      type: 'integer',
      isNullable: true,
      about: 'the try that was answered, else the last one; empty when not asked',
    },
    received_us: { type: 'integer', isNullable: true, about: 'when the answer came' },
    tries: { type: 'integer', about: 'queries sent: 0 to 2' },
    answered_try: {
      type: 'integer',
      isNullable: true,
      about: 'which try the answer belongs to, by transaction id',
    },
    round_trip_us: { type: 'integer', isNullable: true, about: '`received_us` - `sent_us`' },
    outcome: { type: 'text', about: 'see the list of outcomes' },
    query: { type: 'text', about: '`find_node`, `get_peers`, `sample_infohashes` or `ping`' },
    target: { type: 'text', isNullable: true, about: 'what was asked for, 40 hex digits' },
    probe_bits: {
      type: 'integer',
      isNullable: true,
      about: 'leading bits the target shares with the id claimed: which bucket was asked',
    },
    version_raw: { type: 'text', isNullable: true, about: '`v`, hex' },
    client: {
      type: 'text',
      isNullable: true,
      about: 'client that `v` stands for; `unknown` when it says something else',
    },
    is_read_only: {
      type: 'boolean',
      isNullable: true,
      about: '`ro` = 1 in a reply (BEP 43): such a node should not be listed',
    },
    echo: {
      type: 'text',
      isNullable: true,
      about: '`ip` echo: `same` as most nodes see us, `other`, or `malformed`; empty without one',
    },
    supports_32: {
      type: 'boolean',
      isNullable: true,
      about: 'the reply held nodes of the other family (BEP 32); empty when not asked',
    },
    supports_33: {
      type: 'boolean',
      isNullable: true,
      about: 'the reply held Bloom filters (BEP 33); empty when not asked',
    },
    supports_42: { type: 'boolean', isNullable: true, about: 'the reply held the `ip` echo of BEP 42' },
    supports_44: {
      type: 'boolean',
      isNullable: true,
      about: 'the reply held a token for `put` (BEP 44); empty when not asked by `get`',
    },
    supports_51: {
      type: 'boolean',
      isNullable: true,
      about: 'the reply held `samples` (BEP 51); empty when not asked',
    },
    bep42: {
      type: 'text',
      isNullable: true,
      about: 'does the id observed fit the address: `valid`, `invalid`, `exempt` (local network)',
    },
    nodes_count: { type: 'integer', isNullable: true, about: 'entries of the own family in the reply' },
    nodes_other_family: { type: 'integer', isNullable: true, about: 'entries of the other family' },
    nodes_bogon: { type: 'integer', isNullable: true, about: 'entries whose address cannot be meant' },
    nodes_duplicate_ip: {
      type: 'integer',
      isNullable: true,
      about: 'entries whose IP address stands in the same reply before',
    },
    nodes_in_zone: { type: 'integer', isNullable: true, about: 'entries in the zone' },
    nodes_new: { type: 'integer', isNullable: true, about: 'entries nobody had listed before' },
    token_bytes: { type: 'integer', isNullable: true, about: 'length of `token`; 0 without one' },
    value_count: { type: 'integer', isNullable: true, about: 'peers in `values`' },
    reply_bytes: { type: 'integer', isNullable: true, about: 'UDP payload of the reply' },
    unknown_keys: { type: 'integer', isNullable: true, about: 'keys in the reply that no BEP we know has' },
  },
});

export type VisitRow = Row<typeof VISIT_TABLE>;
