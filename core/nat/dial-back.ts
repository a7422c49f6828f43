// The question "can you reach me?", put to somebody in the open; who that is, is wired elsewhere (a relay's message 8). Pure.

/** Which ways to try. `udpOtherPort`: from the same address, but not from the port that we talk to. */
export interface DialBackWays {
  readonly tcp: boolean;
  readonly udp: boolean;
  readonly udpOtherPort: boolean;
}

export interface DialBackRequest {
  /** Seen from outside; 0: not asked for. */
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly ways: DialBackWays;
}

/** true: it came through; false: it was tried and did not; undefined: it was not tried. */
export interface DialBackResult {
  /** Who tried, for the evidence. */
  readonly by: string;
  /** As whom he saw us. */
  readonly observedHost: string;
  readonly tcp: boolean | undefined;
  /** From an address that our UDP socket has never sent to. */
  readonly udp: boolean | undefined;
  readonly udpOtherPort: boolean | undefined;
}

export interface DialBack {
  /** @returns undefined when nobody is there to ask. Never rejects */
  test(request: DialBackRequest): Promise<DialBackResult | undefined>;
}
