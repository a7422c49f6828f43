// A program that listens on one port, asks the gateway for it and says what comes of it, one JSON object a line; run on a host of a lab.
//   mapping-child.ts PORT STATE_DIR [key=value ...]    protocols=pcp,upnp life=SEC families=4,6
// Lines on stdin: `verdict FAMILY TRANSPORT PORT yes|no`, `close`.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { MappingService } from '../../../core/nat/io/mapping-service.ts';
import { MAPPING_PROTOCOLS, type Transport } from '../../../core/nat/mapping-types.ts';
import { systemClock, systemRng } from '../../../core/session/system.ts';

const [port = '', stateDir = '', ...rest] = process.argv.slice(2);
const settings = new Map(rest.map((word) => word.split('=') as [string, string]));
const wanted = settings.get('protocols')?.split(',');
const life = settings.get('life');
const families = (settings.get('families') ?? '4').split(',').map((text) => (text === '6' ? 6 : 4) as 4 | 6);
const startedAtMs = performance.now();

function say(event: string, fields: object): void {
  const atMs = Math.round(performance.now() - startedAtMs);
  process.stdout.write(`${JSON.stringify({ event, atMs, ...fields })}\n`);
}

const server = createServer((stream) => {
  // Whoever knocks may be gone before he reads.
  stream.on('error', () => undefined);
  stream.end('hello\n');
});
await new Promise<void>((resolve) => server.listen(Number(port), '::', resolve));
const socket = createSocket('udp4');
socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
await new Promise<void>((resolve) => socket.bind(Number(port), resolve));

const service = new MappingService({
  clock: systemClock,
  rng: systemRng,
  log: (level, message, fields) => say('log', { level, message, ...fields }),
  stateDir,
  families,
  ports: { tcp: Number(port), udp: Number(port) },
  ...(wanted === undefined ? {} : { protocols: MAPPING_PROTOCOLS.filter((each) => wanted.includes(each)) }),
  ...(life === undefined ? {} : { lifetimeSec: Number(life) }),
  onChange: () => say('mappings', { families: service.snapshot() }),
  onClaim: (claim) => say('claim', { ...claim }),
  onGatewayNews: () => say('gateway-news', {}),
});
createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, family, transport, externalPort, verdict] = line.split(' ');
  if (verb === 'close') {
    void service.close().then(() => process.exit(0));
    return;
  }
  service.handleVerdict(
    {
      family: family === '6' ? 6 : 4,
      transport: transport as Transport,
      externalHost: undefined,
      externalPort: Number(externalPort),
    },
    verdict === 'yes',
  );
});
await service.start();
say('started', {});
