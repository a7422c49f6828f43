// Network interfaces by the names people give.
import os from 'node:os';
import { parseIp } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';

/** The addresses of an interface by its name, or the one address itself. @throws OperationError `network` */
export function interfaceAddresses(name: string): readonly string[] {
  if (parseIp(name) !== undefined) return [name];
  const interfaces = os.networkInterfaces();
  const found = interfaces[name];
  if (found === undefined) {
    throw new OperationError('network', `--interface: there is no network interface "${name}"`, {
      hint: `There are: ${Object.keys(interfaces).join(', ')}.`,
    });
  }
  // Link-local IPv6 addresses mean nothing without their zone.
  return found.filter((each) => !each.address.startsWith('fe80:')).map((each) => each.address);
}
