// What the ways around NATs have in common in one session: what we know of ourselves, how many introductions we follow, uTP.
import type { Endpoint } from '../base/endpoint.ts';
import { type Reach, UNKNOWN_REACH } from '../nat/ladder-reach.ts';
import { IntroductionBudget } from '../nat/ladder-rules.ts';
import { whyNotDial } from '../relay/addresses.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import type { UtpConnectOptions, UtpStack } from '../transport/utp-api.ts';

/** Leaves the home gateway and dies before it comes near another: where the peer's gateway answers strangers, a packet that comes too early closes the hole. */
const FIRST_TTL = 2;
/** Three SYNs and the time for an answer (rule: an introduction costs a stranger at most that). */
const PUNCH_TIMEOUT_MS = 5_000;

export interface NatHubOptions {
  readonly utp: () => Pick<UtpStack, 'connect' | 'port'> | undefined;
  /** What we know of our own NAT; default nothing. */
  readonly reach?: () => Reach;
  readonly isSelf: (endpoint: Endpoint) => boolean;
}

export class NatHub {
  readonly #options: NatHubOptions;
  readonly #budget = new IntroductionBudget();

  constructor(options: NatHubOptions) {
    this.#options = options;
  }

  get hasUtp(): boolean {
    return this.#options.utp() !== undefined;
  }

  reach(): Reach {
    return this.#options.reach?.() ?? UNKNOWN_REACH;
  }

  /**
   * Whether an introduction is followed; if so it is counted.
   * @param relay the host that introduces us, as the socket shows it
   * @returns why not, or undefined
   */
  whyNotFollow(target: Endpoint, relay: string, nowMs: number): string | undefined {
    const rule = whyNotDial(target, relay, (endpoint) => this.#options.isSelf(endpoint));
    if (rule !== undefined) return rule;
    return this.#budget.take(relay, target, nowMs) ? undefined : 'too many introductions';
  }

  /** One side of a hole. Rejects when the other side's packets do not come through. */
  async punch(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const utp = this.#options.utp();
    if (utp === undefined) throw new Error('no uTP here');
    const options: UtpConnectOptions = { timeoutMs: PUNCH_TIMEOUT_MS, signal, firstTtl: FIRST_TTL };
    return utp.connect(endpoint, options);
  }
}
