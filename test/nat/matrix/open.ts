// What is in the open when a pair is tried: a peer of the swarm that has nothing to give, a relay, DHT nodes in five networks.
import type { NatLab } from '../lab/lab.ts';
import { startDht } from '../support/open-world.ts';
import { spawnTt } from '../support/tt.ts';
import { MatrixWorld, PORT } from './world.ts';

const RELAY_PORT = 7000;
const START_MS = 20_000;
/**
 * The relay has an address of its own: whoever talked to that address already could not tell by it whether strangers get in. Then one for
 * the neighbour, and five for the DHT.
 */
export const OPEN_HOSTS = 7;

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
    const dht = await startDht(lab, 2);
    const [relayHost, neighbourHost] = [lab.public(0), lab.public(1)];
    const relay = `${relayHost.address}:${RELAY_PORT}`;
    const flags = ['--port', String(RELAY_PORT), '--no-dht', '--external-ip', relayHost.address];
    const listening = spawnTt(relayHost, ['relay', ...flags]);
    await listening.waitForLine(/relaying on/, START_MS);
    const world = await MatrixWorld.make();
    await world.neighbour(neighbourHost);
    return new MatrixOpenWorld(world, `${neighbourHost.address}:${PORT}`, [
      '--dht',
      ...dht,
      '--relay',
      relay,
    ]);
  }

  remove(): void {
    this.world.remove();
  }
}
