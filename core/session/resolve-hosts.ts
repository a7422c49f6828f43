// Turns host names that the user or a magnet gave (`--peer`, `x.pe`) into endpoints; literal addresses pass at once.
import { lookup } from 'node:dns/promises';
import { type Endpoint, normalizeHost } from '../base/endpoint.ts';

/** A name with more addresses than this is not a peer. */
const MAX_ADDRESSES = 8;

export interface UnresolvedHost {
  readonly host: string;
  /** In words. */
  readonly message: string;
}

/**
 * Calls back with literals before it returns, then once for every name that resolves. Never rejects.
 * @returns the names that are no endpoint of anybody, each with the reason
 */
export async function resolveHosts(
  given: readonly { readonly host: string; readonly port: number }[],
  mayLookUp: boolean,
  onEndpoints: (endpoints: Endpoint[]) => void,
): Promise<readonly UnresolvedHost[]> {
  const literal: Endpoint[] = [];
  const names: { host: string; port: number }[] = [];
  for (const { host, port } of given) {
    const address = normalizeHost(host);
    if (address === undefined) names.push({ host, port });
    else literal.push({ host: address, port });
  }
  if (literal.length > 0) onEndpoints(literal);
  if (!mayLookUp) {
    const message = 'host names of peers are not looked up while a proxy is used';
    return names.map(({ host }) => ({ host, message }));
  }
  const unresolved: UnresolvedHost[] = [];
  await Promise.all(
    names.map(async ({ host, port }) => {
      try {
        const addresses = await lookup(host, { all: true, verbatim: true });
        const endpoints = addresses.slice(0, MAX_ADDRESSES).flatMap(({ address }) => {
          const normal = normalizeHost(address);
          return normal === undefined ? [] : [{ host: normal, port }];
        });
        onEndpoints(endpoints);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
        const what = code === 'ENOTFOUND' ? 'there is no such host' : 'the name cannot be looked up';
        unresolved.push({ host, message: `${what} (${code})` });
      }
    }),
  );
  return unresolved;
}
