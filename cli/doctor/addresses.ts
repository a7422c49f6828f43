// Which addresses this machine has, of which families, and whether the system has a way out for each. Sends nothing: a UDP
// socket that is connected only asks the routing table.
import dgram from 'node:dgram';
import os from 'node:os';
import { isIPv6 } from '../../core/base/endpoint.ts';
import { isLocalAddress, isLoopbackAddress } from '../../core/base/local-address.ts';
import { type DoctorContext, type DoctorFact, type DoctorProbe, good, note } from './section.ts';

export interface LocalAddress {
  readonly interface: string;
  readonly host: string;
}

/** What an address can be used for. */
export type AddressKind = 'public' | 'private' | 'shared' | 'link-local' | 'loopback';

/** Documentation addresses (RFC 5737, RFC 3849): nobody is there, and nothing is sent. */
const FAR_AWAY = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const ANY_PORT = 9;
const MOST_SHOWN = 4;

export function addressKind(host: string): AddressKind {
  if (isLoopbackAddress(host)) return 'loopback';
  if (/^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(host)) return 'link-local';
  // RFC 6598: what a provider uses behind a translator of its own.
  if (/^100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\./.test(host)) return 'shared';
  return isLocalAddress(host) ? 'private' : 'public';
}

export function localAddresses(): readonly LocalAddress[] {
  return Object.entries(os.networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address }) => ({ interface: name, host: address })),
  );
}

/** The address that packets to the Internet would leave from; undefined without a route. */
async function routeSource(family: 4 | 6): Promise<string | undefined> {
  const socket = dgram.createSocket(family === 4 ? 'udp4' : 'udp6');
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('error', () => resolve(undefined));
      socket.connect(ANY_PORT, FAR_AWAY[family], (error?: Error) =>
        resolve(error instanceof Error ? undefined : socket.address().address),
      );
    });
  } catch {
    return undefined;
  } finally {
    try {
      socket.close();
    } catch {
      // It never came to be.
    }
  }
}

const WORDS: Readonly<Record<AddressKind, string>> = {
  public: 'public',
  private: 'private: behind a translator, or a network without the Internet',
  shared: 'shared by a provider (RFC 6598): behind a translator that is not yours',
  'link-local': 'link-local only',
  loopback: 'this machine only',
};

function listed(addresses: readonly LocalAddress[]): string {
  const shown = addresses.slice(0, MOST_SHOWN).map((each) => `${each.host} (${each.interface})`);
  const more = addresses.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** One fact for a family. Pure. @param route what routeSource gave */
export function familyFact(
  family: 4 | 6,
  all: readonly LocalAddress[],
  route: string | undefined,
): DoctorFact {
  const id = `ipv${family}`;
  const name = `IPv${family}`;
  const mine = all.filter(({ host }) => isIPv6(host) === (family === 6));
  const usable = mine.filter(({ host }) => !['loopback', 'link-local'].includes(addressKind(host)));
  const data = {
    addresses: mine.map((each) => ({ ...each, kind: addressKind(each.host) })),
    route: route ?? null,
  };
  if (usable.length === 0) {
    return note(
      id,
      name,
      mine.length === 0 ? 'none' : `none that leads anywhere: ${listed(mine)}`,
      family === 4
        ? 'Most peers speak IPv4 only: look at the network connection of this machine.'
        : 'Half of all peers behind translators can be reached over IPv6 directly: switch it on at the router, or ask the provider.',
      data,
    );
  }
  if (route === undefined) {
    return note(
      id,
      name,
      `${listed(usable)}, but no way out of this network`,
      `The system has no IPv${family} route to the Internet: look at the router or the VPN.`,
      data,
    );
  }
  const kind = WORDS[addressKind(route)];
  if (family === 6 && addressKind(route) === 'private') {
    const advice =
      'Addresses of this kind lead nowhere outside: ask the provider or the router for public IPv6.';
    return note(
      id,
      name,
      `${listed(usable)}; leaves from ${route}, of a local network (RFC 4193)`,
      advice,
      data,
    );
  }
  return good(id, name, `${listed(usable)}; leaves from ${route}, ${kind}`, data);
}

export const addressesProbe: DoctorProbe = {
  id: 'addresses',
  title: 'Addresses',
  run: async ({ bindAddresses }: DoctorContext) => {
    const all = localAddresses().filter(({ host }) => bindAddresses?.includes(host) ?? true);
    const [four, six] = await Promise.all([routeSource(4), routeSource(6)]);
    // With --interface the way out is that interface's business.
    const routeOf = (family: 4 | 6, found: string | undefined): string | undefined =>
      bindAddresses === undefined ? found : bindAddresses.find((host) => isIPv6(host) === (family === 6));
    return [
      {
        id: 'addresses',
        title: 'Addresses',
        facts: [familyFact(4, all, routeOf(4, four)), familyFact(6, all, routeOf(6, six))],
      },
    ];
  },
};
