// A peer's calls, and the calls that reach it: nonces, answers, tickets, results. Nothing is dialled that the rules forbid. Pure.
import { type Rng, randomBytes } from '../base/clock.ts';
import type { Endpoint } from '../base/endpoint.ts';
import type { ClientLink } from './client-links.ts';
import type {
  CallResult,
  Introduction,
  RelayClientOptions,
  RelayClientPort,
  TestResult,
} from './client-port.ts';
import { tokenKey } from './frame.ts';
import {
  type CalledMessage,
  type GoMessage,
  MessageType,
  NONCE_BYTES,
  type PeerRecord,
  type RefuseMessage,
  type TestedMessage,
  type TestWays,
  type TicketMessage,
  type ToRelay,
  type Way,
} from './messages.ts';

/** The relay gives up after five seconds; ours is its answer's way back. */
const CALL_TIMEOUT_MS = 7_000;
/** TCP may take its time to be refused. */
const TEST_TIMEOUT_MS = 12_000;
/** A ticket follows at once. */
const TICKET_WAIT_MS = 10_000;
const MAX_OPEN = 256;
/** Nonces of calls that reached us: played back they lead nowhere. */
const MAX_HEARD = 1024;

export interface CallOptions {
  readonly infoHash: Uint8Array;
  /** Whom: by key, by an endpoint that the relay itself named, or anybody. */
  readonly key?: Uint8Array;
  readonly endpoint?: Endpoint;
  readonly tried?: readonly Way[];
}

interface Open {
  readonly link: ClientLink;
  readonly infoHash: Uint8Array;
  readonly role: 'caller' | 'called';
  readonly onResult: ((result: CallResult) => void) | undefined;
  introduction: Introduction | undefined;
  endsAtMs: number;
}

interface OpenTest {
  readonly link: ClientLink;
  readonly onResult: (result: TestResult) => void;
  readonly endsAtMs: number;
}

export class ClientCalls {
  readonly #options: RelayClientOptions;
  readonly #port: RelayClientPort;
  readonly #send: (link: ClientLink, message: ToRelay) => void;
  readonly #rng: Rng;
  readonly #open = new Map<string, Open>();
  readonly #tests = new Map<string, OpenTest>();
  readonly #heard = new Set<string>();

  constructor(
    options: RelayClientOptions,
    port: RelayClientPort,
    send: (link: ClientLink, message: ToRelay) => void,
  ) {
    this.#options = options;
    this.#port = port;
    this.#send = send;
    this.#rng = options.rng;
  }

  /** @returns the nonce that the introduction will carry */
  call(
    link: ClientLink,
    call: CallOptions,
    onResult: (result: CallResult) => void,
    nowMs: number,
  ): Uint8Array {
    const nonce = randomBytes(this.#rng, NONCE_BYTES);
    if (this.#open.size >= MAX_OPEN) {
      onResult({ kind: 'refused', code: 'quota' });
      return nonce;
    }
    const { infoHash, key, endpoint, tried = [] } = call;
    const role = 'caller' as const;
    const endsAtMs = nowMs + CALL_TIMEOUT_MS;
    this.#open.set(tokenKey(nonce), { link, infoHash, role, onResult, introduction: undefined, endsAtMs });
    const facts = this.#options.facts(link.relay);
    this.#send(link, { type: 'call', nonce, infoHash, key, endpoint, facts, tried });
    return nonce;
  }

  handleCalled(link: ClientLink, message: CalledMessage, nowMs: number): void {
    const { nonce, infoHash, caller, tried } = message;
    const name = tokenKey(nonce);
    if (this.#open.has(name) || this.#heard.has(name)) return;
    this.#heard.add(name);
    if (this.#heard.size > MAX_HEARD) this.#heard.delete(this.#heard.values().next().value as string);
    const call = { nonce, infoHash, caller, tried, relay: link.relay, roles: link.offer.roles };
    const way = this.#open.size >= MAX_OPEN ? 'none' : this.#port.decide(call);
    if (way !== 'none') {
      const endsAtMs = nowMs + CALL_TIMEOUT_MS;
      const open = { link, infoHash, onResult: undefined, introduction: undefined, endsAtMs };
      this.#open.set(name, { ...open, role: 'called' });
    }
    this.#send(link, { type: 'answer', nonce, way, facts: this.#options.facts(link.relay) });
  }

  handleGo(link: ClientLink, message: GoMessage, nowMs: number): void {
    const open = this.#open.get(tokenKey(message.nonce));
    // Only what we asked or agreed to, from the relay through which we did, and once.
    if (open === undefined || open.link !== link || open.introduction !== undefined) return;
    const { nonce, way, peer, delayMs } = message;
    const { role, infoHash, onResult } = open;
    const target = targetOf(role, way, peer);
    if (target !== undefined) {
      const rule = this.#options.whyNotFollow(target, link.relay.host, nowMs);
      if (rule !== undefined) {
        this.#open.delete(tokenKey(nonce));
        onResult?.({ kind: 'refused', code: 'rules' });
        return;
      }
    }
    const bounded = Math.min(delayMs, MAX_DELAY_MS);
    const introduction: Introduction = {
      nonce,
      infoHash,
      role,
      way,
      peer,
      relay: link.relay,
      target,
      delayMs: bounded,
    };
    open.introduction = introduction;
    open.endsAtMs = nowMs + TICKET_WAIT_MS;
    if (way !== 'splice') this.#open.delete(tokenKey(nonce));
    if (onResult === undefined) this.#port.introduce(introduction);
    else onResult({ kind: 'go', introduction });
  }

  handleTicket(link: ClientLink, message: TicketMessage): void {
    const { nonce, ticket, limits, from } = message;
    if (nonce === undefined) {
      // Of a proxy port, which only exists where we reserved one.
      if (from === undefined || (link.reserved?.proxyPort ?? 0) === 0) return;
      this.#port.splice({ relay: link.relay, ticket, limits, introduction: undefined, remote: from });
      return;
    }
    const open = this.#open.get(tokenKey(nonce));
    const introduction = open?.introduction;
    if (open?.link !== link || introduction?.way !== 'splice') return;
    this.#open.delete(tokenKey(nonce));
    const { peer } = introduction;
    const remote = { host: peer.host, port: peer.sourcePort };
    this.#port.splice({ relay: link.relay, ticket, limits, introduction, remote });
  }

  /** @returns false when it is about something else */
  handleRefuse(link: ClientLink, message: RefuseMessage): boolean {
    const { nonce, code } = message;
    if (nonce === undefined) return false;
    const name = tokenKey(nonce);
    if (message.of === MessageType.test) {
      const test = this.#tests.get(name);
      if (test?.link !== link) return true;
      this.#tests.delete(name);
      test.onResult({ kind: 'refused', code });
      return true;
    }
    const open = this.#open.get(name);
    if (open?.link !== link) return true;
    this.#open.delete(name);
    if (open.introduction === undefined) open.onResult?.({ kind: 'refused', code });
    return true;
  }

  // --- dial-back

  /** @returns the nonce by which the dial-back is known when it comes in */
  test(
    link: ClientLink,
    order: { tcpPort: number; udpPort: number; ways: TestWays },
    onResult: (result: TestResult) => void,
    nowMs: number,
  ): Uint8Array {
    const nonce = randomBytes(this.#rng, NONCE_BYTES);
    if (this.#tests.size >= MAX_OPEN) onResult({ kind: 'refused', code: 'quota' });
    else {
      this.#tests.set(tokenKey(nonce), { link, onResult, endsAtMs: nowMs + TEST_TIMEOUT_MS });
      this.#send(link, { type: 'test', nonce, ...order });
    }
    return nonce;
  }

  handleTested(link: ClientLink, message: TestedMessage): void {
    const name = tokenKey(message.nonce);
    const test = this.#tests.get(name);
    if (test?.link !== link) return;
    this.#tests.delete(name);
    test.onResult({ kind: 'tested', tested: message });
  }

  // --- ends

  handleLinkEnd(link: ClientLink): void {
    for (const [name, open] of this.#open) {
      if (open.link !== link) continue;
      this.#open.delete(name);
      if (open.introduction === undefined) open.onResult?.({ kind: 'refused', code: 'gone' });
    }
    for (const [name, test] of this.#tests) {
      if (test.link !== link) continue;
      this.#tests.delete(name);
      test.onResult({ kind: 'refused', code: 'gone' });
    }
  }

  nextTimeoutMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { endsAtMs } of this.#open.values()) next = Math.min(next, endsAtMs);
    for (const { endsAtMs } of this.#tests.values()) next = Math.min(next, endsAtMs);
    return next;
  }

  handleTimeout(nowMs: number): void {
    for (const [name, open] of this.#open) {
      if (open.endsAtMs > nowMs) continue;
      this.#open.delete(name);
      if (open.introduction === undefined) open.onResult?.({ kind: 'refused', code: 'late' });
    }
    for (const [name, test] of this.#tests) {
      if (test.endsAtMs > nowMs) continue;
      this.#tests.delete(name);
      test.onResult({ kind: 'refused', code: 'late' });
    }
  }

  /** Whether a link is in use. */
  uses(link: ClientLink): boolean {
    for (const open of this.#open.values()) if (open.link === link) return true;
    for (const test of this.#tests.values()) if (test.link === link) return true;
    return false;
  }
}

/** A relay that names a longer one than any round trip wants us to wait for nothing. */
const MAX_DELAY_MS = 1_500;

/** Where this side's packets go. */
function targetOf(role: 'caller' | 'called', way: Way, peer: PeerRecord): Endpoint | undefined {
  const { host, tcpPort, udpPort, punchPort } = peer;
  if (way === 'punch') return { host, port: udpPort };
  // Without a port it is only a word that one is wanted.
  if (way === 'tcp-punch') return punchPort === undefined ? undefined : { host, port: punchPort };
  if (way === 'reverse' && role === 'called') return { host, port: tcpPort === 0 ? udpPort : tcpPort };
  if (way === 'direct' && role === 'caller') return { host, port: tcpPort === 0 ? udpPort : tcpPort };
  return undefined;
}
