// The header of a new run.
import { createHash } from 'node:crypto';
import type { RunRow } from '../../dataset/run-table.ts';
import { SCHEMA_VERSION } from '../../dataset/schema.ts';
import type { CrawlConfig } from '../config.ts';
import type { OptOut } from '../opt-out.ts';
import { trapPolicy } from '../subnets.ts';
import type { Zone } from '../zone.ts';

export interface ToolIdentity {
  readonly version: string;
  readonly commit: string | undefined;
}

export interface HeaderFacts {
  readonly config: CrawlConfig;
  readonly zone: Zone;
  readonly tool: ToolIdentity;
  readonly optOut: OptOut;
  readonly optOutHash: string | undefined;
  readonly keyId: string | undefined;
  readonly nowUnixMs: number;
  /** Ten random bytes. */
  readonly random: Uint8Array;
}

/** RFC 9562: 48 bits of Unix milliseconds, then chance. */
export function uuidv7(nowUnixMs: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(nowUnixMs / 2 ** (40 - 8 * i)) & 0xff;
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function newHeader(facts: HeaderFacts): RunRow {
  const { config, zone, tool, optOut, optOutHash, keyId, nowUnixMs, random } = facts;
  const { policy } = config;
  return {
    run_id: uuidv7(nowUnixMs, random),
    schema_version: SCHEMA_VERSION,
    tool_version: tool.version,
    tool_commit: tool.commit ?? null,
    mode: config.mode,
    family: config.family,
    zone_prefix: Buffer.from(zone.prefix.toBytes()).toString('hex'),
    zone_bits: zone.bits,
    seed: config.seed,
    config,
    config_hash: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
    started_utc: new Date(nowUnixMs).toISOString(),
    ended_utc: null,
    elapsed_us: null,
    vantage_external: null,
    vantage_as: null,
    vantage_country: null,
    vantage_nat: null,
    own_nodes: [],
    bootstrap: config.bootstrap,
    limits: {
      total: policy.total,
      per_host: policy.perHost,
      per_subnet: policy.perSubnet,
      in_flight: policy.maxInFlight,
      traps: trapPolicy(zone.bits),
    },
    retry_policy: { tries: policy.tries, try_ms: policy.tryMs, late_ms: policy.lateMs },
    optout_hash: optOutHash ?? null,
    optout_prefixes: optOut.size,
    ip_privacy: config.ipPrivacy,
    ip_key_id: keyId ?? null,
    geo_database: null,
    geo_database_date: null,
    state: 'running',
    state_reason: null,
    queue_left: 0,
    loss_share: null,
    loss_answers: 0,
    warnings: [],
    resumes: [],
  };
}
