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
  #isClosed = false;

  /** @param onNews at most once a second */
  constructor(gateway: Gateway, onNews: () => void) {
    if (isIPv6(gateway.host)) return;
    this.#listen(gateway, ALL_HOSTS, PCP_CLIENT_PORT, onNews);
    this.#listen(gateway, SSDP_GROUP, SSDP_PORT, onNews);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  #listen(gateway: Gateway, group: string, port: number, onNews: () => void): void {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    this.#sockets.push(socket);
    // Somebody else may hold the port for himself: then we ask once a minute only.
    socket.on('error', () => undefined);
    socket.on('message', (_, from) => {
      if (from.address !== gateway.host || this.#timer !== undefined) return;
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        onNews();
      }, LEAST_BETWEEN_MS);
      this.#timer.unref();
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
