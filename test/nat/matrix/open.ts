// What is in the open when a pair is tried: a peer of the swarm that has nothing to give, a relay, DHT nodes in five networks.
import type { NatLab } from '../lab/lab.ts';
import { startDht, startRelay } from '../support/open-world.ts';
import { MatrixWorld, PORT } from './world.ts';

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
    const relay = await startRelay(lab);
    const world = await MatrixWorld.make();
    const host = lab.public(0);
    await world.neighbour(host);
    return new MatrixOpenWorld(world, `${host.address}:${PORT}`, ['--dht', ...dht, '--relay', relay]);
  }

  remove(): void {
    this.world.remove();
  }
}
