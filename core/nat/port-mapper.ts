// Port mappings of one machine at one gateway, for TCP and UDP: all protocols are asked at once, the first that is granted is held
// (renewed at half its life, made again when the gateway forgot it) until somebody outside proves it wrong. A grant is a claim: only
// `isVerified` says that it leads anywhere. Pure; the shell does what MapperPort asks for and hands the answers back.
import { type Rng, randomBytes, randomInt } from '../base/clock.ts';
import { isLocalAddress } from '../base/local-address.ts';
import {
  LOWEST_PORT,
  MAPPING_PROTOCOLS,
  type MapAnswer,
  type MapFailure,
  type MapGrant,
  type MappingKey,
  type MappingProtocol,
  type MapRequest,
  type Transport,
} from './mapping-types.ts';

/** Long enough to cost nothing, short enough that what a crash leaves behind is gone in an hour. */
const LIFETIME_SEC = 3_600;
/** Longer promises are not relied upon: a gateway may have said a week. */
const LONGEST_SEC = 86_400;
/** How often the gateway is asked whether it still knows us, when it does not say so itself. */
const CHECK_MS = 60_000;
/** Nobody maps here: things change when somebody touches the gateway, not by asking often. */
const RETRY_MS = 15 * 60_000;
/** It said "not now". */
const SOON_MS = 60_000;
/** After news that everything is lost. */
const AGAIN_MS = 2_000;
/** A renewal that got no answer is repeated at half of what is left, but not more often. */
const LEAST_RENEW_MS = 1_000;
/** Other external ports that are tried at once when ours is taken. */
const MOST_CONFLICTS = 3;
const HIGHEST_PORT = 65_535;

export interface MapperOptions {
  /** Port that listens; undefined where nothing does. */
  readonly ports: Readonly<Partial<Record<Transport, number>>>;
  /** Default all. */
  readonly protocols?: readonly MappingProtocol[];
  readonly lifetimeSec?: number;
  /** Nonces come from it: they should not be guessed. */
  readonly rng: Rng;
}

/** What the shell does. Answers come back through `handleAnswer` and `handleLost`. */
export interface MapperPort {
  ask(protocol: MappingProtocol, request: MapRequest, nonce: Uint8Array): void;
  /** Takes a mapping back; no answer is waited for. */
  release(protocol: MappingProtocol, key: MappingKey): void;
  /** The same for one that was asked for and may never be granted: nobody waits for the answer. */
  abandon(protocol: MappingProtocol, key: MappingKey): void;
  /** Is it still there? Only bad news come back, as handleLost. */
  check(protocol: MappingProtocol, key: MappingKey): void;
  /** A new claim: somebody outside should try it. The result comes as handleVerdict. */
  verify(transport: Transport, externalHost: string | undefined, externalPort: number): void;
  changed(): void;
}

export interface MappingSnapshot {
  readonly transport: Transport;
  readonly internalPort: number;
  /** asking; claimed: granted and not yet tried from outside; verified; refuted: granted, yet nobody outside gets through; none. */
  readonly state: 'asking' | 'claimed' | 'verified' | 'refuted' | 'none';
  readonly protocol: MappingProtocol | undefined;
  readonly externalHost: string | undefined;
  readonly externalPort: number | undefined;
  readonly lifetimeSec: number | undefined;
  readonly renewInMs: number | undefined;
  /** What each protocol said, in words. */
  readonly answers: Readonly<Partial<Record<MappingProtocol, string>>>;
}

interface Held {
  readonly protocol: MappingProtocol;
  readonly grant: MapGrant;
  readonly expiresAtMs: number;
  renewAtMs: number;
  checkAtMs: number;
  verdict: 'unknown' | 'yes' | 'no';
}

interface Wanted {
  readonly transport: Transport;
  readonly internalPort: number;
  readonly nonce: Uint8Array;
  /** The one that counts. */
  held: Held | undefined;
  /** Granted by others for the same external port: released at the end, otherwise left alone. */
  readonly spares: Map<MappingProtocol, MapGrant>;
  readonly asking: Set<MappingProtocol>;
  readonly failures: Map<MappingProtocol, MapFailure>;
  conflicts: number;
  isRefuted: boolean;
  retryAtMs: number;
}

export class PortMapper {
  readonly #port: MapperPort;
  readonly #rng: Rng;
  readonly #protocols: readonly MappingProtocol[];
  readonly #lifetimeSec: number;
  readonly #wanted: Wanted[] = [];
  #isReleased = false;

  constructor(options: MapperOptions, port: MapperPort) {
    this.#port = port;
    this.#rng = options.rng;
    this.#protocols = options.protocols ?? MAPPING_PROTOCOLS;
    this.#lifetimeSec = Math.max(1, options.lifetimeSec ?? LIFETIME_SEC);
    for (const transport of ['tcp', 'udp'] as const) {
      const internalPort = options.ports[transport];
      if (internalPort === undefined || internalPort === 0) continue;
      this.#wanted.push({
        transport,
        internalPort,
        nonce: randomBytes(this.#rng, 12),
        held: undefined,
        spares: new Map(),
        asking: new Set(),
        failures: new Map(),
        conflicts: 0,
        isRefuted: false,
        retryAtMs: Number.POSITIVE_INFINITY,
      });
    }
  }

  start(nowMs: number): void {
    for (const wanted of this.#wanted) this.#askAll(wanted, nowMs);
  }

  handleAnswer(protocol: MappingProtocol, transport: Transport, answer: MapAnswer, nowMs: number): void {
    const wanted = this.#of(transport);
    if (wanted === undefined) return;
    wanted.asking.delete(protocol);
    const { ok } = answer;
    if (this.#isReleased) {
      // Granted while we were leaving.
      if (ok) this.#release(wanted, protocol, answer.grant);
      return;
    }
    const failure = ok ? troubleOf(answer.grant) : answer.failure;
    if (failure === undefined && ok) this.#handleGrant(wanted, protocol, answer.grant, nowMs);
    else {
      if (ok) this.#release(wanted, protocol, answer.grant);
      this.#handleFailure(wanted, protocol, failure as MapFailure, nowMs);
    }
    this.#port.changed();
  }

  /** The gateway has forgotten what it granted by this protocol, or may have: it is all made again. */
  handleLost(protocol: MappingProtocol, nowMs: number): void {
    if (this.#isReleased) return;
    for (const wanted of this.#wanted) {
      wanted.spares.delete(protocol);
      const { held } = wanted;
      if (held?.protocol !== protocol || wanted.asking.has(protocol)) continue;
      held.verdict = 'unknown';
      // The gateway may still be on its way up.
      held.renewAtMs = nowMs + AGAIN_MS;
      this.#ask(wanted, protocol, held.grant.externalPort);
      this.#port.changed();
    }
  }

  /** The gateway said that something has happened to it: what it granted is asked for again, which costs nothing if all is well. */
  handleNews(nowMs: number): void {
    for (const { held } of this.#wanted)
      if (held !== undefined) held.renewAtMs = Math.min(held.renewAtMs, nowMs);
    this.handleTimeout(nowMs);
  }

  /** Somebody outside tried the claim. */
  handleVerdict(transport: Transport, externalPort: number, isReached: boolean, nowMs: number): void {
    const wanted = this.#of(transport);
    const held = wanted?.held;
    if (wanted === undefined || held === undefined || held.grant.externalPort !== externalPort) return;
    if (this.#isReleased) return;
    if (isReached) {
      held.verdict = 'yes';
      wanted.isRefuted = false;
    } else {
      // A port that leads nowhere must not be announced, and not be kept open at the gateway.
      wanted.held = undefined;
      wanted.isRefuted = true;
      this.#release(wanted, held.protocol, held.grant);
      for (const [protocol, grant] of wanted.spares) this.#release(wanted, protocol, grant);
      wanted.spares.clear();
      wanted.retryAtMs = nowMs + RETRY_MS;
    }
    this.#port.changed();
  }

  /** Takes everything back. Nothing is asked for afterwards. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const wanted of this.#wanted) {
      if (wanted.held !== undefined) this.#release(wanted, wanted.held.protocol, wanted.held.grant);
      for (const [protocol, grant] of wanted.spares) this.#release(wanted, protocol, grant);
      for (const protocol of wanted.asking) {
        // The answer may come when we are gone. PCP and NAT-PMP delete by our own address and port; in UPnP the external port could
        // be somebody else's, so that its answer is waited for.
        if (protocol === 'upnp') continue;
        const { internalPort: externalPort, nonce, transport } = wanted;
        this.#port.abandon(protocol, { transport, internalPort: externalPort, externalPort, nonce });
      }
      wanted.held = undefined;
      wanted.spares.clear();
    }
  }

  nextTimeoutMs(): number {
    if (this.#isReleased) return Number.POSITIVE_INFINITY;
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.#wanted.map(({ held, retryAtMs }) =>
        held === undefined ? retryAtMs : Math.min(held.renewAtMs, held.checkAtMs, held.expiresAtMs),
      ),
    );
  }

  handleTimeout(nowMs: number): void {
    if (this.#isReleased) return;
    for (const wanted of this.#wanted) {
      const { held } = wanted;
      if (held === undefined) {
        if (nowMs >= wanted.retryAtMs) this.#askAll(wanted, nowMs);
        continue;
      }
      if (nowMs >= held.expiresAtMs) {
        wanted.held = undefined;
        this.#askAll(wanted, nowMs);
        this.#port.changed();
        continue;
      }
      if (nowMs >= held.renewAtMs) {
        held.renewAtMs = nowMs + Math.max(LEAST_RENEW_MS, (held.expiresAtMs - nowMs) / 2);
        if (!wanted.asking.has(held.protocol)) this.#ask(wanted, held.protocol, held.grant.externalPort);
      }
      if (nowMs >= held.checkAtMs) {
        held.checkAtMs = nowMs + CHECK_MS;
        this.#port.check(held.protocol, this.#keyOf(wanted, held.grant));
      }
    }
  }

  /** Mappings that exist at the gateway now, for the file that the next run cleans up by. */
  grants(): readonly {
    readonly protocol: MappingProtocol;
    readonly key: MappingKey;
    readonly lifetimeSec: number;
  }[] {
    return this.#wanted.flatMap((wanted) => {
      const all: [MappingProtocol, MapGrant][] = [...wanted.spares];
      if (wanted.held !== undefined) all.push([wanted.held.protocol, wanted.held.grant]);
      return all.map(([protocol, grant]) => ({
        protocol,
        key: this.#keyOf(wanted, grant),
        lifetimeSec: grant.lifetimeSec,
      }));
    });
  }

  snapshot(nowMs: number): readonly MappingSnapshot[] {
    return this.#wanted.map((wanted) => {
      const { transport, internalPort, held } = wanted;
      const answers: Partial<Record<MappingProtocol, string>> = {};
      for (const [protocol, { what }] of wanted.failures) answers[protocol] = what;
      for (const protocol of wanted.asking) answers[protocol] ??= 'no answer yet';
      for (const [protocol, grant] of wanted.spares) answers[protocol] = `granted ${grant.externalPort}`;
      if (held !== undefined) answers[held.protocol] = `granted ${held.grant.externalPort}`;
      return {
        transport,
        internalPort,
        state: stateOf(wanted),
        protocol: held?.protocol,
        externalHost: held?.grant.externalHost,
        externalPort: held?.grant.externalPort,
        lifetimeSec: held?.grant.lifetimeSec,
        renewInMs: held === undefined ? undefined : Math.max(0, Math.round(held.renewAtMs - nowMs)),
        answers,
      };
    });
  }

  #handleGrant(wanted: Wanted, protocol: MappingProtocol, grant: MapGrant, nowMs: number): void {
    wanted.failures.delete(protocol);
    const { held } = wanted;
    if (held !== undefined && held.protocol !== protocol) {
      // The same gateway by another of its doors: one door is enough. What leads to the same port must stay, since taking it back
      // would take ours.
      if (held.grant.externalPort === grant.externalPort) wanted.spares.set(protocol, grant);
      else this.#release(wanted, protocol, grant);
      return;
    }
    const lifeMs = Math.min(LONGEST_SEC, grant.lifetimeSec) * 1_000;
    const isSame =
      held !== undefined &&
      held.grant.externalPort === grant.externalPort &&
      held.grant.externalHost === grant.externalHost;
    wanted.held = {
      protocol,
      grant,
      expiresAtMs: nowMs + lifeMs,
      renewAtMs: nowMs + lifeMs / 2,
      checkAtMs: nowMs + CHECK_MS,
      verdict: isSame ? held.verdict : 'unknown',
    };
    if (wanted.held.verdict === 'unknown') {
      this.#port.verify(wanted.transport, grant.externalHost, grant.externalPort);
    }
  }

  #handleFailure(wanted: Wanted, protocol: MappingProtocol, failure: MapFailure, nowMs: number): void {
    wanted.failures.set(protocol, failure);
    if (failure.kind === 'conflict' && wanted.conflicts < MOST_CONFLICTS) {
      wanted.conflicts++;
      this.#ask(wanted, protocol, LOWEST_PORT + randomInt(this.#rng, HIGHEST_PORT + 1 - LOWEST_PORT));
      return;
    }
    // A renewal that fails leaves what there is until it runs out.
    if (wanted.held !== undefined || wanted.asking.size > 0) return;
    const kinds = [...wanted.failures.values()];
    const isSoon = kinds.some(({ kind }) => kind === 'failed');
    const saidSec = Math.max(0, ...kinds.map(({ retryAfterSec }) => retryAfterSec ?? 0));
    wanted.retryAtMs = nowMs + Math.min(RETRY_MS, Math.max(isSoon ? SOON_MS : RETRY_MS, saidSec * 1_000));
  }

  #askAll(wanted: Wanted, nowMs: number): void {
    wanted.retryAtMs = Number.POSITIVE_INFINITY;
    wanted.conflicts = 0;
    if (wanted.internalPort < LOWEST_PORT) {
      const what = `ports below ${LOWEST_PORT} are not asked for`;
      for (const protocol of this.#protocols) wanted.failures.set(protocol, { kind: 'refused', what });
      return;
    }
    for (const protocol of this.#protocols) {
      if (!wanted.asking.has(protocol)) this.#ask(wanted, protocol, wanted.internalPort);
    }
    // Answers may never come.
    if (wanted.asking.size === 0) wanted.retryAtMs = nowMs + RETRY_MS;
  }

  #ask(wanted: Wanted, protocol: MappingProtocol, externalPort: number): void {
    wanted.asking.add(protocol);
    const { transport, internalPort, nonce } = wanted;
    this.#port.ask(
      protocol,
      { transport, internalPort, externalPort, lifetimeSec: this.#lifetimeSec },
      nonce,
    );
  }

  #release(wanted: Wanted, protocol: MappingProtocol, grant: MapGrant): void {
    this.#port.release(protocol, this.#keyOf(wanted, grant));
  }

  #keyOf({ transport, internalPort, nonce }: Wanted, { externalPort }: MapGrant): MappingKey {
    return { transport, internalPort, externalPort, nonce };
  }

  #of(transport: Transport): Wanted | undefined {
    return this.#wanted.find((wanted) => wanted.transport === transport);
  }
}

function stateOf({ held, asking, isRefuted }: Wanted): MappingSnapshot['state'] {
  if (held !== undefined) return held.verdict === 'yes' ? 'verified' : 'claimed';
  if (isRefuted) return 'refuted';
  return asking.size > 0 ? 'asking' : 'none';
}

/** A grant that is none. */
function troubleOf({ externalPort, externalHost, lifetimeSec }: MapGrant): MapFailure | undefined {
  if (externalPort < LOWEST_PORT || externalPort > HIGHEST_PORT)
    return { kind: 'refused', what: `the gateway gave port ${externalPort}` };
  if (lifetimeSec < 1) return { kind: 'failed', what: 'the gateway gave a lifetime of 0' };
  if (externalHost !== undefined && isLocalAddress(externalHost))
    return { kind: 'private', what: `the gateway's outer address is ${externalHost}, not a public one` };
  return undefined;
}
