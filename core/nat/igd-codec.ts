// What UPnP Internet Gateway Devices (IGD:1, IGD:2) are asked, as SOAP, and what they answer. Pure.
import { accept, type Result, reject } from '../base/result.ts';
import type { MapFailure, MapRequest, Transport } from './mapping-types.ts';
import { checkLocation } from './ssdp-codec.ts';
import { childText, descendants, escapeXml, parseXml, type XmlElement } from './xml.ts';

export interface IgdService {
  /** The whole URN, which names the version that is spoken. */
  readonly type: string;
  readonly control: URL;
}

export interface IgdServices {
  /** WANIPConnection or WANPPPConnection; undefined where there is none. */
  readonly connection: IgdService | undefined;
  /** IGD:2, IPv6. */
  readonly firewall: IgdService | undefined;
}

const CONNECTION_TYPES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const;
const FIREWALL_TYPE = 'urn:schemas-upnp-org:service:WANIPv6FirewallControl:1';

/** @param base where the description was, on the gateway's own address; control URLs must be there as well */
export function decodeDescription(source: string, base: URL): Result<IgdServices> {
  const root = parseXml(source);
  if (!root.ok) return root;
  const gatewayHost = base.hostname.replace(/^\[|\]$/g, '');
  const found = new Map<string, IgdService>();
  for (const service of descendants(root.value, 'service')) {
    const type = childText(service, 'serviceType');
    const path = childText(service, 'controlURL');
    if (type === undefined || path === undefined || found.has(type)) continue;
    if (!URL.canParse(path, base.href)) continue;
    const control = checkLocation(new URL(path, base).href, gatewayHost);
    if (control.ok) found.set(type, { type, control: control.value });
  }
  const connection = CONNECTION_TYPES.map((type) => found.get(type)).find((each) => each !== undefined);
  const firewall = found.get(FIREWALL_TYPE);
  if (connection === undefined && firewall === undefined)
    return reject('UPnP: the device describes no Internet connection');
  return accept({ connection, firewall });
}

export interface SoapCall {
  readonly service: IgdService;
  readonly action: string;
  readonly body: string;
}

function soap(
  service: IgdService,
  action: string,
  fields: Readonly<Record<string, string | number>>,
): SoapCall {
  const values = Object.entries(fields)
    .map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
    .join('');
  return {
    service,
    action,
    body:
      '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"' +
      ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
      `<u:${action} xmlns:u="${service.type}">${values}</u:${action}></s:Body></s:Envelope>\r\n`,
  };
}

const DESCRIPTION = 'tt';
const UPPER: Readonly<Record<Transport, string>> = { tcp: 'TCP', udp: 'UDP' };

export interface IgdMapRequest extends MapRequest {
  readonly clientHost: string;
}

/** IGD:2: the gateway chooses another port when that one is taken. */
export function addAnyPortMapping(service: IgdService, request: IgdMapRequest): SoapCall {
  return soap(service, 'AddAnyPortMapping', mappingFields(request));
}

/** IGD:1 and 2: this very port, or an error (718: it is taken; 725: permanent leases only). */
export function addPortMapping(service: IgdService, request: IgdMapRequest): SoapCall {
  return soap(service, 'AddPortMapping', mappingFields(request));
}

/** @param externalPort as the gateway granted it */
export function deletePortMapping(service: IgdService, transport: Transport, externalPort: number): SoapCall {
  return soap(service, 'DeletePortMapping', {
    NewRemoteHost: '',
    NewExternalPort: externalPort,
    NewProtocol: UPPER[transport],
  });
}

export function getPortMapping(service: IgdService, transport: Transport, externalPort: number): SoapCall {
  return soap(service, 'GetSpecificPortMappingEntry', {
    NewRemoteHost: '',
    NewExternalPort: externalPort,
    NewProtocol: UPPER[transport],
  });
}

export function getExternalAddress(service: IgdService): SoapCall {
  return soap(service, 'GetExternalIPAddress', {});
}

/** WANIPv6FirewallControl: lets strangers in to one port of this machine. */
export function addPinhole(service: IgdService, request: IgdMapRequest): SoapCall {
  return soap(service, 'AddPinhole', {
    RemoteHost: '',
    RemotePort: 0,
    InternalClient: request.clientHost,
    InternalPort: request.internalPort,
    Protocol: request.transport === 'tcp' ? 6 : 17,
    LeaseTime: request.lifetimeSec,
  });
}

/** WANIPv6FirewallControl. @param id as the gateway gave it */
export function updatePinhole(service: IgdService, id: string, lifetimeSec: number): SoapCall {
  return soap(service, 'UpdatePinhole', { UniqueID: id, NewLeaseTime: lifetimeSec });
}

export function deletePinhole(service: IgdService, id: string): SoapCall {
  return soap(service, 'DeletePinhole', { UniqueID: id });
}

function mappingFields(request: IgdMapRequest): Record<string, string | number> {
  return {
    NewRemoteHost: '',
    NewExternalPort: request.externalPort,
    NewProtocol: UPPER[request.transport],
    NewInternalPort: request.internalPort,
    NewInternalClient: request.clientHost,
    NewEnabled: 1,
    NewPortMappingDescription: DESCRIPTION,
    NewLeaseDuration: request.lifetimeSec,
  };
}

export type SoapAnswer =
  | { readonly ok: true; readonly fields: XmlElement }
  | { readonly ok: false; readonly code: number; readonly what: string };

/** @param action whose answer it should be */
export function decodeSoap(source: string, action: string): Result<SoapAnswer> {
  const root = parseXml(source);
  if (!root.ok) return root;
  const [error] = descendants(root.value, 'UPnPError');
  if (error !== undefined) {
    const code = Number(childText(error, 'errorCode') ?? '');
    const what = (childText(error, 'errorDescription') ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, MAX_WHAT);
    return accept({ ok: false, code: Number.isInteger(code) ? code : 0, what });
  }
  const [fields] = descendants(root.value, `${action}Response`);
  return fields === undefined ? reject(`UPnP: no answer to ${action}`) : accept({ ok: true, fields });
}

const MAX_WHAT = 80;
/** The action is not there: IGD:1 and its imitations. */
export const UNKNOWN_ACTIONS: readonly number[] = [401, 602];
/** ConflictInMappingEntry. */
export const CONFLICT = 718;
/** OnlyPermanentLeasesSupported: only a lease of 0 is taken, which then has to be taken back by hand. */
export const ONLY_PERMANENT = 725;
const ACTION_FAILED = 501;
/** All are taken. */
const NO_PORT_MAPS_AVAILABLE = 728;
/** NoSuchEntryInArray, and NoSuchEntry of the firewall. */
export const NO_SUCH_ENTRY: readonly number[] = [714, 704];

export function soapFailure({ code, what }: SoapAnswer & { readonly ok: false }): MapFailure {
  const text = `UPnP error ${code}${what === '' ? '' : ` (${what})`}`;
  if (code === CONFLICT) return { kind: 'conflict', what: text };
  if (code === ACTION_FAILED || code === NO_PORT_MAPS_AVAILABLE) return { kind: 'failed', what: text };
  return { kind: 'refused', what: text };
}
