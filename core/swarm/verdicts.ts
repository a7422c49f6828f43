// What a piece's hash says about those who sent it: smart ban, parole, and the list of who may not come back.
import type { DisconnectReason } from './peer-port.ts';
import { SmartBan } from './smart-ban.ts';
import type { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons } from './swarm-types.ts';

export class Verdicts {
  readonly #commons: SwarmCommons;
  readonly #end: (peer: SwarmPeer, reason: DisconnectReason) => void;
  readonly #smartBan = new SmartBan();
  readonly #banned = new Set<string>();
  /** Of everybody who ever sent a block: contributors outlive connections. */
  readonly #hostById = new Map<number, string>();
  failedHashBytes = 0;

  constructor(commons: SwarmCommons, end: (peer: SwarmPeer, reason: DisconnectReason) => void) {
    this.#commons = commons;
    this.#end = end;
  }

  isBanned(host: string): boolean {
    return this.#banned.has(host);
  }

  /** The piece failed before: digests of its blocks will tell who it was. */
  isWatching(piece: number): boolean {
    return this.#smartBan.isWatching(piece);
  }

  addPeer(peer: SwarmPeer): void {
    this.#hostById.set(peer.id, peer.facts.host);
    peer.isOnParole = this.#smartBan.isSuspect(peer.facts.host);
  }

  removePeer(peer: SwarmPeer): void {
    if (peer.downloadedBytes === 0) this.#hostById.delete(peer.id);
  }

  /** @returns whether it changed who is suspected */
  notePassed(piece: number, blockDigests: Uint8Array | undefined): boolean {
    if (!this.#smartBan.isWatching(piece)) return false;
    for (const host of this.#smartBan.noteSuccess(piece, blockDigests))
      this.#ban(host, 'sent corrupt blocks');
    this.#updateParole();
    return true;
  }

  /** Before the picker forgets who sent what. */
  noteFailed(piece: number, blockDigests: Uint8Array): void {
    this.failedHashBytes += this.#commons.layout.pieceSize(piece);
    const contributors = this.#commons.picker.contributors(piece);
    const hosts = Array.from(contributors, (id) => this.#hostById.get(id));
    for (const host of this.#smartBan.noteFailure(piece, hosts, blockDigests)) {
      this.#ban(host, 'sent a corrupt piece');
    }
    this.#updateParole();
  }

  #updateParole(): void {
    for (const peer of this.#commons.peers) peer.isOnParole = this.#smartBan.isSuspect(peer.facts.host);
  }

  #ban(host: string, reason: string): void {
    if (this.#banned.has(host)) return;
    this.#banned.add(host);
    this.#smartBan.forget(host);
    for (const peer of this.#commons.peers) if (peer.facts.host === host) this.#end(peer, 'banned');
    this.#commons.events.onBan(host, reason);
  }
}
