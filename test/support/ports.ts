// Free ports by asking the system (bind 0). A port is never handed out twice by one process.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const handedOut = new Set<number>();
const ATTEMPTS = 50;

/** A port that was free for TCP and UDP on `host` a moment ago. Programs that take it race with nobody of ours. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = await freeTcpPort(host);
    if (!handedOut.has(port) && (await isUdpFree(host, port))) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error(`no free port on ${host} after ${ATTEMPTS} attempts`);
}

function freeTcpPort(host: string): Promise<number> {
  return new Promise((resolve, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, host, () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

function isUdpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, host, () => socket.close(() => resolve(true)));
  });
}
