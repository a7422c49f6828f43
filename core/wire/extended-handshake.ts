// The extended handshake of BEP 10 with the keys of BEP 9 and 21: decoded strictly, every value checked, unknown ones ignored.

/** Absent and malformed values are undefined alike. */
export interface ExtendedHandshake {
  /** Extension name -> the id the peer wants to see; 0 switches an extension off. */
  readonly extensionIds: ReadonlyMap<string, number>;
  /** `v`: client name and version. */
  readonly client?: string | undefined;
  /** `p`: the peer's listening TCP port. */
  readonly listenPort?: number | undefined;
  /** `yourip`: how the peer sees us, as text. */
  readonly yourIp?: string | undefined;
  /** `ipv4`, `ipv6`: other addresses of the peer, as text. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** `reqq`: how many outstanding requests the peer takes. */
  readonly requestQueue?: number | undefined;
  /** Bytes of the info dictionary (BEP 9). */
  readonly metadataSize?: number | undefined;
  /** BEP 21. */
  readonly uploadOnly?: boolean | undefined;
}
