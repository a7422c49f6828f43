// The only place that joins the rooms: an engine session with the trackers as its peer source, and the DHT when there is one.
import type { OpenDatagramPort } from '../../core/base/datagram-port.ts';
import type { Log } from '../../core/base/log.ts';
import { UsageError } from '../../core/base/result.ts';
import { Session } from '../../core/session/session.ts';
import type { RelayUse, SessionApi, SessionOptions } from '../../core/session/session-api.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { parseProxy } from '../../core/transport/proxy-url.ts';
import type { SharedPort } from '../../dht/io/shared-port.ts';
import type { TrackerClientOptions } from '../../tracker/io/tracker-client.ts';
import { TrackerSource } from '../../tracker/io/tracker-source.ts';
import type { Flags } from '../base/flag-values.ts';
import { interfaceAddresses } from '../base/interfaces.ts';
import {
  flagValue,
  type HostPort,
  optionalFlagValue,
  parseHostPort,
  parseZeroOrMore,
} from '../base/parse.ts';
import { ttVersion } from '../base/version.ts';
import { DhtService } from '../dht/dht-service.ts';
import { bootstrapOf, nodeOptions } from '../dht/node-options.ts';
import type { Settings } from '../settings/settings.ts';

/** What a machine at home has bytes to give for. */
const MOST_SPLICES = 64;

export interface ComposeOptions {
  readonly settings: Settings;
  readonly flags: Flags;
  readonly log: Log;
  /** Whatever the flags say: loopback sessions of `tt demo` and metadata fetches have their own needs. */
  readonly overrides?: Partial<SessionOptions>;
}

/** @throws UsageError when no way to a peer would be left */
function refuseWithoutTransport({ tcp, utp, proxy }: Settings): void {
  if (tcp) return;
  if (!utp) throw new UsageError('--no-tcp and --no-utp: no way to a peer would be left');
  if (proxy !== '') throw new UsageError('--no-tcp: through a proxy there is only TCP');
}

/** @returns the session, not yet started. @throws UsageError on flags that cannot be honoured */
export function composeSession(options: ComposeOptions): SessionApi {
  const { settings, log } = options;
  refuseWithoutTransport(settings);
  const openDatagramPort = datagramPortOf(options);
  const dht = dhtServiceOf(options, openDatagramPort);
  return new Session({
    portRange: settings.port,
    encryption: settings.encryption,
    pex: settings.pex,
    lsd: settings.lsd,
    portMap: settings.portMap,
    tcp: settings.tcp,
    utp: settings.utp,
    downLimit: settings.downLimit,
    upLimit: settings.upLimit,
    maxPeers: settings.maxPeers,
    stateDir: settings.stateDir,
    userAgent: `tt/${ttVersion()}`,
    log,
    peerSources: [
      new TrackerSource({ ...trackerClientOptions(settings), log }),
      ...(dht === undefined ? [] : [dht]),
    ],
    ...(dht === undefined ? {} : { dht }),
    relays: relayUseOf(options),
    ...(openDatagramPort === undefined ? {} : { openDatagramPort }),
    ...(settings.interface === '' ? {} : { bindAddresses: interfaceAddresses(settings.interface) }),
    ...(settings.proxy === '' ? {} : { proxy: settings.proxy }),
    ...options.overrides,
  });
}

/** @throws UsageError on a malformed --relay or --splices, and where they contradict --no-relays */
function relayUseOf({ settings, flags }: ComposeOptions): RelayUse | false {
  const given = relaysOf(flags);
  const splices = optionalFlagValue('--splices', flags.text('splices'), parseZeroOrMore) ?? 0;
  if (splices > MOST_SPLICES)
    throw new UsageError(`--splices: at most ${MOST_SPLICES}; \`tt relay\` is for more`);
  if (settings.relays) return { given, splices };
  if (splices > 0) throw new UsageError('--splices and --no-relays: one of them');
  return false;
}

/** @throws UsageError on a malformed --relay */
function relaysOf(flags: Flags): readonly HostPort[] {
  return flags.list('relay').map((text) => flagValue('--relay', text, parseHostPort));
}

/** Its UDP goes through no proxy, so that behind one there is no DHT. */
function dhtServiceOf(
  { settings, flags, log }: ComposeOptions,
  openPort: OpenDatagramPort | undefined,
): DhtService | undefined {
  // Told even where the DHT is off: a mistyped address is a mistake either way.
  bootstrapOf(flags);
  if (!settings.dht || openPort === undefined) return undefined;
  const bindAddresses = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
  return new DhtService({ node: { ...nodeOptions({ settings, flags, bindAddresses, log }), openPort }, log });
}

/** One port for the DHT and uTP; whoever comes first opens it. Behind a proxy there is none: it would show what that hides. */
function datagramPortOf({ settings, flags, log }: ComposeOptions): OpenDatagramPort | undefined {
  if (settings.proxy !== '') return undefined;
  const bindAddresses = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
  const { ipv4, ipv6, bindV4, bindV6 } = nodeOptions({ settings, flags, bindAddresses, log });
  const families = [...(ipv4 === true ? [4 as const] : []), ...(ipv6 === true ? [6 as const] : [])];
  let shared: Promise<SharedPort> | undefined;
  return async (port) => {
    shared ??= import('../../dht/io/shared-port.ts').then(
      (module) => new module.SharedPort({ families, bindV4, bindV6 }),
    );
    return (await shared).open(port);
  };
}

/** How trackers are spoken to under these settings; also for `tt tracker announce` and `scrape`. */
export function trackerClientOptions(settings: Settings): TrackerClientOptions {
  const proxy = settings.proxy === '' ? undefined : parseProxy(settings.proxy);
  return {
    userAgent: `tt/${ttVersion()}`,
    clock: systemClock,
    rng: systemRng,
    ...(settings.interface === '' ? {} : { bindAddresses: interfaceAddresses(settings.interface) }),
    ...(proxy === undefined
      ? {}
      : {
          connect: async (destination, timeoutMs) => {
            const { connectThroughProxy } = await import('../../core/transport/socks.ts');
            return connectThroughProxy(proxy, destination, timeoutMs);
          },
        }),
  };
}
