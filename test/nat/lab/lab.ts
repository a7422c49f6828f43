// A network in miniature: sites behind NATs, firewalls and carriers, hosts in the open, a provider between them, made of network
// namespaces and nftables. It touches nothing of the machine's own network: `npm run test:nat` puts it into a fresh one.
//
//   await using lab = await NatLab.make({ sites: [{ kind: 'port-restricted' }, { kind: 'symmetric', hosts: 2 }] });
//   lab.public(0).spawn(...)   lab.host(1).address   lab.host(1, 1)   await lab.site(0).reboot()   await lab.leaks()
import { fileURLToPath } from 'node:url';
import type { RunningProcess } from '../../support/process.ts';
import { LabHost } from './host.ts';
import type { SiteSpec } from './kinds.ts';
import { ipBatch, Namespaces } from './netns.ts';
import { CORE, planSite, type SitePlan } from './plan.ts';
import { type ProbeResult, ProbeServer, PYTHON } from './probe.ts';
import { LEAK_COUNTERS, type LeakCounter } from './rules.ts';
import { carrierScript, coreScript, gatewayScript, hostScript, publicScript } from './scripts.ts';
import { LabSite } from './site.ts';

const DELAY_LINK = fileURLToPath(new URL('delay_link.py', import.meta.url));
const DELAY_READY_MS = 20_000;
/** The first public host has more than one: the probe needs two, and so does whoever wants to be seen from two. */
const ADDRESSES_OF_FIRST_PUBLIC = 3;
const DEFAULT_PUBLICS = 2;

export interface LabOptions
  extends Pick<SiteSpec, 'input' | 'delayMs' | 'jitterMs' | 'igd' | 'hairpin' | 'lossPercent' | 'rate'> {
  /** Options above are the default of these sites. */
  readonly sites: readonly SiteSpec[];
  /** Hosts in the open, each in a /24 of its own; default 2. Delay, loss and rate of the options hold for them too. */
  readonly publics?: number;
  /** Global addresses for everybody but carriers' customers, behind stateful filters. Default false. */
  readonly ipv6?: boolean;
  /** Packets with private addresses shall get out: this lab is about them. Default false: leak-guard.ts fails the test. */
  readonly leaks?: boolean;
}

/** Labs whose leak counters nobody has looked at since they were made, or closed. */
const guarded = new Set<NatLab>();

/** What got out of each lab that must keep to itself; of closed ones for the last time. */
export function leaksOfLabs(): Promise<Readonly<Record<LeakCounter, number>>[]> {
  return Promise.all(
    [...guarded].map((lab) => {
      if (lab.isClosed) guarded.delete(lab);
      return lab.leaks();
    }),
  );
}

export class NatLab {
  readonly sites: readonly LabSite[];
  readonly publics: readonly LabHost[];
  readonly #namespaces: Namespaces;
  readonly #started: Set<RunningProcess>;
  readonly #publicPlans: readonly SitePlan[];
  #probe: ProbeServer | undefined;
  /** Set once it is closed. */
  #leaked: Readonly<Record<LeakCounter, number>> | undefined;

  private constructor(parts: {
    readonly namespaces: Namespaces;
    readonly started: Set<RunningProcess>;
    readonly sites: readonly LabSite[];
    readonly publics: readonly LabHost[];
    readonly publicPlans: readonly SitePlan[];
  }) {
    this.#namespaces = parts.namespaces;
    this.#started = parts.started;
    this.sites = parts.sites;
    this.publics = parts.publics;
    this.#publicPlans = parts.publicPlans;
  }

  /** @throws Error where namespaces cannot be made, or rules are refused */
  static async make(options: LabOptions): Promise<NatLab> {
    const { sites, publics = DEFAULT_PUBLICS, ipv6 = false, leaks = false, ...defaults } = options;
    const { delayMs, jitterMs, lossPercent, rate } = defaults;
    const link = withoutUndefined({ delayMs, jitterMs, lossPercent, rate });
    const plans = [
      ...sites.map((spec) =>
        spec.kind === 'public' ? { ...link, ...spec } : { ...withoutUndefined(defaults), ...spec },
      ),
      ...Array.from({ length: publics }, (_, i) => ({
        kind: 'public' as const,
        ...link,
        addresses: i === 0 ? ADDRESSES_OF_FIRST_PUBLIC : 1,
      })),
    ].map((spec, i) => planSite(spec, i + 1));
    const namespaces = new Namespaces();
    const started = new Set<RunningProcess>();
    const hostsOf = (plan: SitePlan): LabHost[] =>
      plan.hosts.map(
        (host) =>
          new LabHost(
            host,
            plan.spec.kind === 'firewall' ? host.address : plan.wanAddress,
            namespaces,
            started,
          ),
      );
    const publicPlans = plans.slice(sites.length);
    const lab = new NatLab({
      namespaces,
      started,
      sites: plans.slice(0, sites.length).map((plan) => new LabSite(plan, hostsOf(plan), namespaces, ipv6)),
      publics: publicPlans.flatMap(hostsOf),
      publicPlans,
    });
    try {
      await lab.#build(plans, ipv6);
      if (!leaks) guarded.add(lab);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** @param index of the site, in the order given */
  host(index: number, number = 0): LabHost {
    return found(this.sites[index]?.hosts[number], `host ${number} of site ${index}`);
  }

  site(index: number): LabSite {
    return found(this.sites[index], `site ${index}`);
  }

  /** A host in the open. The first has three addresses. */
  public(index: number): LabHost {
    return found(this.publics[index], `public host ${index}`);
  }

  /** All addresses of a public host. */
  addressesOf(index: number): readonly string[] {
    return found(this.#publicPlans[index], `public host ${index}`).wanAddresses;
  }

  /** What the host's way out really does; independent of the program under test. Uses the first public host. */
  probe(host: LabHost, protocol: 'udp' | 'tcp'): Promise<ProbeResult> {
    this.#probe ??= new ProbeServer(this.public(0), this.addressesOf(0));
    return this.#probe.classify(host, protocol);
  }

  /** Nothing passes between the two public addresses any more, either way. */
  async block(a: string, b: string): Promise<void> {
    const rule = (from: string, to: string): string =>
      `nft add rule inet core cut ip saddr ${from} ip daddr ${to} counter drop`;
    await this.#namespaces.shell(CORE, `${rule(a, b)}\n${rule(b, a)}`);
  }

  /** Takes back every `block`. */
  async unblock(): Promise<void> {
    await this.#namespaces.shell(CORE, 'nft flush chain inet core cut');
  }

  /** A shell script where the provider's router is. @returns its standard output */
  inCore(script: string): Promise<string> {
    return this.#namespaces.shell(CORE, script);
  }

  /** The core's end of a public host's access link. */
  coreInterfaceOf(index: number): string {
    return found(this.#publicPlans[index], `public host ${index}`).coreInterface;
  }

  /** Counts packets that leave the core for the address from now on. @returns reads packets and bytes */
  meter(to: string): Promise<() => Promise<Count>> {
    return this.count(`to_${to.replaceAll('.', '_')}`, `ip daddr ${to}`);
  }

  /** Counts packets that pass the core from now on. @param match as `nft` writes it @returns reads packets and bytes */
  async count(name: string, match: string): Promise<() => Promise<Count>> {
    const script = [
      `nft add counter inet core ${name}`,
      `nft add rule inet core loss ${match} counter name ${name}`,
    ];
    await this.#namespaces.shell(CORE, script.join('\n'));
    return async () => found((await this.#counters()).get(name), `counter ${name}`);
  }

  get isClosed(): boolean {
    return this.#leaked !== undefined;
  }

  /** Packets with a source or destination that providers do not carry: all zero unless somebody leaks. */
  async leaks(): Promise<Readonly<Record<LeakCounter, number>>> {
    if (this.#leaked !== undefined) return this.#leaked;
    const counters = await this.#counters();
    return Object.fromEntries(
      LEAK_COUNTERS.map((name) => [name, found(counters.get(name), `counter ${name}`).packets]),
    ) as Record<LeakCounter, number>;
  }

  /** Every gateway forgets its connections. */
  async flush(): Promise<void> {
    await Promise.all(this.sites.filter(({ kind }) => kind !== 'public').map((site) => site.flush()));
  }

  /** Stops everything started here and takes the network away. Never throws. */
  async close(): Promise<void> {
    await Promise.all([...this.#started].map((child) => child.stop('SIGTERM')));
    await Promise.allSettled(this.sites.map((site) => site.close()));
    this.#leaked ??= await this.leaks().catch(() => NOTHING);
    await this.#namespaces.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #build(plans: readonly SitePlan[], ipv6: boolean): Promise<void> {
    const namespaces = this.#namespaces;
    await namespaces.add([CORE, ...plans.flatMap(namespacesOf)]);
    await ipBatch(plans.flatMap((plan) => cablesOf(plan, namespaces)));
    await this.#startDelays(plans);
    const scripts = new Map([[CORE, coreScript(plans, ipv6)]]);
    for (const plan of plans) {
      const [first] = plan.hosts;
      if (plan.gateway === undefined) {
        if (first !== undefined) scripts.set(first.namespace, publicScript(plan, ipv6));
        continue;
      }
      scripts.set(plan.gateway, gatewayScript(plan, ipv6));
      if (plan.carrier !== undefined) scripts.set(plan.carrier, carrierScript(plan));
      for (const host of plan.hosts) scripts.set(host.namespace, hostScript(plan, host, ipv6));
    }
    await namespaces.shellAll(scripts);
    await Promise.all(
      this.sites.map(async (site, i) => {
        const igd = plans[i]?.spec.igd;
        if (igd === undefined || igd === false) return;
        await site.startIgd(igd === true ? {} : igd);
      }),
    );
  }

  async #startDelays(plans: readonly SitePlan[]): Promise<void> {
    const lateFrom = this.#publicPlans.flatMap(({ wanAddresses }) => wanAddresses);
    const links = plans
      .filter(({ spec }) => isDelayed(spec))
      .map((plan) => ({
        a: [this.#namespaces.pathOf(CORE), plan.coreInterface],
        b: [this.#namespaces.pathOf(outermost(plan)), 'wan'],
        delayMs: plan.spec.delayMs ?? 0,
        jitterMs: plan.spec.jitterMs ?? 0,
        lateMs: plan.spec.lateMs ?? 0,
        lateFrom,
      }));
    if (links.length === 0) return;
    const child = this.#namespaces.start(CORE, PYTHON, [DELAY_LINK, JSON.stringify(links)]);
    this.#started.add(child);
    await child.waitForLine(/^ready/, DELAY_READY_MS);
  }

  async #counters(): Promise<Map<string, Count>> {
    const text = await this.#namespaces.shell(CORE, 'nft -j list counters table inet core');
    const { nftables } = JSON.parse(text) as { nftables: { counter?: Count & { name: string } }[] };
    return new Map(
      nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter]])),
    );
  }
}

interface Count {
  readonly packets: number;
  readonly bytes: number;
}

/** Of a lab that did not come to be. */
const NOTHING = Object.fromEntries(LEAK_COUNTERS.map((name) => [name, 0])) as Record<LeakCounter, number>;

function isDelayed({ delayMs = 0, jitterMs = 0, lateMs = 0 }: SiteSpec): boolean {
  return delayMs > 0 || jitterMs > 0 || lateMs > 0;
}

/** Who holds the other end of the access link. */
function outermost({ carrier, gateway, hosts }: SitePlan): string {
  return carrier ?? gateway ?? found(hosts[0], 'host of a public site').namespace;
}

function namespacesOf({ carrier, gateway, hosts }: SitePlan): string[] {
  return [carrier, gateway, ...hosts.map(({ namespace }) => namespace)].filter((each) => each !== undefined);
}

function cablesOf(plan: SitePlan, namespaces: Namespaces): string[] {
  const { gateway, carrier, hosts } = plan;
  const access = isDelayed(plan.spec)
    ? []
    : [namespaces.link(CORE, plan.coreInterface, outermost(plan), 'wan')];
  if (gateway === undefined) return access;
  return [
    ...access,
    ...(carrier === undefined ? [] : [namespaces.link(carrier, 'sub1', gateway, 'wan')]),
    ...hosts.map(({ namespace }, i) => namespaces.link(gateway, `lan${i + 1}`, namespace, 'eth0')),
  ];
}

function withoutUndefined<T extends object>(record: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the lab has no ${what}`);
  return value;
}
