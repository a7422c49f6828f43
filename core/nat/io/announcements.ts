// Gateways say so when they have restarted: PCP and NAT-PMP at 224.0.0.1 (RFC 6887 section 14.1.1, RFC 6886 section 3.2.1), UPnP by
// SSDP. Nothing in it is believed: it is a reason to ask.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from '../../base/endpoint.ts';
import { PCP_CLIENT_PORT } from '../pcp-codec.ts';
import { SSDP_GROUP, SSDP_PORT } from '../ssdp-codec.ts';
import type { Gateway } from './gateway.ts';

const ALL_HOSTS = '224.0.0.1';
/** Whoever announces all the time does not make us ask all the time. */
const LEAST_BETWEEN_MS = 1_000;

export class GatewayAnnouncements {
  readonly #sockets: Socket[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isAboutPorts = false;
  #isClosed = false;

  /** @param onNews at most once a second; told whether it was PCP or NAT-PMP, which speak up only when their table is new */
  constructor(gateway: Gateway, onNews: (isAboutPorts: boolean) => void) {
    if (isIPv6(gateway.host)) return;
    this.#listen(gateway, ALL_HOSTS, PCP_CLIENT_PORT, () => {
      this.#isAboutPorts = true;
      this.#hear(onNews);
    });
    this.#listen(gateway, SSDP_GROUP, SSDP_PORT, () => this.#hear(onNews));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  #hear(onNews: (isAboutPorts: boolean) => void): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const isAboutPorts = this.#isAboutPorts;
      this.#isAboutPorts = false;
      onNews(isAboutPorts);
    }, LEAST_BETWEEN_MS);
    this.#timer.unref();
  }

  #listen(gateway: Gateway, group: string, port: number, onDatagram: () => void): void {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    this.#sockets.push(socket);
    // Somebody else may hold the port for himself: then we ask once a minute only.
    socket.on('error', () => undefined);
    socket.on('message', (_, from) => {
      if (from.address === gateway.host) onDatagram();
    });
    socket.bind({ port }, () => {
      try {
        socket.addMembership(group, gateway.localHost);
      } catch {
        // No multicast here.
      }
    });
    socket.unref();
  }
}
