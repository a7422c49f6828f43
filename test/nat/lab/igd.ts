// A real miniupnpd on a gateway of the lab: UPnP-IGD, NAT-PMP and PCP against the gateway's own rules.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTempDir, type TempDir } from '../../support/temp.ts';
import { waitFor } from '../../support/wait.ts';
import type { IgdOptions } from './kinds.ts';
import type { Namespaces } from './netns.ts';
import { GATEWAY_TABLE } from './rules.ts';

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const HTTP_PORT = 5_000;
const PCP_PORT = 5_351;

export interface IgdPlace {
  readonly namespaces: Namespaces;
  readonly gateway: string;
  readonly lanAddress: string;
  readonly number: number;
  readonly ipv6: boolean;
  readonly options: IgdOptions;
}

export class Igd {
  readonly #place: IgdPlace;
  readonly #dir: TempDir = makeTempDir('tt-igd-');
  #options: IgdOptions;

  constructor(place: IgdPlace) {
    this.#place = place;
    this.#options = place.options;
  }

  get isRunning(): boolean {
    return this.#pid() !== undefined;
  }

  /** @param options in place of those of before */
  async start(options: IgdOptions = this.#options): Promise<void> {
    this.#options = options;
    const { namespaces, gateway } = this.#place;
    writeFileSync(this.#path('conf'), this.#configuration());
    if (!existsSync(this.#path('leases'))) writeFileSync(this.#path('leases'), '');
    await namespaces.shell(gateway, `miniupnpd -f ${this.#path('conf')} -P ${this.#path('pid')}`);
    await waitFor(() => this.#isListening(), {
      what: `miniupnpd in ${gateway}`,
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  /** The mappings stay in the gateway's rules, as with the real thing. */
  async stop(): Promise<void> {
    const pid = this.#pid();
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !existsSync(`/proc/${pid}`) || isZombie(pid), {
      what: 'miniupnpd to end',
      timeoutMs: STOP_TIMEOUT_MS,
    });
  }

  /** Its clock starts anew; mappings come back from its file unless `forget`. */
  async restart({ forget = false } = {}): Promise<void> {
    await this.stop();
    if (forget) {
      writeFileSync(this.#path('leases'), '');
      await this.clearRules();
    }
    await this.start();
  }

  async clearRules(): Promise<void> {
    const chains = ['miniupnpd', 'prerouting_miniupnpd', 'postrouting_miniupnpd'];
    const script = chains.map((chain) => `nft flush chain inet ${GATEWAY_TABLE} ${chain}`).join('\n');
    await this.#place.namespaces.shell(this.#place.gateway, script);
  }

  /** Rules that forward a port, as `nft` prints them: one for each mapping. */
  async mappings(): Promise<string[]> {
    const text = await this.#place.namespaces.shell(
      this.#place.gateway,
      `nft list chain inet ${GATEWAY_TABLE} prerouting_miniupnpd`,
    );
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.includes('dnat'));
  }

  #path(name: string): string {
    return join(this.#dir.path, name);
  }

  #pid(): number | undefined {
    if (!existsSync(this.#path('pid'))) return undefined;
    const pid = Number(readFileSync(this.#path('pid'), 'utf8'));
    return pid > 0 && existsSync(`/proc/${pid}`) && !isZombie(pid) ? pid : undefined;
  }

  /** A process sees the sockets of its own network namespace below /proc. */
  #isListening(): boolean {
    const pid = this.#pid();
    if (pid === undefined) return false;
    const { protocols = ['pcp', 'upnp'] } = this.#options;
    const has = (table: string, port: number): boolean =>
      readFileSync(`/proc/${pid}/net/${table}`, 'utf8').includes(
        `:${port.toString(16).toUpperCase().padStart(4, '0')} `,
      );
    return (
      (!protocols.includes('upnp') || has('tcp', HTTP_PORT) || has('tcp6', HTTP_PORT)) &&
      (!protocols.includes('pcp') || has('udp', PCP_PORT) || has('udp6', PCP_PORT))
    );
  }

  #configuration(): string {
    const { lanAddress, number, ipv6 } = this.#place;
    const { minLifetimeSec = 120, protocols = ['pcp', 'upnp'], extra = [] } = this.#options;
    const yes = (is: boolean): string => (is ? 'yes' : 'no');
    return [
      'ext_ifname=wan',
      ...(ipv6 ? ['ext_ifname6=wan'] : []),
      // By name, so that IPv6 is served as well.
      'listening_ip=br0',
      `http_port=${HTTP_PORT}`,
      // Newer versions call it enable_pcp_pmp.
      `enable_natpmp=${yes(protocols.includes('pcp'))}`,
      `enable_upnp=${yes(protocols.includes('upnp'))}`,
      'secure_mode=yes',
      'system_uptime=no',
      'notify_interval=60',
      `uuid=8c3d5ad2-1f0e-4d59-9a57-${number.toString(16).padStart(12, '0')}`,
      `lease_file=${this.#path('leases')}`,
      `upnp_table_name=${GATEWAY_TABLE}`,
      `upnp_nat_table_name=${GATEWAY_TABLE}`,
      `min_lifetime=${minLifetimeSec}`,
      'max_lifetime=86400',
      `ipv6_disable=${yes(!ipv6)}`,
      ...extra,
      `allow 1024-65535 ${lanAddress}/24 1024-65535`,
      'deny 0-65535 0.0.0.0/0 0-65535',
      '',
    ].join('\n');
  }
}

/** Nobody may be there to reap a daemon. */
function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
