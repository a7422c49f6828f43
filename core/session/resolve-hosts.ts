// Turns host names that the user or a magnet gave (`--peer`, `x.pe`) into endpoints; literal addresses pass at once.
import { lookup } from 'node:dns/promises';
import { type Endpoint, normalizeHost } from '../base/endpoint.ts';

/** A name with more addresses than this is not a peer. */
const MAX_ADDRESSES = 8;

/**
 * Calls back with literals before it returns, then once for every name that resolves. Never rejects.
 * @returns the names that were not looked up, since that is not allowed
 */
export async function resolveHosts(
  given: readonly { readonly host: string; readonly port: number }[],
  mayLookUp: boolean,
  onEndpoints: (endpoints: Endpoint[]) => void,
): Promise<string[]> {
  const literal: Endpoint[] = [];
  const names: { host: string; port: number }[] = [];
  for (const { host, port } of given) {
    const address = normalizeHost(host);
    if (address === undefined) names.push({ host, port });
    else literal.push({ host: address, port });
  }
  if (literal.length > 0) onEndpoints(literal);
  if (!mayLookUp) return names.map(({ host }) => host);
  await Promise.all(
    names.map(async ({ host, port }) => {
      try {
        const addresses = await lookup(host, { all: true, verbatim: true });
        const endpoints = addresses.slice(0, MAX_ADDRESSES).flatMap(({ address }) => {
          const normal = normalizeHost(address);
          return normal === undefined ? [] : [{ host: normal, port }];
        });
        onEndpoints(endpoints);
      } catch {
        // An unknown name is a peer that cannot be reached, no more.
      }
    }),
  );
  return [];
}
