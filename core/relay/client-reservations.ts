// A peer's places at its relays: asked for where it should be reached through them, renewed at half their life, asked for anew when its
// torrents change, given back when it needs none. Pure.
import { toHex } from '../base/bytes.ts';
import type { ClientLink, ClientLinks } from './client-links.ts';
import { type RelayClientOptions, ROLE } from './client-port.ts';
import { reserveText } from './identity.ts';
import {
  MAX_TORRENTS_PER_SLOT,
  type RefuseMessage,
  type ReservedMessage,
  type ReserveMessage,
} from './messages.ts';

const RESERVATION_SECONDS = 3600;
/** A refusal for want of room may be over soon; one for good reasons is not. */
const REFUSED_RETRY_MS = 60_000;
/** A relay answers at once; asked again it answers again. */
const RESERVE_TIMEOUT_MS = 15_000;
const NEVER = Number.POSITIVE_INFINITY;

export class ClientReservations {
  readonly #options: RelayClientOptions;
  readonly #links: ClientLinks;
  readonly #send: (link: ClientLink, message: ReserveMessage) => void;
  #lastRequest = 0;

  constructor(
    options: RelayClientOptions,
    links: ClientLinks,
    send: (link: ClientLink, message: ReserveMessage) => void,
  ) {
    this.#options = options;
    this.#links = links;
    this.#send = send;
  }

  /** Reserves where it should, and again when half the time is over or the torrents changed. */
  keep(link: ClientLink, nowMs: number): void {
    // Of two connections to one relay the one that is to stay: the place would go back and forth.
    if (link.neighbourOf === undefined && this.#links.to(link.relay) !== link) return;
    const wanted = this.#options.wantsRelays();
    if (link.reserving !== undefined) {
      if (nowMs < link.reserveEndsAtMs) return;
      link.reserving = undefined;
      link.terms = '';
    }
    if (!wanted && link.reserved === undefined) return;
    if ((link.offer.roles & ROLE.signal) === 0) return;
    const all = wanted ? this.#options.torrents() : [];
    const of = link.neighbourOf;
    const own = of === undefined ? all : all.filter((each) => toHex(each) === toHex(of));
    const infoHashes = own.slice(0, MAX_TORRENTS_PER_SLOT);
    if (of !== undefined && infoHashes.length === 0 && link.reserved === undefined) return;
    const offersProxy = (link.offer.roles & ROLE.proxy) !== 0 && of === undefined;
    const names = new Set(infoHashes.map(toHex));
    const proxied = offersProxy ? this.#options.proxied().filter((each) => names.has(toHex(each))) : [];
    const ttlSeconds = wanted ? RESERVATION_SECONDS : 0;
    const terms = [ttlSeconds, ...names, '/', ...proxied.map(toHex)].join(' ');
    if (terms === link.terms && nowMs < link.renewAtMs) return;
    const { identity } = this.#options;
    const request = ++this.#lastRequest;
    const reserve = { key: identity.publicKey, infoHashes, proxied, ttlSeconds };
    const text = reserveText(reserve, link.offer.challenge, link.relay.host);
    if (text === undefined) return;
    link.terms = terms;
    link.reserving = request;
    link.reserveEndsAtMs = nowMs + RESERVE_TIMEOUT_MS;
    this.#send(link, { type: 'reserve', request, ...reserve, signature: identity.sign(text) });
  }

  /** @returns what it is to us: nothing that we asked for last, none any more, one that we did not have, or one that lives on */
  handleReserved(
    link: ClientLink,
    message: ReservedMessage,
    nowMs: number,
  ): 'stale' | 'given-back' | 'new' | 'renewed' {
    if (link.reserving !== message.request) return 'stale';
    link.reserving = undefined;
    link.lastRefusal = undefined;
    if (message.ttlSeconds === 0) {
      link.reserved = undefined;
      link.renewAtMs = NEVER;
      return 'given-back';
    }
    const isNew = link.reserved === undefined;
    link.reserved = message;
    link.renewAtMs = nowMs + message.ttlSeconds * 500;
    return isNew ? 'new' : 'renewed';
  }

  /** Of a reserve. @returns whether it is the one that we asked for last: there is no place now */
  handleRefuse(link: ClientLink, { request, code }: RefuseMessage, nowMs: number): boolean {
    if (request === undefined || link.reserving !== request) return false;
    link.reserving = undefined;
    link.reserved = undefined;
    link.lastRefusal = code;
    link.renewAtMs = nowMs + REFUSED_RETRY_MS;
    return true;
  }
}
