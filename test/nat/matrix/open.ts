// What is in the open when a pair is tried: a peer of the swarm that has nothing to give, a relay, DHT nodes in five networks.
import type { NatLab } from '../lab/lab.ts';
import { startDht } from '../support/open-world.ts';
import { spawnTt } from '../support/tt.ts';
import { MatrixWorld, PORT } from './world.ts';

const RELAY_PORT = 7000;
const START_MS = 20_000;
/** One for neighbour and relay, the others for the DHT. */
export const OPEN_HOSTS = 6;

export class MatrixOpenWorld {
  readonly world: MatrixWorld;
  /** `host:port` of the neighbour. */
  readonly neighbour: string;
  /** For leechers and seeds alike: where the DHT is entered, which relay to use. */
  readonly flags: readonly string[];

  private constructor(world: MatrixWorld, neighbour: string, flags: readonly string[]) {
    this.world = world;
    this.neighbour = neighbour;
    this.flags = flags;
  }

  /** @param lab with OPEN_HOSTS public hosts */
  static async make(lab: NatLab): Promise<MatrixOpenWorld> {
    const dht = await startDht(lab);
    const host = lab.public(0);
    const relay = `${host.address}:${RELAY_PORT}`;
    const listening = spawnTt(host, [
      'relay',
      '--port',
      String(RELAY_PORT),
      '--no-dht',
      '--external-ip',
      host.address,
    ]);
    await listening.waitForLine(/relaying on/, START_MS);
    const world = await MatrixWorld.make();
    await world.neighbour(host);
    return new MatrixOpenWorld(world, `${host.address}:${PORT}`, ['--dht', ...dht, '--relay', relay]);
  }

  remove(): void {
    this.world.remove();
  }
}
