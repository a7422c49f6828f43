// UPnP-IGD at the gateway: port mappings for IPv4, and pinholes in its IPv6 firewall. What gateways get wrong is told where it is met.
import { isIPv6 } from '../../base/endpoint.ts';
import { isLocalAddress } from '../../base/local-address.ts';
import type { Result } from '../../base/result.ts';
import {
  addAnyPortMapping,
  addPinhole,
  addPortMapping,
  CONFLICT,
  decodeDescription,
  decodeSoap,
  deletePinhole,
  deletePortMapping,
  getExternalAddress,
  getPortMapping,
  type IgdMapRequest,
  type IgdService,
  type IgdServices,
  NO_SUCH_ENTRY,
  ONLY_PERMANENT,
  type SoapAnswer,
  type SoapCall,
  soapFailure,
  UNKNOWN_ACTIONS,
  updatePinhole,
} from '../igd-codec.ts';
import {
  failed,
  type MapAnswer,
  type MappingKey,
  type MapRequest,
  type Transport,
} from '../mapping-types.ts';
import { childText, type XmlElement } from '../xml.ts';
import type { Gateway } from './gateway.ts';
import { httpRequest } from './http.ts';
import type { MappingClient } from './mapping-client.ts';
import { searchGateway } from './ssdp.ts';

const ABSENT = failed('absent', 'the gateway does not speak it');

/** The gateway's services, found once; both clients below ask it. */
export class IgdFinder {
  readonly gateway: Gateway;
  #services: Promise<IgdServices | undefined> | undefined;

  constructor(gateway: Gateway) {
    this.gateway = gateway;
  }

  services(): Promise<IgdServices | undefined> {
    this.#services ??= this.#find().catch(() => undefined);
    return this.#services;
  }

  /** It moved, or went away: look again next time. */
  forget(): void {
    this.#services = undefined;
  }

  async #find(): Promise<IgdServices | undefined> {
    const location = await searchGateway(this.gateway);
    if (location === undefined) return undefined;
    const answer = await httpRequest({ url: location, method: 'GET', localHost: this.gateway.localHost });
    if (answer.status !== 200) return undefined;
    const services = decodeDescription(answer.body, location);
    return services.ok ? services.value : undefined;
  }
}

/** @throws Error when there is no well-formed answer */
async function call(soap: SoapCall, localHost: string, connectHost?: string): Promise<SoapAnswer> {
  const { status, body } = await httpRequest({
    url: soap.service.control,
    method: 'POST',
    headers: {
      'content-type': 'text/xml; charset="utf-8"',
      soapaction: `"${soap.service.type}#${soap.action}"`,
    },
    body: soap.body,
    localHost,
    ...(connectHost === undefined ? {} : { connectHost }),
  });
  const answer: Result<SoapAnswer> = decodeSoap(body, soap.action);
  if (answer.ok) return answer.value;
  throw new Error(status === 200 || status === 500 ? answer.reason.what : `UPnP: HTTP status ${status}`);
}

function portOf(fields: XmlElement, name: string): number | undefined {
  const text = childText(fields, name) ?? '';
  return /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

export class UpnpClient implements MappingClient {
  readonly protocol = 'upnp';
  readonly #finder: IgdFinder;
  /** What we were granted: these ports are ours to ask for again. */
  readonly #granted = new Map<Transport, number>();
  /** Requests that a gateway may grant. */
  readonly #underWay = new Set<Promise<MapAnswer>>();
  #isStopped = false;

  constructor(finder: IgdFinder) {
    this.#finder = finder;
  }

  async map(request: MapRequest): Promise<MapAnswer> {
    try {
      const service = (await this.#finder.services())?.connection;
      if (service === undefined) {
        this.#finder.forget();
        return ABSENT;
      }
      const externalHost = await this.#externalHost(service);
      // Behind another NAT: a mapping here would lead nowhere, so none is made.
      if (externalHost !== undefined && isLocalAddress(externalHost))
        return failed('private', `the gateway's outer address is ${externalHost}, not a public one`);
      if (this.#isStopped) return ABSENT;
      const mapping = this.#map(service, request, externalHost);
      this.#underWay.add(mapping);
      return await mapping.finally(() => this.#underWay.delete(mapping));
    } catch (error) {
      this.#finder.forget();
      return failed('failed', (error as Error).message);
    }
  }

  async unmap({ transport, externalPort }: MappingKey): Promise<void> {
    try {
      const service = (await this.#finder.services())?.connection;
      if (service === undefined) return;
      await this.#call(deletePortMapping(service, transport, externalPort));
    } catch {
      // The lease runs out by itself.
    }
  }

  async isLost({ transport, externalPort }: MappingKey): Promise<boolean> {
    try {
      const service = (await this.#finder.services())?.connection;
      if (service === undefined) return false;
      const answer = await this.#call(getPortMapping(service, transport, externalPort));
      if (!answer.ok) return NO_SUCH_ENTRY.includes(answer.code);
      return childText(answer.fields, 'NewInternalClient') !== this.#finder.gateway.localHost;
    } catch {
      // Perhaps it restarts; its description may be elsewhere afterwards.
      this.#finder.forget();
      return false;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled(this.#underWay);
  }

  async close(): Promise<void> {}

  async #map(service: IgdService, wish: MapRequest, externalHost: string | undefined): Promise<MapAnswer> {
    const request: IgdMapRequest = { ...wish, clientHost: this.#finder.gateway.localHost };
    const isRenewal = this.#granted.get(wish.transport) === wish.externalPort;
    if (service.type.endsWith('WANIPConnection:2') && !isRenewal) {
      const answer = await this.#call(addAnyPortMapping(service, request));
      if (answer.ok) {
        const port = portOf(answer.fields, 'NewReservedPort') ?? wish.externalPort;
        return this.#grant(wish, port, wish.lifetimeSec, externalHost);
      }
      if (!UNKNOWN_ACTIONS.includes(answer.code)) return { ok: false, failure: soapFailure(answer) };
    }
    let answer = await this.#call(addPortMapping(service, request));
    if (!answer.ok && answer.code === CONFLICT && (await this.#isOurs(service, request))) {
      // Some gateways do not extend a lease: away with it, and again.
      await this.#call(deletePortMapping(service, wish.transport, wish.externalPort));
      answer = await this.#call(addPortMapping(service, request));
    }
    if (!answer.ok && answer.code === ONLY_PERMANENT) {
      // The one case in which 0 is asked for: it takes nothing else. Such a mapping never runs out, so that taking it back, by us or by
      // the next run, is all that ends it.
      answer = await this.#call(addPortMapping(service, { ...request, lifetimeSec: 0 }));
    }
    return answer.ok
      ? this.#grant(wish, wish.externalPort, wish.lifetimeSec, externalHost)
      : { ok: false, failure: soapFailure(answer) };
  }

  #grant(
    { transport }: MapRequest,
    externalPort: number,
    lifetimeSec: number,
    externalHost: string | undefined,
  ): MapAnswer {
    this.#granted.set(transport, externalPort);
    return { ok: true, grant: { externalPort, externalHost, lifetimeSec, epochSec: undefined } };
  }

  async #isOurs(service: IgdService, request: IgdMapRequest): Promise<boolean> {
    const answer = await this.#call(getPortMapping(service, request.transport, request.externalPort));
    return (
      answer.ok &&
      childText(answer.fields, 'NewInternalClient') === request.clientHost &&
      portOf(answer.fields, 'NewInternalPort') === request.internalPort
    );
  }

  async #externalHost(service: IgdService): Promise<string | undefined> {
    const answer = await this.#call(getExternalAddress(service));
    const host = answer.ok ? childText(answer.fields, 'NewExternalIPAddress') : undefined;
    return host === undefined || host === '' ? undefined : host;
  }

  #call(soap: SoapCall): Promise<SoapAnswer> {
    return call(soap, this.#finder.gateway.localHost);
  }
}

/** Holes in the gateway's IPv6 firewall (WANIPv6FirewallControl:1): nothing is translated, the port stays. */
export class PinholeClient implements MappingClient {
  readonly protocol = 'upnp';
  readonly #finder: IgdFinder;
  readonly #gateway: Gateway;
  readonly #ids = new Map<string, string>();
  readonly #underWay = new Set<Promise<SoapAnswer>>();
  #isStopped = false;

  /** @param finder of the IPv4 gateway, which describes both @param gateway of IPv6: holes are granted to whom they lead to only */
  constructor(finder: IgdFinder, gateway: Gateway) {
    this.#finder = finder;
    this.#gateway = gateway;
  }

  async map(request: MapRequest): Promise<MapAnswer> {
    try {
      const service = (await this.#finder.services())?.firewall;
      if (service === undefined) return ABSENT;
      const key = `${request.transport} ${request.internalPort}`;
      const id = this.#ids.get(key);
      if (id !== undefined) {
        const renewed = await this.#call(updatePinhole(service, id, request.lifetimeSec));
        if (renewed.ok) return this.#grant(request);
        this.#ids.delete(key);
      }
      if (this.#isStopped) return ABSENT;
      const adding = this.#call(addPinhole(service, { ...request, clientHost: this.#gateway.localHost }));
      this.#underWay.add(adding);
      const answer = await adding.finally(() => this.#underWay.delete(adding));
      if (!answer.ok) return { ok: false, failure: soapFailure(answer) };
      this.#ids.set(key, (childText(answer.fields, 'UniqueID') ?? '').slice(0, MAX_ID));
      return this.#grant(request);
    } catch (error) {
      return failed('failed', (error as Error).message);
    }
  }

  async unmap({ transport, internalPort }: MappingKey): Promise<void> {
    const key = `${transport} ${internalPort}`;
    const id = this.#ids.get(key);
    if (id === undefined) return;
    this.#ids.delete(key);
    try {
      const service = (await this.#finder.services())?.firewall;
      if (service !== undefined) await this.#call(deletePinhole(service, id));
    } catch {
      // The lease runs out by itself.
    }
  }

  async isLost(): Promise<boolean> {
    return false;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled(this.#underWay);
  }

  async close(): Promise<void> {}

  #grant({ internalPort, lifetimeSec }: MapRequest): MapAnswer {
    const externalHost = this.#gateway.localHost;
    return {
      ok: true,
      grant: { externalPort: internalPort, externalHost, lifetimeSec, epochSec: undefined },
    };
  }

  #call(soap: SoapCall): Promise<SoapAnswer> {
    const { host, localHost } = this.#gateway;
    return call(soap, localHost, isIPv6(host) ? host : undefined);
  }
}

const MAX_ID = 32;
