// Finding a gateway's UPnP description (UPnP Device Architecture 1.1, section 1): search text, answers, announcements. Pure.
import { accept, type Result, reject } from '../base/result.ts';

export const SSDP_GROUP = '239.255.255.250';
export const SSDP_PORT = 1900;
const MAX_BYTES = 4_096;
const MAX_HEADERS = 64;
/** Devices spread their answers over so many seconds. */
const ANSWER_WITHIN_SEC = 1;

/** What we look for; newer gateways answer to the older names as well. */
export const SEARCH_TARGETS = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const;

/** @param host where it is sent: the group, or the gateway itself */
export function encodeSearch(target: string, host: string): string {
  return [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${host}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    `MX: ${ANSWER_WITHIN_SEC}`,
    `ST: ${target}`,
    '',
    '',
  ].join('\r\n');
}

export interface SsdpMessage {
  readonly kind: 'answer' | 'alive' | 'byebye';
  /** Of the description; absent in a goodbye. */
  readonly location: string | undefined;
  /** Service or device type. */
  readonly target: string;
  /** UDA 1.1 BOOTID.UPNP.ORG: grows with each restart; undefined from older devices. */
  readonly bootId: string | undefined;
}

/** An answer to M-SEARCH (UPnP Device Architecture 1.1), as text. */
export function decodeSsdp(text: string): Result<SsdpMessage> {
  if (text.length > MAX_BYTES) return reject(`SSDP: longer than ${MAX_BYTES} bytes`);
  const [first = '', ...lines] = text.split(/\r?\n/, MAX_HEADERS);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const location = headers.get('location');
  const bootId = headers.get('bootid.upnp.org') ?? headers.get('01-nls');
  if (/^HTTP\/1\.[01] 200\b/i.test(first)) {
    if (location === undefined) return reject('SSDP: an answer without location');
    return accept({ kind: 'answer', location, target: headers.get('st') ?? '', bootId });
  }
  if (!/^NOTIFY \* HTTP\/1\.[01]/i.test(first)) return reject('SSDP: neither answer nor announcement');
  const sort = headers.get('nts');
  if (sort !== 'ssdp:alive' && sort !== 'ssdp:byebye') return reject('SSDP: unknown announcement');
  const kind = sort === 'ssdp:alive' ? 'alive' : 'byebye';
  return accept({ kind, location, target: headers.get('nt') ?? '', bootId });
}

/**
 * A gateway describes itself at its own address and nowhere else: whoever answers first on the local network must not be able to
 * send us to another machine.
 * @param gatewayHost address of the default gateway, which also sent the answer
 */
export function checkLocation(location: string, gatewayHost: string): Result<URL> {
  let url: URL;
  try {
    url = new URL(location);
  } catch {
    return reject('UPnP: location is no URL');
  }
  if (url.protocol !== 'http:') return reject('UPnP: location is not plain HTTP');
  if (url.username !== '' || url.password !== '') return reject('UPnP: location with a password');
  if (url.hostname.replace(/^\[|\]$/g, '') !== gatewayHost)
    return reject(`UPnP: location ${url.hostname} is not the gateway ${gatewayHost}`);
  return accept(url);
}
