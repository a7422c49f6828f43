// The extensions of BEP 10 that we speak, as data: a new one is a row here and a handler of its messages.

export interface ExtensionSpec {
  /** The name in the `m` dictionary. */
  readonly name: string;
  /** The id under which we want to receive it; part of our face, so never renumbered. */
  readonly localId: number;
  /** Longest payload that an honest peer sends. */
  readonly maxPayloadBytes: number;
}

/** BEP 9: a dictionary of under 100 bytes and 16 KiB; the rest is room for extra keys. */
export const UT_METADATA: ExtensionSpec = { name: 'ut_metadata', localId: 1, maxPayloadBytes: 17 * 1024 };
/** BEP 11: 50 + 50 endpoints are 2 KB, but first messages of some clients hold a whole swarm. */
export const UT_PEX: ExtensionSpec = { name: 'ut_pex', localId: 2, maxPayloadBytes: 64 * 1024 };
/** BEP 54: a piece index. */
export const LT_DONTHAVE: ExtensionSpec = { name: 'lt_donthave', localId: 3, maxPayloadBytes: 4 };
/** BEP 21: one byte; libtorrent's own form of it. */
export const UPLOAD_ONLY: ExtensionSpec = { name: 'upload_only', localId: 4, maxPayloadBytes: 64 };
/** BEP 55: 24 bytes with an IPv6 address. */
export const UT_HOLEPUNCH: ExtensionSpec = { name: 'ut_holepunch', localId: 5, maxPayloadBytes: 64 };
/** Relays and their peers (docs/relay.md): small dictionaries. */
export const TT_RELAY: ExtensionSpec = { name: 'tt_relay', localId: 6, maxPayloadBytes: 4096 };

export const EXTENSIONS: readonly ExtensionSpec[] = [
  UT_METADATA,
  UT_PEX,
  LT_DONTHAVE,
  UPLOAD_ONLY,
  UT_HOLEPUNCH,
  TT_RELAY,
];

const byName = new Map(EXTENSIONS.map((extension) => [extension.name, extension]));
const byLocalId = new Map(EXTENSIONS.map((extension) => [extension.localId, extension]));

export function extensionNamed(name: string): ExtensionSpec | undefined {
  return byName.get(name);
}

export function extensionWithId(localId: number): ExtensionSpec | undefined {
  return byLocalId.get(localId);
}
