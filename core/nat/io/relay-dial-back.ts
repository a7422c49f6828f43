// Asks a relay whether it reaches us (message 8 of the relay protocol): it dials our own address and sends datagrams there. What
// comes in by UDP we notice ourselves, here.
import { bytesEqual } from '../../base/bytes.ts';
import type { DatagramPort } from '../../base/datagram-port.ts';
import { type Endpoint, endpointKey, isIPv6 } from '../../base/endpoint.ts';
import type { TestResult } from '../../relay/client-port.ts';
import { decodeFrame, FRAME_BYTES } from '../../relay/frame.ts';
import type { TestedMessage, TestWays } from '../../relay/messages.ts';
import type { DialBack, DialBackRequest, DialBackResult } from '../dial-back.ts';

/** Relays send three datagrams within 600 ms; the way takes its time as well. */
const DATAGRAMS_MS = 1_500;
/** The relay gives up its own TCP attempt after five seconds. */
const ANSWER_MS = 8_000;

export interface TestOrder {
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly ways: TestWays;
}

/** What `RelayClient.testThrough` does. */
export type AskRelay = (
  relay: Endpoint,
  order: TestOrder,
  onStart: (nonce: Uint8Array) => void,
  onResult: (result: TestResult) => void,
) => void;

export interface RelayDialBackOptions {
  /** Those to ask, in turn. */
  readonly relays: () => readonly Endpoint[];
  /** Our UDP port has never sent to it: only such a one can tell whether datagrams of strangers get in. */
  readonly isStranger: (relay: Endpoint) => boolean;
  readonly ask: AskRelay;
  readonly datagrams: () => DatagramPort | undefined;
}

interface Trial {
  readonly tested: TestedMessage;
  /** A datagram with the nonce came in. */
  readonly hasDatagram: boolean;
}

export class RelayDialBack implements DialBack {
  readonly #options: RelayDialBackOptions;
  /** Relays whose UDP port we have sent to: what comes from there is no stranger's any more. */
  readonly #greeted = new Set<string>();
  #next = 0;

  constructor(options: RelayDialBackOptions) {
    this.#options = options;
  }

  async test(request: DialBackRequest): Promise<DialBackResult | undefined> {
    const { tcpPort, udpPort, ways } = request;
    const { isStranger } = this.#options;
    const relays = this.#options.relays().filter((relay) => ways.tcp || isStranger(relay));
    for (let i = 0; i < relays.length; i++) {
      const relay = relays[this.#next++ % relays.length] as Endpoint;
      const udp = ways.udp && isStranger(relay) && !this.#greeted.has(endpointKey(relay));
      const first = await this.#try(relay, {
        tcpPort,
        udpPort,
        ways: { tcp: ways.tcp, udp, udpOtherPort: false },
      });
      if (first === undefined) continue;
      const { tested } = first;
      const datagrams = tested.tried.udp ? first.hasDatagram : undefined;
      const otherPort =
        datagrams === false && ways.udpOtherPort ? await this.#tryOtherPort(relay, request) : undefined;
      return {
        by: relay.host,
        observedHost: tested.observed.host,
        tcp: tested.tried.tcp ? tested.tcpReached : undefined,
        udp: datagrams,
        udpOtherPort: otherPort,
      };
    }
    return undefined;
  }

  /** Address-dependent filters let in whom we have written to, from whatever port: so first we write. */
  async #tryOtherPort(relay: Endpoint, request: DialBackRequest): Promise<boolean | undefined> {
    const port = this.#options.datagrams();
    if (port === undefined) return undefined;
    this.#greeted.add(endpointKey(relay));
    // Means nothing to anybody; it opens the filter.
    port.send(new Uint8Array(1), relay);
    const { udpPort } = request;
    const trial = await this.#try(relay, {
      tcpPort: 0,
      udpPort,
      ways: { tcp: false, udp: false, udpOtherPort: true },
    });
    return trial?.tested.tried.udpOtherPort === true ? trial.hasDatagram : undefined;
  }

  async #try(relay: Endpoint, order: TestOrder): Promise<Trial | undefined> {
    const { ways } = order;
    if (!ways.tcp && !ways.udp && !ways.udpOtherPort) return undefined;
    let nonce: Uint8Array | undefined;
    let hasDatagram = false;
    let heard: () => void = () => {};
    const stop = this.#options.datagrams()?.addReceiver((bytes, from) => {
      if (bytes.length !== FRAME_BYTES || isIPv6(from.host) !== isIPv6(relay.host)) return false;
      const frame = decodeFrame(bytes);
      if (frame?.kind !== 'test' || nonce === undefined || !bytesEqual(frame.token, nonce)) return false;
      hasDatagram = true;
      heard();
      return true;
    });
    try {
      const startedAtMs = performance.now();
      const tested = await new Promise<TestedMessage | undefined>((resolve) => {
        const timer = setTimeout(() => resolve(undefined), ANSWER_MS);
        timer.unref();
        this.#options.ask(
          relay,
          order,
          (started) => {
            nonce = started;
          },
          (result) => {
            clearTimeout(timer);
            resolve(result.kind === 'tested' ? result.tested : undefined);
          },
        );
      });
      if (tested === undefined) return undefined;
      const leftMs = DATAGRAMS_MS - (performance.now() - startedAtMs);
      if (!hasDatagram && (ways.udp || ways.udpOtherPort) && leftMs > 0) {
        await new Promise<void>((resolve) => {
          heard = resolve;
          setTimeout(resolve, leftMs).unref();
        });
      }
      return { tested, hasDatagram };
    } finally {
      stop?.();
    }
  }
}
