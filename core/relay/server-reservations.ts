// Reservations: who proves a key may hold a place, be called through it, and be reached by unmodified clients. Pure.
import { toHex } from '../base/bytes.ts';
import { randomInt } from '../base/clock.ts';
import { verifyReserve } from './identity.ts';
import { relayIdOf } from './keys.ts';
import { MessageType, type Refusal, type ReserveMessage } from './messages.ts';
import type { Link, Links } from './server-links.ts';
import type { RelayServerOptions } from './server-port.ts';
import type { ServerVoice } from './server-voice.ts';

/** Announced under their keys at the most: each costs a DHT lookup a quarter of an hour. */
const MAX_ANNOUNCED = 50;

export class Reservations {
  readonly #options: RelayServerOptions;
  readonly #links: Links;
  readonly #voice: ServerVoice;
  readonly #onChanged: () => void;
  /** Proxy port -> key of its last owner, who gets it back. */
  readonly #proxyOwners = new Map<number, string>();

  constructor(options: RelayServerOptions, links: Links, voice: ServerVoice, onChanged: () => void) {
    this.#options = options;
    this.#links = links;
    this.#voice = voice;
    this.#onChanged = onChanged;
  }

  handle(link: Link, message: ReserveMessage, nowMs: number): void {
    const { request } = message;
    const refuse = (code: Refusal): void => this.#voice.refuse(link, MessageType.reserve, code, { request });
    if (!this.#voice.takeSignal(link, nowMs)) {
      refuse('quota');
      return;
    }
    const ownHost = verifyReserve(message, link.challenge, this.#options.ownHosts());
    if (ownHost === undefined) {
      refuse('signature');
      return;
    }
    if (link.key !== undefined && toHex(link.key) !== toHex(message.key)) {
      refuse('policy');
      return;
    }
    link.key = message.key;
    const { limits, isPrivate } = this.#options;
    if (isPrivate !== undefined && message.infoHashes.some(isPrivate)) {
      refuse('private');
      return;
    }
    const observed = link.info.remote;
    const own = { request, relayId: relayIdOf(ownHost) ?? new Uint8Array(20), observed };
    if (message.ttlSeconds === 0) {
      this.#links.release(link);
      this.#voice.reply(link, {
        type: 'reserved',
        ...own,
        ttlSeconds: 0,
        limits: limits.splice,
        proxyPort: 0,
        proxied: [],
      });
      this.#onChanged();
      return;
    }
    const slot = this.#links.reserve(link, message.key, message.infoHashes);
    if (typeof slot === 'string') {
      refuse(slot);
      return;
    }
    const ttlSeconds = Math.min(message.ttlSeconds, limits.reservationTtlSeconds);
    slot.expiresAtMs = nowMs + ttlSeconds * 1000;
    this.#grantProxy(link, message.proxied);
    const { proxyPort, proxied } = slot;
    this.#voice.counters.reservations++;
    this.#voice.reply(link, {
      type: 'reserved',
      ...own,
      ttlSeconds,
      limits: limits.splice,
      proxyPort,
      proxied,
    });
    this.#voice.beat(link, nowMs);
    this.#onChanged();
  }

  /** One proxied seed for each of our addresses and torrent: a client keeps one connection to an address. */
  #grantProxy(link: Link, wanted: readonly Uint8Array[]): void {
    const { slot } = link;
    if (slot === undefined) return;
    if (wanted.length === 0) {
      slot.proxied = [];
      slot.proxyPort = 0;
      return;
    }
    const taken = new Set<string>();
    const ports = new Set(this.#options.proxyPorts?.() ?? []);
    for (const other of this.#links.values()) {
      if (other === link || other.slot === undefined || other.slot.proxyPort === 0) continue;
      ports.delete(other.slot.proxyPort);
      for (const infoHash of other.slot.proxied) taken.add(toHex(infoHash));
    }
    const own = new Set(slot.infoHashes.map(toHex));
    const { isPeerOf } = this.#options;
    slot.proxied = wanted.filter(
      (infoHash) => own.has(toHex(infoHash)) && !taken.has(toHex(infoHash)) && isPeerOf?.(infoHash) !== true,
    );
    if (slot.proxied.length === 0) {
      slot.proxyPort = 0;
      return;
    }
    if (!ports.has(slot.proxyPort)) {
      const key = slot.name;
      const free = [...ports];
      const former = free.find((port) => this.#proxyOwners.get(port) === key);
      const unused = free.find((port) => !this.#proxyOwners.has(port));
      slot.proxyPort = former ?? unused ?? free[randomInt(this.#options.rng, free.length)] ?? 0;
    }
    if (slot.proxyPort === 0) slot.proxied = [];
    else this.#proxyOwners.set(slot.proxyPort, slot.name);
  }

  /** Torrents under whose R(ih) we should be found, the newest reservations last. */
  announcedTorrents(): string[] {
    return [...this.#links.torrents()].map(([infoHash]) => infoHash).slice(-MAX_ANNOUNCED);
  }

  /** Torrents that unmodified clients reach through us. */
  proxiedTorrents(): { readonly infoHash: string; readonly port: number }[] {
    return [...this.#links.values()].flatMap(({ slot }) =>
      slot === undefined || slot.proxyPort === 0
        ? []
        : slot.proxied.map((infoHash) => ({ infoHash: toHex(infoHash), port: slot.proxyPort })),
    );
  }
}
