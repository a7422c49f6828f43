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
  /** Begins no new mapping from now on; resolves when those that cannot be called back have their answer. */
  stop(): Promise<void>;
  close(): Promise<void>;
}
