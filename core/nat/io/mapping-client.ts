// What the three ways to ask a gateway for a mapping have in common.
import type { MapAnswer, MappingKey, MappingProtocol, MapRequest } from '../mapping-types.ts';

export interface MappingClient {
  readonly protocol: MappingProtocol;
  /** Never rejects. */
  map(request: MapRequest, nonce: Uint8Array): Promise<MapAnswer>;
  /** Never rejects; says nothing about success. */
  unmap(key: MappingKey): Promise<void>;
  /** Whether the gateway has lost what it granted; false also when it does not answer. */
  isLost(key: MappingKey): Promise<boolean>;
  close(): Promise<void>;
}
