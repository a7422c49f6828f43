// Datagrams that the system refuses: whoever asked to hear of it hears for which address and why, and nobody else does.
import { createSocket } from 'node:dgram';
import { expect, it } from 'vitest';
import { UdpShell } from '../../../dht/io/udp-shell.ts';

/** Refused without the right to broadcast. */
const REFUSED = { host: '255.255.255.255', port: 4321 };

it('refused sends are reported to who asked for it', async () => {
  const receiver = createSocket('udp4');
  await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  const { address: host, port } = receiver.address();
  const shell = await UdpShell.open({ families: [4], port: 0, bindV4: '127.0.0.1', bindV6: undefined });
  try {
    const failures: unknown[] = [];
    const heard = new Promise<void>((resolve) => {
      shell.addFailureHandler((to, code) => {
        failures.push([{ ...to }, code]);
        resolve();
      });
    });
    const arrived = new Promise<void>((resolve) => receiver.once('message', () => resolve()));
    const bytes = new Uint8Array(8);
    shell.send(bytes, REFUSED, { isStable: true });
    shell.send(bytes, { host, port }, { isStable: true, reportsFailure: true });
    shell.send(bytes, REFUSED, { isStable: true, reportsFailure: true });
    await Promise.all([heard, arrived]);
    expect(failures).toEqual([[REFUSED, expect.stringMatching(/^E[A-Z]+$/)]]);
  } finally {
    await shell.close();
    receiver.close();
  }
});
