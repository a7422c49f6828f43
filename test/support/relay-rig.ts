// A relay on loopback sockets, without DHT: what `tt relay --no-dht` is, inside a test.
import { openProxyPort, type ProxyPort } from '../../core/relay/io/proxy-ports.ts';
import { RelayNode } from '../../core/relay/io/relay-node.ts';
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from '../../core/relay/limits.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { listenTcp, type TcpListener } from '../../core/transport/tcp.ts';

const HOST = '127.0.0.1';

export class RelayRig {
  readonly node: RelayNode;
  readonly #listener: { value?: TcpListener } = {};
  readonly #proxies: ProxyPort[] = [];

  private constructor(limits: Partial<RelayLimits>) {
    this.node = new RelayNode({
      clock: systemClock,
      rng: systemRng,
      log: () => {},
      limits: { ...DEFAULT_RELAY_LIMITS, ...limits },
      policy: 'prefer',
      client: 'relay rig',
      ownHosts: () => [HOST],
      wallMs: () => Date.now(),
      proxyPorts: () => this.#proxies.map(({ port }) => port),
      hasUdp: () => false,
      onChanged: () => {},
    });
  }

  /** @param options.port of a relay that was killed; default any */
  static async open(
    options: { limits?: Partial<RelayLimits>; proxyPorts?: number; port?: number } = {},
  ): Promise<RelayRig> {
    const rig = new RelayRig(options.limits ?? {});
    rig.#listener.value = await listenTcp(HOST, options.port ?? 0, (stream) => rig.node.accept(stream));
    for (let i = 0; i < (options.proxyPorts ?? 0); i++) {
      const onStream = rig.node.acceptProxied.bind(rig.node);
      rig.#proxies.push(await openProxyPort(HOST, 0, systemClock, onStream));
    }
    return rig;
  }

  get endpoint(): { host: string; port: number } {
    return { host: HOST, port: this.#listener.value?.port ?? 0 };
  }
  get proxyPorts(): number[] {
    return this.#proxies.map(({ port }) => port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.node.close();
    await Promise.all([this.#listener.value?.close(), ...this.#proxies.map((proxy) => proxy.close())]);
  }
}
