// Drives opentracker (HTTP and UDP on one port). Debian's build serves listed info hashes only, so it gets a list.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { type RunningProcess, start } from '../../support/process.ts';
import { authority, START_TIMEOUT_MS } from './client.ts';

export interface Opentracker {
  readonly httpUrl: string;
  readonly udpUrl: string;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

export async function startOpentracker(options: {
  readonly stateDir: string;
  readonly host: string;
  readonly infoHashes: readonly string[];
}): Promise<Opentracker> {
  const port = await freePort(options.host);
  mkdirSync(options.stateDir, { recursive: true });
  // It gives up root before it reads the list.
  chmodSync(options.stateDir, 0o755);
  const list = join(options.stateDir, 'whitelist');
  writeFileSync(list, options.infoHashes.map((hash) => `${hash}\n`).join(''), { mode: 0o644 });
  const process = start(
    'opentracker',
    ['-i', options.host, '-p', String(port), '-P', String(port), '-d', options.stateDir, '-w', 'whitelist'],
    { name: 'opentracker', cwd: options.stateDir },
  );
  await process.waitFor(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, options.host, () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', () => resolve(false));
      }),
    { what: 'opentracker to listen', timeoutMs: START_TIMEOUT_MS },
  );
  const at = authority({ host: options.host, port });
  return {
    httpUrl: `http://${at}/announce`,
    udpUrl: `udp://${at}/announce`,
    process,
    stop: async () => {
      await process.stop();
    },
  };
}
