// What is known about our place behind NATs, as plain data: for the session's picture, `tt nat status` and `tt doctor`. Pure.
import type { Evidence, NatState } from './classify.ts';
import type { MappingSnapshot } from './port-mapper.ts';

export interface NatFamilySnapshot {
  readonly family: 4 | 6;
  readonly state: NatState;
  /** As the world sees our UDP port; without a port where each remote sees another. */
  readonly external: { readonly host: string; readonly port: number | undefined } | undefined;
  readonly isTranslated: boolean | undefined;
  readonly mapping: 'endpoint' | 'per-remote' | 'unknown';
  readonly filtering: 'open' | 'address' | 'port' | 'unknown';
  readonly evidence: readonly Evidence[];
  /** The default gateway; undefined without one, or while ports are not mapped. */
  readonly gateway: string | undefined;
  readonly mappings: readonly MappingSnapshot[];
}

export interface NatSnapshot {
  readonly families: readonly NatFamilySnapshot[];
  /** The TCP port that others are told; 0: none. */
  readonly announcedPort: number;
  readonly isMappingOn: boolean;
  /** Ms from the start until the class became what it is now; undefined while it is unknown. */
  readonly classifiedAfterMs: number | undefined;
}
