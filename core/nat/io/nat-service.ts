// Keeps what we know about our own place behind NATs true while a program runs: maps ports, asks strangers how they see us and relays
// whether they reach us, and begins anew when the network changes.
import { networkInterfaces } from 'node:os';
import type { Clock, Rng } from '../../base/clock.ts';
import { isIPv6 } from '../../base/endpoint.ts';
import { isLocalAddress } from '../../base/local-address.ts';
import type { Log } from '../../base/log.ts';
import type { NatFilter, PeerFacts, NatState as WireState } from '../../relay/messages.ts';
import { type NatClass, NatClassifier } from '../classify.ts';
import type { DialBack, DialBackRequest, DialBackResult } from '../dial-back.ts';
import type { MappingProtocol } from '../mapping-types.ts';
import type { NatFamilySnapshot, NatSnapshot } from '../nat-snapshot.ts';
import type { AskReflection } from '../reflection.ts';
import { findGateway } from './gateway.ts';
import { type Claim, MappingService } from './mapping-service.ts';

/** While strangers have not told enough: doubled up to the longest. */
const FIRST_ASK_MS = 250;
const LONGEST_ASK_MS = 5 * 60_000;
/** What is known is asked again this often. */
const AGAIN_MS = 10 * 60_000;
/** A dial-back costs somebody else something (nat.md: once in ten minutes); a new claim is a reason of its own. */
const DIAL_BACK_AGAIN_MS = 10 * 60_000;
/** Nobody to ask yet, or not now; after a few times ever more rarely. */
const DIAL_BACK_RETRY_MS = 2_000;
const DIAL_BACK_RETRIES = 5;
const DIAL_BACK_RETRY_MAX_MS = 30_000;
/** The port to knock at is known when strangers have told it; where they never do, knocking starts anyway. */
const DIAL_BACK_LATEST_MS = 4_000;
const MAPPING_GRACE_MS = 500;
/** Another network is noticed after this. */
const NETWORK_CHECK_MS = 30_000;
const ENOUGH_VOTERS = 4;
const BOTH = ['udp', 'tcp'] as const;

export interface NatServiceOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly stateDir: string;
  readonly families: readonly (4 | 6)[];
  /** Where we listen; 0: nowhere. */
  readonly tcpPort: number;
  readonly udpPort: (family: 4 | 6) => number;
  readonly bindAddresses?: readonly string[] | undefined;
  readonly isMappingOn: boolean;
  /** Default all. */
  readonly protocols?: readonly MappingProtocol[] | undefined;
  readonly reflect?: AskReflection | undefined;
  /** Somebody in the open to ask, when there is one. */
  readonly dialBack?: DialBack | undefined;
  /** The class, a mapping or the port to announce has changed. */
  readonly onChange?: (() => void) | undefined;
}

export class NatService {
  readonly #options: NatServiceOptions;
  readonly #classifiers: ReadonlyMap<4 | 6, NatClassifier>;
  readonly #startedAtMs: number;
  #mapping: MappingService | undefined;
  #states = '';
  #classifiedAfterMs: number | undefined;
  #askMs = FIRST_ASK_MS;
  #askTimer: NodeJS.Timeout | undefined;
  #networkTimer: NodeJS.Timeout | undefined;
  #testTimer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isTesting = false;
  #hasTested = false;
  /** What nobody has answered yet in this round. */
  #untested = new Set<'udp' | 'tcp'>();
  #testRetries = 0;
  #network = '';
  #isClosed = false;

  constructor(options: NatServiceOptions) {
    this.#options = options;
    this.#classifiers = new Map(options.families.map((family) => [family, new NatClassifier(family)]));
    this.#startedAtMs = options.clock.nowMs();
  }

  async start(): Promise<void> {
    this.#network = await this.#networkName();
    if (this.#isClosed) return;
    this.#setLocal();
    this.#networkTimer = setInterval(() => void this.#checkNetwork(), NETWORK_CHECK_MS);
    this.#networkTimer.unref();
    this.#scheduleAsk(0);
    this.#scheduleTest(DIAL_BACK_LATEST_MS);
    await this.#startMapping();
  }

  /** A peer came in by TCP, unasked. */
  handleVisitor(host: string): void {
    if (isLocalAddress(host)) return;
    const family = isIPv6(host) ? 6 : 4;
    const isNews = this.#classifiers.get(family)?.handleVisitor(host) ?? false;
    this.#mapping?.handleVisitor(family, 'tcp');
    if (isNews) this.#changed();
  }

  /** A TCP connection to somebody out there came to be. */
  handleTcpWorks(): void {
    for (const classifier of this.#classifiers.values()) classifier.handleTcpWorks();
  }

  /** A relay told how it sees our UDP port. */
  handleSeen(seen: { readonly host: string; readonly port: number }, by: string): void {
    this.#classifiers.get(isIPv6(by) ? 6 : 4)?.handleSeen(seen, by);
    this.#changed();
  }

  classOf(family: 4 | 6): NatClass | undefined {
    const classifier = this.#classifiers.get(family);
    if (classifier === undefined) return undefined;
    classifier.setMappings(this.#mapping?.mappings(family) ?? []);
    return classifier.result();
  }

  /** The TCP port to tell others: the gateway's where it forwards another one than ours. */
  get announcedPort(): number {
    const { tcpPort } = this.#options;
    if (tcpPort === 0) return 0;
    const mapped = this.#mapping?.mappings(4).find(({ transport }) => transport === 'tcp');
    return mapped?.externalPort ?? tcpPort;
  }

  /** Our address as DHT nodes, relays and the gateway name it. */
  outerHosts(family: 4 | 6): readonly (string | undefined)[] {
    const mapped = (this.#mapping?.mappings(family) ?? []).map(({ externalHost }) => externalHost);
    return [...mapped, this.classOf(family)?.external?.host];
  }

  /** Ports that the gateway forwards to us, and the one that DHT nodes and relays see of our UDP port. */
  outerPorts(family: 4 | 6): readonly (number | undefined)[] {
    const mapped = (this.#mapping?.mappings(family) ?? []).map(({ externalPort }) => externalPort);
    return [...mapped, this.classOf(family)?.external?.port];
  }

  /** What we say of ourselves to relays and peers. IPv4 counts where there is both: IPv6 is dialled first anyway. */
  facts(): PeerFacts {
    const known = this.classOf(4) ?? this.classOf(6);
    const family = known?.family ?? 4;
    const mapped = this.#mapping?.mappings(family).find(({ transport }) => transport === 'udp');
    return {
      state: (known?.state ?? 'unknown') satisfies WireState,
      filter: filterOf(known),
      tcpPort: this.announcedPort,
      udpPort: mapped?.externalPort ?? known?.external?.port ?? this.#options.udpPort(family),
    };
  }

  snapshot(): NatSnapshot {
    const gateways = this.#mapping?.snapshot() ?? [];
    const families = this.#options.families.flatMap((family): NatFamilySnapshot[] => {
      const known = this.classOf(family);
      if (known === undefined) return [];
      return [
        {
          family,
          state: known.state,
          external: known.external,
          isTranslated: known.isTranslated,
          mapping: known.reach.mapping,
          filtering: known.reach.filtering,
          evidence: known.evidence,
          gateway: gateways.find((each) => each.family === family)?.gateway,
          mappings: this.#mapping?.mappings(family) ?? [],
        },
      ];
    });
    return {
      families,
      announcedPort: this.announcedPort,
      isMappingOn: this.#options.isMappingOn,
      classifiedAfterMs: this.#classifiedAfterMs,
    };
  }

  /** Takes mappings back; a second and a half at most. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#askTimer);
    clearTimeout(this.#testTimer);
    clearInterval(this.#networkTimer);
    await this.#mapping?.close();
  }

  // --- mapping

  async #startMapping(): Promise<void> {
    const { clock, rng, log, stateDir, families, tcpPort, udpPort, bindAddresses, protocols } = this.#options;
    const udp = udpPort(families[0] ?? 4);
    if (!this.#options.isMappingOn || (tcpPort === 0 && udp === 0)) return;
    this.#mapping = new MappingService({
      clock,
      rng,
      log,
      stateDir,
      families,
      ports: { ...(tcpPort === 0 ? {} : { tcp: tcpPort }), ...(udp === 0 ? {} : { udp }) },
      bindAddresses,
      protocols,
      onChange: () => this.#changed(),
      onClaim: (claim) => this.#verify(claim),
      onGatewayNews: () => this.#startOver(),
    });
    await this.#mapping.start();
  }

  #verify(claim: Claim): void {
    if (claim.transport === 'tcp') this.#scheduleTest(0);
  }

  // --- asking

  #scheduleAsk(inMs: number): void {
    clearTimeout(this.#askTimer);
    if (this.#isClosed) return;
    this.#askTimer = setTimeout(() => void this.#ask(), inMs);
    this.#askTimer.unref();
  }

  async #ask(): Promise<void> {
    const { reflect } = this.#options;
    if (reflect === undefined || this.#isAsking) return;
    this.#isAsking = true;
    this.#setLocal();
    await Promise.all(
      [...this.#classifiers].map(async ([family, classifier]) => {
        const { asked, answered, seen } = await reflect(family);
        for (const { by, as } of seen) classifier.handleSeen(as, by);
        if (asked > 0 && answered === 0) classifier.handleSilence(asked);
      }),
    );
    this.#isAsking = false;
    if (this.#isClosed) return;
    this.#changed();
    const isMappingKnown = this.#options.families.some(
      (each) => this.classOf(each)?.reach.mapping !== 'unknown',
    );
    if (isMappingKnown && !this.#hasTested) {
      this.#hasTested = true;
      // The gateway's answer, if one comes, comes soon and decides what is tried; a claim is tried at once.
      const isAsking = this.#mapping?.mappings(4).some(({ state }) => state === 'asking') ?? false;
      this.#scheduleTest(isAsking ? MAPPING_GRACE_MS : 0);
    }
    const isEnough = [...this.#classifiers.values()].some(({ voters }) => voters >= ENOUGH_VOTERS);
    if (isEnough) this.#askMs = FIRST_ASK_MS;
    else this.#askMs = Math.min(LONGEST_ASK_MS, this.#askMs * 2);
    this.#scheduleAsk(isEnough ? AGAIN_MS : this.#askMs);
  }

  // --- dial-back

  #scheduleTest(inMs: number): void {
    clearTimeout(this.#testTimer);
    if (this.#isClosed || this.#options.dialBack === undefined) return;
    this.#testTimer = setTimeout(() => {
      this.#untested = new Set(BOTH);
      this.#testRetries = 0;
      void this.#test();
    }, inMs);
    this.#testTimer.unref();
  }

  async #test(): Promise<void> {
    const { dialBack, tcpPort, udpPort } = this.#options;
    if (dialBack === undefined || this.#isTesting) return;
    this.#isTesting = true;
    const mappedPort = this.#mapping?.mappings(4).find(({ transport }) => transport === 'tcp')?.externalPort;
    const askedPort = mappedPort ?? tcpPort;
    const mappedUdp = this.#mapping?.mappings(4).find(({ transport }) => transport === 'udp')?.externalPort;
    const udp = mappedUdp ?? this.classOf(4)?.external?.port ?? udpPort(4);
    // Apart, since a TCP attempt that meets a silent filter takes seconds to fail; and what one was told the other may still have to ask.
    const tests: Promise<void>[] = [];
    const ask = async (transport: 'udp' | 'tcp', request: DialBackRequest): Promise<void> => {
      if (!this.#untested.has(transport)) return;
      const result = await dialBack.test(request);
      if (result === undefined || this.#isClosed) return;
      this.#untested.delete(transport);
      this.#handleTest(result, mappedPort);
      this.#changed();
    };
    if (udp === 0) this.#untested.delete('udp');
    else {
      const ways = { tcp: false, udp: true, udpOtherPort: true };
      tests.push(ask('udp', { tcpPort: 0, udpPort: udp, ways }));
    }
    if (askedPort === 0) this.#untested.delete('tcp');
    else {
      const ways = { tcp: true, udp: false, udpOtherPort: false };
      tests.push(ask('tcp', { tcpPort: askedPort, udpPort: 0, ways }));
    }
    await Promise.all(tests);
    this.#isTesting = false;
    // Meanwhile the gateway may have granted a port.
    const isNews =
      mappedPort !== this.#mapping?.mappings(4).find(({ transport }) => transport === 'tcp')?.externalPort;
    if (isNews && this.#mapping !== undefined) this.#scheduleTest(0);
    else if (this.#untested.size === 0) this.#scheduleTest(DIAL_BACK_AGAIN_MS);
    else this.#retryTest();
  }

  #retryTest(): void {
    const doublings = Math.max(0, this.#testRetries++ - DIAL_BACK_RETRIES);
    const inMs = Math.min(DIAL_BACK_RETRY_MAX_MS, DIAL_BACK_RETRY_MS * 2 ** doublings);
    clearTimeout(this.#testTimer);
    if (this.#isClosed) return;
    this.#testTimer = setTimeout(() => void this.#test(), inMs);
    this.#testTimer.unref();
  }

  #handleTest(result: DialBackResult, mappedPort: number | undefined): void {
    const classifier = this.#classifiers.get(isIPv6(result.observedHost) ? 6 : 4);
    const mapping = this.#mapping;
    if (mappedPort === undefined || mapping === undefined) {
      classifier?.handleDialBack(result);
      return;
    }
    const verdict = (transport: 'tcp' | 'udp', isReached: boolean): void => {
      const port = mapping.mappings(4).find((each) => each.transport === transport)?.externalPort;
      if (port === undefined) return;
      mapping.handleVerdict({ family: 4, transport, externalHost: undefined, externalPort: port }, isReached);
    };
    if (result.tcp !== undefined) verdict('tcp', result.tcp);
    if (result.udp === true) verdict('udp', true);
    // The same gateway granted both in one breath: where TCP leads nowhere, UDP does not either.
    else if (result.tcp === false) verdict('udp', false);
    // What came through a port that the gateway forwards says nothing about strangers at other ports.
    classifier?.handleDialBack({
      ...result,
      tcp: result.tcp === true ? undefined : result.tcp,
      udp: result.udp === true ? undefined : result.udp,
    });
  }

  // --- change

  /** The gateway restarted, or it is another one. */
  #startOver(): void {
    for (const classifier of this.#classifiers.values()) classifier.reset();
    this.#askMs = FIRST_ASK_MS;
    this.#hasTested = false;
    this.#scheduleAsk(0);
    this.#scheduleTest(DIAL_BACK_LATEST_MS);
    this.#changed();
  }

  async #checkNetwork(): Promise<void> {
    const network = await this.#networkName();
    if (this.#isClosed || network === this.#network) return;
    this.#network = network;
    this.#options.log('info', 'another network: finding out about it', { network });
    const before = this.#mapping;
    this.#mapping = undefined;
    this.#startOver();
    await before?.close();
    if (!this.#isClosed) await this.#startMapping();
  }

  async #networkName(): Promise<string> {
    const gateways = await Promise.all(this.#options.families.map((family) => findGateway(family)));
    return gateways.map((gateway) => `${gateway?.localHost} by ${gateway?.host}`).join(', ');
  }

  #setLocal(): void {
    const addresses = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => address),
    );
    for (const [family, classifier] of this.#classifiers)
      classifier.setLocal({ addresses, udpPort: this.#options.udpPort(family) });
  }

  #changed(): void {
    const states = this.#options.families.map((family) => this.classOf(family)?.state ?? 'unknown').join();
    if (states !== this.#states) {
      this.#states = states;
      const isKnown = this.#options.families.some((family) => this.classOf(family)?.state !== 'unknown');
      const afterMs = Math.round(this.#options.clock.nowMs() - this.#startedAtMs);
      this.#classifiedAfterMs = isKnown ? afterMs : undefined;
    }
    this.#options.onChange?.();
  }
}

function filterOf(known: NatClass | undefined): NatFilter {
  const filters = { open: 'eif', address: 'adf', port: 'apdf', unknown: 'unknown' } as const;
  return filters[known?.reach.filtering ?? 'unknown'];
}
