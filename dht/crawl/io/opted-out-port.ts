// The socket of a node of ours that looks something up for a crawl: the opt-out list is honoured there as well, and nothing of what
// such a node does (bootstrap, lookups, upkeep) can go past it.
import type { DatagramPort, SendFailureHandler } from '../../../core/base/datagram-port.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { DhtAddress } from '../../base/address.ts';
import type { OptOut } from '../opt-out.ts';

/** What a system's own firewall says. */
const REFUSED = 'EPERM';

/**
 * @param port what it sends through
 * @returns the same port for everybody but those on the list: they are refused as by a firewall, so that nobody waits for them
 */
export function withoutOptedOut(port: DatagramPort, optOut: OptOut): DatagramPort {
  if (optOut.size === 0) return port;
  let handlers: readonly SendFailureHandler[] = [];
  const isOut = (to: Endpoint): boolean => {
    const address = DhtAddress.of(to);
    return address !== undefined && optOut.has(address);
  };
  return {
    families: port.families,
    port: (family) => port.port(family),
    send: (bytes, to, options) => {
      if (!isOut(to)) return port.send(bytes, to, options);
      // Not from inside of `send`: a machine may not be called while it sends.
      const { host, port: number } = to;
      setImmediate(() => {
        for (const handler of handlers) handler({ host, port: number }, REFUSED);
      });
    },
    addReceiver: (receiver) => port.addReceiver(receiver),
    addFailureHandler: (handler) => {
      handlers = [...handlers, handler];
      const takeOff = port.addFailureHandler(handler);
      return () => {
        handlers = handlers.filter((each) => each !== handler);
        takeOff();
      };
    },
    close: () => port.close(),
  };
}
