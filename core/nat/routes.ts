// Where packets to the world go first: the default gateway, out of what the system says about its routes. Pure.
import { formatIp, parseIp } from '../base/endpoint.ts';

export interface DefaultRoute {
  readonly family: 4 | 6;
  readonly gateway: string;
  readonly interfaceName: string;
  readonly metric: number;
}

const MAX_LINES = 20_000;
const FLAG_UP = 1;
const FLAG_GATEWAY = 2;

/** Linux /proc/net/route: addresses are hex words in the byte order of the machine. */
export function parseProcRoute(text: string, isLittleEndian: boolean): DefaultRoute[] {
  const routes: DefaultRoute[] = [];
  for (const line of text.split('\n', MAX_LINES).slice(1)) {
    const [interfaceName = '', destination, gateway = '', flags = '', , , metric, mask] = line
      .trim()
      .split(/\s+/);
    if (destination !== '00000000' || mask !== '00000000') continue;
    const bits = Number.parseInt(flags, 16);
    if ((bits & FLAG_UP) === 0 || (bits & FLAG_GATEWAY) === 0 || !/^[0-9A-F]{8}$/i.test(gateway)) continue;
    const bytes = Uint8Array.from({ length: 4 }, (_, i) =>
      Number.parseInt(gateway.slice(i * 2, i * 2 + 2), 16),
    );
    if (isLittleEndian) bytes.reverse();
    routes.push({ family: 4, gateway: formatIp(bytes), interfaceName, metric: Number(metric) });
  }
  return routes.sort((a, b) => a.metric - b.metric);
}

/** Linux /proc/net/ipv6_route: addresses in network order, no separators. A link-local gateway gets its zone. */
export function parseProcRoute6(text: string): DefaultRoute[] {
  const routes: DefaultRoute[] = [];
  for (const line of text.split('\n', MAX_LINES)) {
    const [destination, length, , , gateway = '', metric = '', , , flags = '', interfaceName = ''] = line
      .trim()
      .split(/\s+/);
    if (destination !== '0'.repeat(32) || length !== '00' || !/^[0-9a-f]{32}$/i.test(gateway)) continue;
    const bits = Number.parseInt(flags, 16);
    if ((bits & FLAG_UP) === 0 || (bits & FLAG_GATEWAY) === 0) continue;
    const host = formatIp(
      Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(gateway.slice(i * 2, i * 2 + 2), 16)),
    );
    routes.push({
      family: 6,
      gateway: withZone(host, interfaceName),
      interfaceName,
      metric: Number.parseInt(metric, 16),
    });
  }
  return routes.sort((a, b) => a.metric - b.metric);
}

/** `netstat -rn` of macOS, the BSDs and Windows: the first line of each family that is a default route through an address. */
export function parseNetstat(text: string): DefaultRoute[] {
  const routes: DefaultRoute[] = [];
  for (const line of text.split(/\r?\n/, MAX_LINES)) {
    const words = line.trim().split(/\s+/);
    const isWindows = words[0] === '0.0.0.0' && words[1] === '0.0.0.0';
    if (words[0] !== 'default' && !isWindows) continue;
    const gateway = words[isWindows ? 2 : 1] ?? '';
    const zone = gateway.indexOf('%');
    const ip = parseIp(zone < 0 ? gateway : gateway.slice(0, zone));
    if (ip === undefined) continue;
    const family = ip.length === 4 ? 4 : 6;
    const metric = routes.filter((route) => route.family === family).length;
    routes.push({
      family,
      gateway,
      interfaceName: isWindows ? '' : (words.find((word, i) => i > 2 && /^[a-z]+[0-9]+$/.test(word)) ?? ''),
      metric,
    });
  }
  return routes;
}

function withZone(host: string, interfaceName: string): string {
  return host.startsWith('fe80:') ? `${host}%${interfaceName}` : host;
}
