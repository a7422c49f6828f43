// The session's view of its own place behind NATs: starts finding out about it a moment after the listeners are there, so that no
// download waits for it, and knows which port to tell others.
import type { Clock, Rng } from '../../base/clock.ts';
import { isIPv6 } from '../../base/endpoint.ts';
import { isLocalAddress, isLoopbackAddress } from '../../base/local-address.ts';
import type { Log } from '../../base/log.ts';
import type { DialBack } from '../../nat/dial-back.ts';
import type { NatService } from '../../nat/io/nat-service.ts';
import type { NatSnapshot } from '../../nat/nat-snapshot.ts';
import type { AskReflection } from '../../nat/reflection.ts';
import type { PeerFacts } from '../../relay/messages.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';

/** Peers that are known already come first: loading this takes some 20 ms of the one thread. */
const START_DELAY_MS = 200;

export interface SessionNatOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly stateDir: string;
  readonly isMappingOn: boolean;
  readonly bindAddresses: readonly string[] | undefined;
  readonly families: readonly (4 | 6)[];
  readonly tcpPort: () => number;
  readonly udpPort: (family: 4 | 6) => number;
  readonly reflect: AskReflection | undefined;
  /** Another port than before is to be told to others. */
  readonly onPortChange: () => void;
}

export class SessionNat {
  readonly #options: SessionNatOptions;
  #service: NatService | undefined;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #announcedPort = 0;
  #isClosed = false;
  /** Somebody in the open to ask whether we can be reached; set before the service is loaded, or never. */
  dialBack: DialBack | undefined;

  constructor(options: SessionNatOptions) {
    this.#options = options;
  }

  /** Nothing is found out where there is nothing to find: on loopback only. */
  start(): void {
    const { bindAddresses, isMappingOn, reflect } = this.#options;
    if (bindAddresses?.every(isLoopbackAddress) === true) return;
    if (!isMappingOn && reflect === undefined && this.dialBack === undefined) return;
    this.#timer = setTimeout(() => {
      this.#loading = this.#load().catch((error: unknown) => {
        this.#options.log('warn', 'cannot find out about NATs', { error: String(error) });
      });
    }, START_DELAY_MS);
    this.#timer.unref();
  }

  /** The TCP port that strangers reach us at, as far as the gateway says; 0 when nothing listens. */
  get announcedPort(): number {
    return this.#service?.announcedPort ?? this.#options.tcpPort();
  }

  /** As DHT nodes, relays and the gateway say. */
  outerHosts(family: 4 | 6): readonly (string | undefined)[] {
    return this.#service?.outerHosts(family) ?? [];
  }

  /** Where strangers or those that we have written to reach us, where that is another port than ours. */
  outerPorts(family: 4 | 6): readonly (number | undefined)[] {
    return this.#service?.outerPorts(family) ?? [];
  }

  /** For relays and peers. Before anything is known: our own port, which most NATs keep. */
  facts(): PeerFacts {
    const { tcpPort, udpPort, families } = this.#options;
    return (
      this.#service?.facts() ?? {
        state: 'unknown',
        filter: 'unknown',
        tcpPort: tcpPort(),
        udpPort: udpPort(families[0] ?? 4),
      }
    );
  }

  handleIncoming(host: string): void {
    if (!isLocalAddress(host)) this.#service?.handleVisitor(host);
  }

  /** Every dial passes here: one that succeeds shows that TCP gets out. */
  async watch(dialling: Promise<ByteStream>): Promise<ByteStream> {
    const stream = await dialling;
    if (stream.transport === 'tcp' && !isLocalAddress(stream.remote.host)) this.#service?.handleTcpWorks();
    return stream;
  }

  /** A relay says as whom it sees our UDP port. */
  handleSeen(seen: { readonly host: string; readonly port: number }, by: string): void {
    if (isIPv6(seen.host) === isIPv6(by)) this.#service?.handleSeen(seen, by);
  }

  snapshot(): NatSnapshot | undefined {
    return this.#service?.snapshot();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#loading;
    await this.#service?.close();
  }

  async #load(): Promise<void> {
    const { NatService: Service } = await import('../../nat/io/nat-service.ts');
    if (this.#isClosed) return;
    const { tcpPort, ...options } = this.#options;
    this.#announcedPort = tcpPort();
    this.#service = new Service({
      ...options,
      tcpPort: this.#announcedPort,
      dialBack: { test: async (request) => this.dialBack?.test(request) },
      onChange: () => this.#handleChange(),
    });
    await this.#service.start();
  }

  #handleChange(): void {
    const port = this.announcedPort;
    if (port === this.#announcedPort || this.#isClosed) return;
    this.#announcedPort = port;
    this.#options.onPortChange();
  }
}
