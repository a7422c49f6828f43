// One site of a lab: its hosts and its gateway, and what can happen to a gateway.
import type { LabHost } from './host.ts';
import { Igd } from './igd.ts';
import type { IgdOptions, SiteKind } from './kinds.ts';
import { hereDocument, type Namespaces } from './netns.ts';
import type { SitePlan } from './plan.ts';
import { GATEWAY_TABLE, LEARNT_SETS } from './rules.ts';
import { defaultRoutes } from './scripts.ts';

export class LabSite {
  readonly kind: SiteKind;
  readonly hosts: readonly LabHost[];
  /** As the world sees it; of a firewall's site, that of its first host. */
  readonly publicAddress: string;
  /** The outermost address of the gateway. */
  readonly wanAddress: string;
  /** The gateway as its hosts see it; empty for `public`. */
  readonly gatewayAddress: string;
  readonly #plan: SitePlan;
  readonly #namespaces: Namespaces;
  readonly #ipv6: boolean;
  #igd: Igd | undefined;

  constructor(plan: SitePlan, hosts: readonly LabHost[], namespaces: Namespaces, ipv6: boolean) {
    this.kind = plan.spec.kind;
    this.hosts = hosts;
    this.publicAddress = hosts[0]?.publicAddress ?? plan.wanAddress;
    this.wanAddress = plan.wanAddress;
    this.gatewayAddress = plan.lanAddress;
    this.#plan = plan;
    this.#namespaces = namespaces;
    this.#ipv6 = ipv6;
  }

  /** The home gateway's miniupnpd. @throws Error on a site without `igd` */
  get igd(): Igd {
    if (this.#igd === undefined) throw new Error(`site ${this.#plan.number} was made without igd`);
    return this.#igd;
  }

  async startIgd(options: IgdOptions = {}): Promise<Igd> {
    this.#igd ??= new Igd({
      namespaces: this.#namespaces,
      gateway: this.#gateway(),
      lanAddress: this.#plan.lanAddress,
      number: this.#plan.number,
      ipv6: this.#ipv6 && this.#plan.carrier === undefined,
      options,
    });
    await this.#igd.start();
    return this.#igd;
  }

  /** Home gateway and carrier forget all connections and what they learnt from them. */
  async flush(): Promise<void> {
    for (const gateway of this.#gateways()) await this.#namespaces.shell(gateway, FLUSH);
  }

  async linkDown(): Promise<void> {
    await this.#namespaces.shell(this.#gateway(), 'ip link set wan down');
  }

  async linkUp(): Promise<void> {
    const { carrierLan } = this.#plan;
    const routes =
      carrierLan === undefined
        ? defaultRoutes(this.#plan, this.#ipv6)
        : [`route replace default via ${carrierLan.carrierAddress}`];
    const addressV6 =
      this.#ipv6 && carrierLan === undefined
        ? [`addr replace ${this.#plan.wanAddressV6}/64 dev wan nodad`]
        : [];
    await this.#namespaces.shell(
      this.#gateway(),
      hereDocument('ip -batch -', ['link set wan up', ...addressV6, ...routes].join('\n')),
    );
  }

  /** A restart of the gateway: the link bounces, no connection is remembered. Its miniupnpd, if any, restarts as well. */
  async reboot(): Promise<void> {
    await this.linkDown();
    await this.flush();
    await this.linkUp();
    if (this.#igd?.isRunning === true) await this.#igd.restart();
  }

  /** The gateway's connection table, one line each. */
  async connections(): Promise<string[]> {
    const text = await this.#namespaces.shell(this.#gateway(), 'conntrack -L 2>/dev/null || true');
    return text.split('\n').filter((line) => line !== '');
  }

  /** The rules of the home gateway, as `nft` prints them. */
  rules(): Promise<string> {
    return this.#namespaces.shell(this.#gateway(), `nft list table inet ${GATEWAY_TABLE}`);
  }

  /** A shell script on the home gateway. @returns its standard output */
  shell(script: string): Promise<string> {
    return this.#namespaces.shell(this.#gateway(), script);
  }

  async close(): Promise<void> {
    await this.#igd?.stop();
  }

  #gateway(): string {
    if (this.#plan.gateway === undefined)
      throw new Error(`site ${this.#plan.number} is public: it has no gateway`);
    return this.#plan.gateway;
  }

  #gateways(): string[] {
    return [this.#plan.gateway, this.#plan.carrier].filter((each) => each !== undefined);
  }
}

const FLUSH = [
  'conntrack -F >/dev/null 2>&1 || true',
  ...LEARNT_SETS.map((learnt) => {
    const [type, name] = learnt.split(' ');
    return `nft flush ${type} inet ${GATEWAY_TABLE} ${name} 2>/dev/null || true`;
  }),
].join('\n');
