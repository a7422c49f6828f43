// What is asked of a gateway and what it answers, whichever of the three protocols carries it. Pure.

/** In the order in which equal answers count. */
export const MAPPING_PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const;
export type MappingProtocol = (typeof MAPPING_PROTOCOLS)[number];

export type Transport = 'tcp' | 'udp';

/** Gateways refuse lower ports, and one of them became deaf for half a minute when asked for one. */
export const LOWEST_PORT = 1024;

export interface MapRequest {
  readonly transport: Transport;
  readonly internalPort: number;
  /** Wished for; the answer names the one that it became. */
  readonly externalPort: number;
  /** 1 or more: gateways take 0 for a week, or for a deletion. */
  readonly lifetimeSec: number;
}

export interface MapGrant {
  readonly externalPort: number;
  /** As the gateway says; undefined when it did not. */
  readonly externalHost: string | undefined;
  readonly lifetimeSec: number;
  /** Seconds since the gateway's table was last lost (PCP, NAT-PMP). */
  readonly epochSec: number | undefined;
}

/** What identifies a mapping for its deletion, also by a later run. */
export interface MappingKey {
  readonly transport: Transport;
  readonly internalPort: number;
  readonly externalPort: number;
  /** PCP: 12 bytes. */
  readonly nonce: Uint8Array;
}

/**
 * Why there is none. `absent`: nobody speaks the protocol; `refused`: the gateway will not; `private`: its own outer address is not a
 * public one, so that a mapping would lead nowhere; `conflict`: the port is somebody else's; `failed`: try again later.
 */
export type MapFailureKind = 'absent' | 'refused' | 'private' | 'conflict' | 'failed';

export interface MapFailure {
  readonly kind: MapFailureKind;
  /** One clause for a person. */
  readonly what: string;
  /** The gateway's own word on when to ask again. */
  readonly retryAfterSec?: number;
}

export type MapAnswer =
  | { readonly ok: true; readonly grant: MapGrant }
  | { readonly ok: false; readonly failure: MapFailure };

export function failed(kind: MapFailureKind, what: string, retryAfterSec?: number): MapAnswer {
  return { ok: false, failure: { kind, what, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) } };
}
