import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { announceOnce } from '../../../tracker/io/once.ts';
import { makeTempDir } from '../../support/temp.ts';
import { probe } from './servers.ts';

const GOOD = encodeBencode({ peers: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1) });
const dir = makeTempDir('tt-https-');
const keyFile = join(dir.path, 'key.pem');
const certFile = join(dir.path, 'cert.pem');
const made = spawnSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
  ...['-keyout', keyFile, '-out', certFile, '-subj', '/CN=localhost'],
  ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
]);
if (made.status !== 0)
  process.stderr.write('\n*** HTTPS TRACKER TESTS SKIPPED: no openssl to make a certificate ***\n');

describe.skipIf(made.status !== 0)('HTTPS trackers', () => {
  const servers: https.Server[] = [];
  const trusted = tls.getCACertificates('default');
  afterAll(() => {
    tls.setDefaultCACertificates(trusted);
    for (const server of servers) server.close();
    dir.remove();
  });

  const serve = async (): Promise<number> => {
    const pems = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
    const server = https.createServer(pems, (_, response) => response.end(GOOD));
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const ask = async (host: string, port: number, connect?: () => Promise<net.Socket>) => {
    const url = `https://${host}:${port}/announce`;
    const options = { ...probe, url, families: [4 as const], ...(connect === undefined ? {} : { connect }) };
    const [family] = (await announceOnce(options)).families;
    return family?.error ?? family?.peers[0];
  };

  it('need a certificate of somebody known', async () => {
    expect(await ask('localhost', await serve())).toMatch(/self-signed certificate/);
  });

  it('are checked by name and by address, through a proxy as well', async () => {
    const port = await serve();
    tls.setDefaultCACertificates([...trusted, readFileSync(certFile, 'utf8')]);
    const connect = async (): Promise<net.Socket> => {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    expect(await ask('localhost', port)).toBe('192.0.2.1:6881');
    expect(await ask('127.0.0.1', port)).toBe('192.0.2.1:6881');
    expect(await ask('localhost', port, connect)).toBe('192.0.2.1:6881');
    expect(await ask('127.0.0.1', port, connect)).toBe('192.0.2.1:6881');
    expect(await ask('other.localhost', port)).toMatch(/does not match/);
    expect(await ask('other.localhost', port, connect)).toMatch(/does not match/);
  });

  it('that speak no TLS are said to', async () => {
    const plain = net.createServer((socket) => socket.on('error', () => {}).end('220 hello\r\n'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    expect(await ask('127.0.0.1', (plain.address() as AddressInfo).port)).toBe(
      'TLS failed: the server may not speak it',
    );
    plain.close();
  });
});
