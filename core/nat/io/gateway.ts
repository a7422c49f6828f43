// The default gateway of each family and our own address towards it.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { type DefaultRoute, parseNetstat, parseProcRoute, parseProcRoute6 } from '../routes.ts';

export interface Gateway {
  readonly family: 4 | 6;
  /** With a zone where it is link-local. */
  readonly host: string;
  /** The address that we have towards it, or (IPv6) towards the world. */
  readonly localHost: string;
}

const NETSTAT_TIMEOUT_MS = 3_000;
const NETSTAT_BYTES = 1 << 20;
/** Any address out there; nothing is sent to it. */
const SOMEWHERE: Readonly<Record<4 | 6, string>> = { 4: '8.8.8.8', 6: '2001:4860:4860::8888' };
const ANY_PORT = 9;

/** @returns undefined without a default route of the family */
export async function findGateway(
  family: 4 | 6,
  bindHost?: string,
  interfaceName?: string,
): Promise<Gateway | undefined> {
  const routes = (await defaultRoutes(family)).filter((route) => route.family === family);
  const route =
    (interfaceName === undefined ? undefined : routes.find((each) => each.interfaceName === interfaceName)) ??
    routes[0];
  if (route === undefined) return undefined;
  const localHost = bindHost ?? (await localAddressTo(SOMEWHERE[family], family));
  return localHost === undefined ? undefined : { family, host: route.gateway, localHost };
}

async function defaultRoutes(family: 4 | 6): Promise<DefaultRoute[]> {
  try {
    return family === 4
      ? parseProcRoute(await readFile('/proc/net/route', 'latin1'), endianness() === 'LE')
      : parseProcRoute6(await readFile('/proc/net/ipv6_route', 'latin1'));
  } catch {
    return parseNetstat(await netstat());
  }
}

/** Everywhere but on Linux. */
function netstat(): Promise<string> {
  return new Promise((resolve) => {
    execFile('netstat', ['-rn'], { timeout: NETSTAT_TIMEOUT_MS, maxBuffer: NETSTAT_BYTES }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
}

/** The source address that the system would choose. @returns undefined when there is no way there */
function localAddressTo(host: string, family: 4 | 6): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const finish = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => finish(undefined));
    socket.connect(ANY_PORT, host, () => finish(socket.address().address));
  });
}
