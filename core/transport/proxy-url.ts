// Where a SOCKS5 proxy is and who we are to it. Apart from the client itself, whose package is loaded only when one is used.
import { UsageError } from '../base/result.ts';

export interface SocksProxy {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

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
  if (url.hostname === '') throw new UsageError(`--proxy: no host in ${text}`, 'use socks5://HOST:PORT');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_SOCKS_PORT : Number(url.port),
    user: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
  };
}
