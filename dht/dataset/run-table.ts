// The header of a run: everything somebody needs to repeat it, to judge it, and to know that it ended as it should.
import { defineTable, type Row } from './columns.ts';

export const RUN_TABLE = defineTable({
  name: 'run',
  about:
    'One row: what was measured, from where, with which limits, and how it ended. The same object is the file `run.json`.',
  key: ['run_id'],
  columns: {
    run_id: {
      type: 'text',
      about: 'UUIDv7 of the run; its first 48 bits are the start in Unix milliseconds',
    },
    schema_version: {
      type: 'integer',
      about: 'version of this document; a column that changes its meaning raises it',
    },
    tool_version: { type: 'text', about: 'version of tt' },
    tool_commit: { type: 'text', isNullable: true, about: 'git commit of tt where it runs from a checkout' },
    mode: {
      type: 'text',
      about: '`zone`, `full`, `topology`, `sample` or `monitor`; counts of two modes never mix',
    },
    family: { type: 'integer', about: '4 or 6: the two DHTs of BEP 32 are measured by runs of their own' },
    zone_prefix: {
      type: 'text',
      about: 'ids measured begin with these bits: 40 hex digits, zeros behind the prefix',
    },
    zone_bits: { type: 'integer', about: 'length of the prefix in bits; 0 is the whole id space' },
    seed: { type: 'integer', about: 'fixes targets and order of visits' },
    config: { type: 'json', about: 'every option in effect, defaults included' },
    config_hash: { type: 'text', about: 'SHA-256 of `config`, hex' },
    started_utc: { type: 'text', about: 'start, ISO 8601; all `*_us` columns count microseconds from here' },
    ended_utc: { type: 'text', isNullable: true, about: 'end, ISO 8601; empty while it runs' },
    elapsed_us: {
      type: 'integer',
      isNullable: true,
      about: 'from start to end on the monotonic clock, pauses between resumed parts included as wall time',
    },
    vantage_external: {
      type: 'text',
      isNullable: true,
      about: 'our address as most nodes see it (`ip` echo, BEP 42), treated as `ip_privacy` says',
    },
    vantage_as: {
      type: 'integer',
      isNullable: true,
      about: 'AS number of the vantage point where a database is given',
    },
    vantage_country: {
      type: 'text',
      isNullable: true,
      about: 'ISO country of the vantage point where a database is given',
    },
    vantage_nat: {
      type: 'text',
      isNullable: true,
      about:
        '`none` when nodes see our own address and port, `port-preserving` or `port-changing` behind a translator',
    },
    own_nodes: { type: 'json', about: 'our sockets: list of {pass, id, port}; one stable id each' },
    bootstrap: { type: 'json', about: 'list of HOST:PORT that the run entered through' },
    limits: { type: 'json', about: 'queries per second in all, per IP and per /24 or /64; bursts; caps' },
    retry_policy: { type: 'json', about: 'tries per visit, wait of each, when late answers stop to count' },
    optout_hash: { type: 'text', isNullable: true, about: 'SHA-256 of the opt-out file; empty without one' },
    optout_prefixes: { type: 'integer', about: 'prefixes in the opt-out file' },
    ip_privacy: {
      type: 'text',
      about:
        '`hmac`, `prefix` or `raw`: what `ip` and `net` columns hold. Ids are kept as they are, and tell more: see above',
    },
    ip_key_id: {
      type: 'text',
      isNullable: true,
      about:
        "with `hmac`: first 16 hex digits of the key's SHA-256; runs with the same one can be joined by `ip`",
    },
    geo_database: { type: 'text', isNullable: true, about: 'name of the database of the last enrichment' },
    geo_database_date: { type: 'text', isNullable: true, about: 'its build date, ISO 8601' },
    state: { type: 'text', about: '`running`, `complete`, or `partial`: stopped before the queue was empty' },
    state_reason: {
      type: 'text',
      isNullable: true,
      about: 'why a run is partial: `signal`, `time`, `limit`, `error: ...`',
    },
    queue_left: { type: 'integer', about: 'endpoints heard of and not visited when it ended' },
    loss_share: {
      type: 'real',
      isNullable: true,
      about:
        'loss self-test: share of round trips lost on the way, from answers that came to the second try only',
    },
    loss_answers: { type: 'integer', about: 'answers the self-test rests on' },
    warnings: {
      type: 'json',
      about: 'what a reader must know: traps, a lossy path, a cut run; list of sentences',
    },
    resumes: {
      type: 'json',
      about: 'lineage: list of {at_utc, visits} for every time the run was continued',
    },
  },
});

export type RunRow = Row<typeof RUN_TABLE>;
