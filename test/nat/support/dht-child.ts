// A DHT node of a lab, in the open, with an id that fits its address (BEP 42): in a network of a handful, nobody is told his address
// often enough to choose one himself.   dht-child.ts PORT ADDRESS [BOOTSTRAP_ADDRESS ...]
import { systemRng } from '../../../core/session/system.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { idForAddress } from '../../../dht/base/bep42.ts';
import { DhtNode } from '../../../dht/io/dht-node.ts';

const [port = '', address = '', ...bootstrap] = process.argv.slice(2);
const own = DhtAddress.of({ host: address, port: Number(port) }) as DhtAddress;
const node = await DhtNode.open({
  port: Number(port),
  bindV4: address,
  ipv6: false,
  nodeId: idForAddress(own, systemRng).toBytes(),
  bootstrap: bootstrap.map((host) => ({ host, port: Number(port) })),
});
process.stdout.write('ready\n');
// Its timers keep no program alive.
setInterval(() => undefined, 60_000);
void node;
