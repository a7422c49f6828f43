// Where a SOCKS5 proxy is and who we are to it. Apart from the client itself, whose package is loaded only when one is used.
import { UsageError } from '../base/result.ts';

export interface SocksProxy {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** `OperationError.code` when the proxy does not do its work, as opposed to a destination that it could not reach. */
export const PROXY_FAULT = 'EPROXY';

const DEFAULT_SOCKS_PORT = 1080;

/** Parses `socks5://[user:password@]host[:port]`. @throws UsageError naming what is wrong */
export function parseProxy(text: string): SocksProxy {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--proxy: not a URL: ${text}`, 'use socks5://HOST:PORT');
  }
  if (url.protocol !== 'socks5:' && url.protocol !== 'socks5h:') {
    throw new UsageError(`--proxy: ${url.protocol}// is not supported`, 'use socks5://HOST:PORT');
  }
  if (url.hostname === '' || url.port === '0')
    throw new UsageError(`--proxy: no host in ${text}`, 'use socks5://HOST:PORT');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_SOCKS_PORT : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
  };
}

function decoded(part: string): string | undefined {
  try {
    return part === '' ? undefined : decodeURIComponent(part);
  } catch {
    throw new UsageError(`--proxy: %-signs in the user name or password must be followed by two hex digits`);
  }
}
