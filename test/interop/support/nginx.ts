// A real web server for a folder: nginx, one process, with nothing of the system's configuration.
import { mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, start } from '../../support/process.ts';
import { authority, START_TIMEOUT_MS } from './client.ts';

export interface NginxOptions {
  /** Holds configuration, logs and temporary files. */
  readonly stateDir: string;
  /** What is served. */
  readonly root: string;
  readonly host: string;
  /** PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Further directives of the server block. */
  readonly directives?: string;
}

export class Nginx {
  readonly url: string;
  readonly accessLog: string;
  readonly #process: RunningProcess;

  private constructor(process: RunningProcess, url: string, accessLog: string) {
    this.#process = process;
    this.url = url;
    this.accessLog = accessLog;
  }

  static async start(options: NginxOptions): Promise<Nginx> {
    const { stateDir, host, tls } = options;
    const port = await freePort(host);
    const process = start('nginx', nginxArgs(options, port), { name: `nginx ${host}` });
    await process.waitFor(() => isListening(host, port), {
      what: 'nginx to listen',
      timeoutMs: START_TIMEOUT_MS,
    });
    const url = `${tls === undefined ? 'http' : 'https'}://${authority({ host, port })}/`;
    return new Nginx(process, url, join(stateDir, 'access.log'));
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }
}

/** Writes the configuration; @returns what the program is called with */
export function nginxArgs(
  { stateDir, root, host, tls, directives = '' }: NginxOptions,
  port: number,
): readonly string[] {
  mkdirSync(stateDir, { recursive: true });
  const at = (name: string): string => join(stateDir, name);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${at(kind)};`,
  );
  const cert = tls === undefined ? '' : `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};`;
  writeFileSync(
    at('nginx.conf'),
    `daemon off; master_process off; pid ${at('pid')}; error_log ${at('error.log')};
       events { worker_connections 256; }
       http { access_log ${at('access.log')}; sendfile on; ${paths.join(' ')}
         server { listen ${authority({ host, port })}${tls === undefined ? '' : ' ssl'}; root ${root}; ${cert} ${directives} } }`,
  );
  return ['-e', at('error.log'), '-c', at('nginx.conf')];
}

export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
