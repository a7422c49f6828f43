// The search for the gateway's UPnP description. Only the gateway itself is heard.
import { createSocket } from 'node:dgram';
import { isIPv6 } from '../../base/endpoint.ts';
import {
  checkLocation,
  decodeSsdp,
  encodeSearch,
  SEARCH_TARGETS,
  SSDP_GROUP,
  SSDP_PORT,
} from '../ssdp-codec.ts';
import type { Gateway } from './gateway.ts';

/** When the search is sent: multicast gets lost, and some gateways only hear one of the two ways. */
const SEND_AT_MS = [0, 400, 1_000, 2_000];
const GIVE_UP_MS = 3_500;

/** @returns where the gateway describes itself; undefined when it does not */
export function searchGateway(gateway: Gateway): Promise<URL | undefined> {
  if (isIPv6(gateway.host)) return Promise.resolve(undefined);
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  return new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = [];
    const finish = (location: URL | undefined): void => {
      for (const timer of timers) clearTimeout(timer);
      socket.removeAllListeners('message');
      try {
        socket.close();
      } catch {
        // Closed by its own error.
      }
      resolve(location);
    };
    const search = (): void => {
      for (const target of SEARCH_TARGETS) {
        for (const host of [SSDP_GROUP, gateway.host]) {
          socket.send(encodeSearch(target, host), SSDP_PORT, host, () => undefined);
        }
      }
    };
    socket.on('error', () => finish(undefined));
    socket.on('message', (bytes, from) => {
      if (from.address !== gateway.host) return;
      const message = decodeSsdp(bytes.toString('latin1'));
      if (!message.ok || message.value.kind !== 'answer' || message.value.location === undefined) return;
      const location = checkLocation(message.value.location, gateway.host);
      if (location.ok) finish(location.value);
    });
    socket.bind({ port: 0, address: gateway.localHost }, () => {
      try {
        socket.setMulticastInterface(gateway.localHost);
      } catch {
        // An interface without multicast: the question to the gateway itself remains.
      }
      for (const atMs of SEND_AT_MS) timers.push(setTimeout(search, atMs));
      timers.push(setTimeout(() => finish(undefined), GIVE_UP_MS));
      for (const timer of timers) timer.unref();
    });
    socket.unref();
  });
}
