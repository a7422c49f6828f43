// A relay that does nothing but try to reach those who ask: run on a public host of a lab.  relay-child.ts PORT ADDRESS
import { RelayNode } from '../../../core/relay/io/relay-node.ts';
import { DEFAULT_RELAY_LIMITS } from '../../../core/relay/limits.ts';
import { systemClock, systemRng } from '../../../core/session/system.ts';
import { listenTcp } from '../../../core/transport/tcp.ts';

const [port = '', address = ''] = process.argv.slice(2);
const node = new RelayNode({
  clock: systemClock,
  rng: systemRng,
  log: (level, message, fields) => process.stderr.write(`${level} ${message} ${JSON.stringify(fields)}\n`),
  limits: DEFAULT_RELAY_LIMITS,
  policy: 'prefer',
  client: 'relay-child',
  ownHosts: () => [address],
  wallMs: () => Date.now(),
  proxyPorts: () => [],
  hasUdp: () => true,
  onChanged: () => undefined,
});
await listenTcp(address, Number(port), (stream) => node.accept(stream));
process.stdout.write('ready\n');
