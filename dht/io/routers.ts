// Names of well-known bootstrap nodes to addresses, all at once, within a time limit.
import { lookup } from 'node:dns/promises';
import { DhtAddress } from '../base/address.ts';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Nodes run by client makers for newcomers; asked only when no saved node answers. */
export const PUBLIC_ROUTERS: readonly HostAndPort[] = [
  { host: 'dht.libtorrent.org', port: 25401 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'router.utorrent.com', port: 6881 },
];

const TIMEOUT_MS = 5_000;
/** A name with more addresses is a farm. */
const MAX_PER_NAME = 8;

/** Those that are addresses already. */
export function literalRouters(hosts: readonly HostAndPort[]): DhtAddress[] {
  return hosts.map((host) => DhtAddress.of(host)).filter((address) => address !== undefined);
}

/** What resolves within five seconds; names that do not are left out. */
export async function resolveRouters(hosts: readonly HostAndPort[]): Promise<DhtAddress[]> {
  const found: DhtAddress[] = [];
  let stop: (() => void) | undefined;
  const deadline = new Promise<void>((done) => {
    const timeout = setTimeout(done, TIMEOUT_MS);
    stop = () => {
      clearTimeout(timeout);
      done();
    };
  });
  const all = Promise.all(
    hosts.map(async ({ host, port }) => {
      const literal = DhtAddress.of({ host, port });
      if (literal !== undefined) return found.push(literal);
      try {
        const addresses = await lookup(host, { all: true, order: 'verbatim' });
        for (const { address } of addresses.slice(0, MAX_PER_NAME)) {
          const router = DhtAddress.of({ host: address, port });
          if (router !== undefined) found.push(router);
        }
      } catch {
        // No name service, or no such name: the others may do.
      }
      return found.length;
    }),
  );
  await Promise.race([all, deadline]);
  stop?.();
  return [...found];
}
