// Clients as policies of one machine: how ours, libtorrent's, Transmission's and npm's nodes look up, fill and clean their
// tables. What separates them is in these few lines; the code is the same.
import {
  type DhtOptions,
  LOOKUP_PRESETS,
  type MaintenancePolicy,
  OUR_LOOKUP,
  OUR_MAINTENANCE,
  OUR_TABLE,
  type TablePolicy,
  TRUSTING_TABLE,
} from '../base/options.ts';

export type ProfileName = 'ours' | 'libtorrent' | 'jech' | 'k-rpc' | 'one-minute';

export type ClientProfile = Pick<DhtOptions, 'lookup' | 'table' | 'maintenance'>;

const MINUTE_MS = 60_000;
/** BEP 5's own rule: a contact silent for 15 minutes is questionable; nothing is done for the neighbourhood. */
const LAZY_MAINTENANCE: MaintenancePolicy = {
  ...OUR_MAINTENANCE,
  checkMs: 15 * MINUTE_MS,
  neighbourCheckMs: 15 * MINUTE_MS,
  selfLookupMs: 15 * MINUTE_MS,
};

/** Entries are hardly looked after at all. */
const CARELESS_MAINTENANCE: MaintenancePolicy = {
  ...OUR_MAINTENANCE,
  quarantineMs: Number.POSITIVE_INFINITY,
  checkMs: 120 * MINUTE_MS,
  neighbourCheckMs: 120 * MINUTE_MS,
  selfLookupMs: 30 * MINUTE_MS,
};

const PROFILES: Readonly<Record<ProfileName, ClientProfile>> = {
  ours: {},
  libtorrent: {
    lookup: LOOKUP_PRESETS.libtorrent,
    table: { ...OUR_TABLE, handOutGoodOnly: false },
    maintenance: LAZY_MAINTENANCE,
  },
  jech: {
    lookup: LOOKUP_PRESETS.jech,
    table: { ...TRUSTING_TABLE, topBuckets: [128, 64, 32, 16] },
    maintenance: LAZY_MAINTENANCE,
  },
  'k-rpc': {
    lookup: LOOKUP_PRESETS['k-rpc'],
    table: { ...TRUSTING_TABLE, k: 20 },
    maintenance: CARELESS_MAINTENANCE,
  },
  /** Crosby and Wallach's: believes whom it sees, notices the dead in lookups only, and waits for each of them. */
  'one-minute': {
    lookup: LOOKUP_PRESETS['one-minute'],
    table: TRUSTING_TABLE,
    maintenance: CARELESS_MAINTENANCE,
  },
};

export type ClientMix = readonly { readonly profile: ProfileName; readonly share: number }[];

export const ONLY_OURS: ClientMix = [{ profile: 'ours', share: 1 }];
/** Most of Mainline are libtorrent and its like; the rest as seen by crawls, roughly. */
export const MIXED_CLIENTS: ClientMix = [
  { profile: 'ours', share: 0.1 },
  { profile: 'libtorrent', share: 0.55 },
  { profile: 'jech', share: 0.25 },
  { profile: 'k-rpc', share: 0.1 },
];

/** Every policy of a profile in full, with changes on top. */
export function clientOptions(
  name: ProfileName,
  override: ClientProfile = {},
): Pick<DhtOptions, 'lookup'> & { readonly table: TablePolicy; readonly maintenance: MaintenancePolicy } {
  const profile = PROFILES[name];
  return {
    lookup: { ...OUR_LOOKUP, ...profile.lookup, ...override.lookup },
    table: { ...OUR_TABLE, ...profile.table, ...override.table },
    maintenance: { ...OUR_MAINTENANCE, ...profile.maintenance, ...override.maintenance },
  };
}
