// PCP (RFC 6887) and NAT-PMP (RFC 6886) at the gateway: questions, answers, epochs.
import { bytesEqual } from '../../base/bytes.ts';
import type { Rng } from '../../base/clock.ts';
import { failed, type MapAnswer, type MappingKey, type MapRequest } from '../mapping-types.ts';
import {
  decodeNatPmpResponse,
  encodeAddressRequest,
  encodeNatPmpMap,
  type NatPmpResponse,
  natPmpAddressTrouble,
  natPmpAnswer,
} from '../nat-pmp-codec.ts';
import {
  decodePcpResponse,
  encodePcpAnnounce,
  encodePcpMap,
  PCP_SERVER_PORT,
  type PcpResponse,
  pcpAnswer,
} from '../pcp-codec.ts';
import { EpochWatch, natPmpDelaysMs, pcpDelaysMs } from '../retransmit.ts';
import { type ExchangeResult, GatewayExchange } from './exchange.ts';
import type { Gateway } from './gateway.ts';
import type { MappingClient } from './mapping-client.ts';

/** About 3 and 6 seconds; RFC 6887 sets no end. Who is silent for so long is asked again a quarter of an hour later. */
const PCP_TRIES = 2;
/** Eight seconds in all. RFC 6886 allows 9 tries, which take two minutes: too long to say that there is nobody. */
const NAT_PMP_TRIES = 5;
/** A gateway that just said it is there. */
const CHECK_TRIES = 2;

const ABSENT = failed('absent', 'the gateway does not speak it');
const SILENT = failed('absent', 'the gateway does not answer');

export class PcpClient implements MappingClient {
  readonly protocol = 'pcp';
  readonly #exchange: GatewayExchange;
  readonly #clientHost: string;
  readonly #rng: Rng;
  readonly #epoch = new EpochWatch();
  readonly #nowMs: () => number;

  readonly #onLost: () => void;

  /** @param onLost an answer shows that the gateway has lost what it granted before */
  constructor(gateway: Gateway, rng: Rng, nowMs: () => number, onLost: () => void) {
    this.#onLost = onLost;
    this.#exchange = new GatewayExchange(gateway.host, PCP_SERVER_PORT, gateway.localHost);
    this.#clientHost = gateway.localHost;
    this.#rng = rng;
    this.#nowMs = nowMs;
  }

  async map(request: MapRequest, nonce: Uint8Array): Promise<MapAnswer> {
    const answer = await this.#ask(request, nonce, PCP_TRIES);
    if (answer === 'silent') return SILENT;
    if (answer === 'refused' || answer.kind !== 'map') return ABSENT;
    if (this.#epoch.handleEpoch(answer.epochSec, this.#nowMs())) this.#onLost();
    return pcpAnswer(answer);
  }

  async unmap({ transport, internalPort, externalPort, nonce }: MappingKey): Promise<void> {
    const request = { transport, internalPort, externalPort, lifetimeSec: 0 };
    await this.#ask(request, nonce, 1);
  }

  async isLost(): Promise<boolean> {
    const answer = await this.#exchange.ask(
      encodePcpAnnounce(this.#clientHost),
      pcpDelaysMs(this.#rng, CHECK_TRIES),
      (bytes) => {
        const response = decodePcpResponse(bytes);
        return response.ok && response.value.kind === 'announce' ? response.value : undefined;
      },
    );
    // No answer is no news: the mapping is renewed in its time.
    return typeof answer === 'object' && this.#epoch.handleEpoch(answer.epochSec, this.#nowMs());
  }

  async stop(): Promise<void> {}

  close(): Promise<void> {
    return this.#exchange.close();
  }

  #ask(request: MapRequest, nonce: Uint8Array, tries: number): Promise<ExchangeResult<PcpResponse>> {
    return this.#exchange.ask(
      encodePcpMap({ ...request, nonce, clientHost: this.#clientHost }),
      pcpDelaysMs(this.#rng, tries),
      (bytes) => {
        const response = decodePcpResponse(bytes);
        if (!response.ok) return undefined;
        const { value } = response;
        if (value.kind === 'unsupported') return value;
        const isOurs =
          value.kind === 'map' &&
          bytesEqual(value.nonce, nonce) &&
          value.transport === request.transport &&
          value.internalPort === request.internalPort;
        return isOurs ? value : undefined;
      },
    );
  }
}

export class NatPmpClient implements MappingClient {
  readonly protocol = 'nat-pmp';
  readonly #exchange: GatewayExchange;
  readonly #epoch = new EpochWatch();
  readonly #nowMs: () => number;

  readonly #onLost: () => void;

  /** @param onLost an answer shows that the gateway has lost what it granted before */
  constructor(gateway: Gateway, nowMs: () => number, onLost: () => void) {
    this.#onLost = onLost;
    this.#exchange = new GatewayExchange(gateway.host, PCP_SERVER_PORT, gateway.localHost);
    this.#nowMs = nowMs;
  }

  async map(request: MapRequest): Promise<MapAnswer> {
    const address = await this.#askAddress(natPmpDelaysMs(NAT_PMP_TRIES));
    if (address === 'silent') return SILENT;
    if (address === 'refused' || address.kind !== 'address') return ABSENT;
    if (this.#epoch.handleEpoch(address.epochSec, this.#nowMs())) this.#onLost();
    const trouble = natPmpAddressTrouble(address);
    if (trouble !== undefined) return trouble;
    const answer = await this.#askMap(request, natPmpDelaysMs(NAT_PMP_TRIES));
    if (answer === 'silent') return SILENT;
    if (answer === 'refused' || answer.kind !== 'map') return ABSENT;
    return natPmpAnswer(answer, address.host);
  }

  async unmap({ transport, internalPort }: MappingKey): Promise<void> {
    await this.#askMap({ transport, internalPort, externalPort: 0, lifetimeSec: 0 }, natPmpDelaysMs(1));
  }

  async isLost(): Promise<boolean> {
    const answer = await this.#askAddress(natPmpDelaysMs(CHECK_TRIES + 1));
    return (
      typeof answer === 'object' &&
      answer.kind === 'address' &&
      this.#epoch.handleEpoch(answer.epochSec, this.#nowMs())
    );
  }

  async stop(): Promise<void> {}

  close(): Promise<void> {
    return this.#exchange.close();
  }

  #askAddress(delaysMs: readonly number[]): Promise<ExchangeResult<NatPmpResponse>> {
    return this.#exchange.ask(encodeAddressRequest(), delaysMs, (bytes) => {
      const response = decodeNatPmpResponse(bytes);
      return response.ok && response.value.kind !== 'map' ? response.value : undefined;
    });
  }

  #askMap(request: MapRequest, delaysMs: readonly number[]): Promise<ExchangeResult<NatPmpResponse>> {
    return this.#exchange.ask(encodeNatPmpMap(request), delaysMs, (bytes) => {
      const response = decodeNatPmpResponse(bytes);
      if (!response.ok) return undefined;
      const { value } = response;
      if (value.kind === 'unsupported') return value;
      const isOurs =
        value.kind === 'map' &&
        value.transport === request.transport &&
        (value.internalPort === request.internalPort || value.result !== 0);
      return isOurs ? value : undefined;
    });
  }
}
