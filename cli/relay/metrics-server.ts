// Numbers for Prometheus over plain HTTP, on an address that the operator chose.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OperationError } from '../../core/base/result.ts';

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** GET /metrics; everything else is 404. @throws OperationError `network` when the address cannot be bound */
export function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  text: () => string,
): Promise<MetricsServer> {
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text());
  });
  server.maxConnections = 16;
  server.requestTimeout = 5_000;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message;
      reject(
        new OperationError('network', `--metrics: cannot listen on ${host} port ${port}: ${code}`, { code }),
      );
    });
    server.listen(port, host, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}
