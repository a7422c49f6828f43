// One node in one of the two DHTs (BEP 32): its id, its table, and what it learns from every answer and query: who is
// alive, who lies, who waits to be verified, how others see us.
import { ID_BYTES } from '../../core/base/ids.ts';
import { compactBytes, DhtAddress, type Family, getWord, type HostKey } from '../base/address.ts';
import { isValidId } from '../base/bep42.ts';
import { Id160 } from '../base/node-id.ts';
import type { MaintenancePolicy, TablePolicy } from '../base/options.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { LookupCache } from '../table/lookup-cache.ts';
import { NetworkSize } from '../table/network-size.ts';
import { RoutingTable } from '../table/routing-table.ts';
import { ExternalAddress } from './external-address.ts';

/** More contacts in one reply are not read (k is 8; some send 16). */
const MAX_NODES_PER_REPLY = 16;
/** Inbound-only nodes that wait for their ping. */
const MAX_QUARANTINED = 64;
/** Endpoints that were caught with two ids: not believed for a while. Bounded, oldest first out. */
const MAX_LIARS = 256;
const LIAR_MS = 30 * 60_000;

export interface Quarantined {
  readonly id: Id160;
  readonly address: DhtAddress;
  readonly dueMs: number;
}

export interface NamedNode {
  readonly id: Id160;
  readonly address: DhtAddress;
}

export class FamilyState {
  // What every query needs stands first, side by side.
  #table: RoutingTable;
  /** In the order they came. */
  readonly quarantine: Quarantined[] = [];
  readonly family: Family;
  readonly #policy: TablePolicy;
  /** Looking a stranger up costs as much as an answer; a flood from one is looked up once. */
  #lastAsker: DhtAddress | undefined;
  readonly external: ExternalAddress;
  readonly #liars = new Map<HostKey, number>();
  readonly #maintenance: MaintenancePolicy;
  readonly cache = new LookupCache();
  readonly size = new NetworkSize();

  constructor(family: Family, ownId: Id160, policy: TablePolicy, maintenance: MaintenancePolicy) {
    this.family = family;
    this.external = new ExternalAddress(family);
    this.#policy = policy;
    this.#maintenance = maintenance;
    this.#table = new RoutingTable(family, ownId, policy);
  }

  get table(): RoutingTable {
    return this.#table;
  }

  get ownId(): Id160 {
    return this.#table.ownId;
  }

  /** Takes another id; those of the table who have a place around it stay. */
  changeId(ownId: Id160, nowMs: number): void {
    const old = this.#table;
    this.#table = new RoutingTable(this.family, ownId, this.#policy);
    for (const slot of old.members()) {
      if (!old.isGood(slot, nowMs)) continue;
      this.#table.offer(old.slab.id(slot), old.slab.address(slot), old.slab.roundTripMs(slot), nowMs);
    }
  }

  /**
   * A reply that passed all checks.
   * @param id the sender's
   * @param slot the contact that was asked, -1 when it was no contact
   * @returns true when our external address has changed by it
   */
  handleAnswer(
    message: KrpcMessage,
    id: Id160,
    from: DhtAddress,
    slot: number,
    roundTripMs: number,
    nowMs: number,
  ): boolean {
    if (this.#table.confirmAt(slot, id, from, roundTripMs, nowMs)) {
      // As expected: nothing else to find out.
    } else if (this.isWelcome(id, from, nowMs)) {
      const outcome = this.#table.offer(id, from, roundTripMs, nowMs);
      // The endpoint is in the table under another id: it has changed it, so the old entry is gone for good.
      if (outcome === 'refused' && this.#evictOther(id, from, nowMs))
        this.#table.offer(id, from, roundTripMs, nowMs);
    }
    // A trusting client takes in whoever it hears of.
    if (!this.#policy.verify) {
      for (const named of this.namedNodes(message, from))
        if (this.#table.isWanted(named.id, named.address))
          this.#table.offer(named.id, named.address, 0, nowMs);
    }
    const { external } = message;
    if (message.length(external) !== compactBytes(this.family)) return false;
    if (this.external.isSettled(message.bytes, external.start)) return false;
    return this.external.vote(from, DhtAddress.fromCompact(this.family, message.bytes, external.start));
  }

  /** It answered with another id than it was known by. */
  handleLiar(claimed: Id160, from: DhtAddress, nowMs: number): void {
    this.#table.evictAddress(from, nowMs);
    this.#table.fail(claimed, from, nowMs);
    const key = endpointKey(from);
    this.#liars.delete(key);
    if (this.#liars.size >= MAX_LIARS) this.#liars.delete(this.#liars.keys().next().value as HostKey);
    this.#liars.set(key, nowMs + LIAR_MS);
  }

  /** May this contact be in the table at all? */
  isWelcome(id: Id160, address: DhtAddress, nowMs: number): boolean {
    if (this.#policy.requireValidIds && !isValidId(id, address)) return false;
    return !this.isLiar(address, nowMs);
  }

  isLiar(address: DhtAddress, nowMs: number): boolean {
    if (this.#liars.size === 0) return false;
    const until = this.#liars.get(endpointKey(address));
    return until !== undefined && until > nowMs;
  }

  /** A node asked us something: in a verifying table it has to wait for a ping of ours. */
  handleQuery(message: KrpcMessage, from: DhtAddress, nowMs: number): void {
    if (message.readOnly) return;
    const { bytes, id: span } = message;
    if (this.#policy.verify) {
      // Nearly everybody who asks is in the table, or in a part of the space where it is full: cheapest first.
      if (this.#table.isClosedTo(getWord(bytes, span.start)) || this.quarantine.length >= MAX_QUARANTINED)
        return;
      if (this.#lastAsker?.equals(from)) return;
      this.#lastAsker = from;
      if (this.#table.isUseless(bytes, span.start)) return;
      const id = Id160.read(bytes, span.start);
      if (!this.#table.isWanted(id, from) || this.#isQuarantined(from)) return;
      if (!this.isWelcome(id, from, nowMs)) return;
      // Within one network there is no NAT whose mapping could lapse: due at once, before all others.
      if (from.scope !== 'global') this.quarantine.unshift({ id, address: from, dueMs: nowMs });
      else this.quarantine.push({ id, address: from, dueMs: nowMs + this.#maintenance.quarantineMs });
    } else this.#table.offer(Id160.read(bytes, span.start), from, 0, nowMs);
  }

  /**
   * The usable contacts of a reply: of our family, reachable from where the sender stands, not ourselves.
   * @param wantedOnly leaves out those whom the table has already or has no place for, as far as it knows at a glance
   */
  namedNodes(message: KrpcMessage, from: DhtAddress, wantedOnly = false): NamedNode[] {
    const span = this.family === 4 ? message.nodes : message.nodes6;
    const entryBytes = ID_BYTES + compactBytes(this.family);
    const named: NamedNode[] = [];
    if (span.start < 0) return named;
    const senderScope = from.scope;
    const end = Math.min(span.end, span.start + entryBytes * MAX_NODES_PER_REPLY);
    for (let at = span.start; at + entryBytes <= end; at += entryBytes) {
      if (wantedOnly && this.#table.isUseless(message.bytes, at)) continue;
      const address = DhtAddress.fromCompact(this.family, message.bytes, at + ID_BYTES);
      const { scope } = address;
      if (address.port === 0 || scope === 'unusable') continue;
      if (scope !== 'global' && scope !== senderScope) continue;
      const id = Id160.read(message.bytes, at);
      if (id.equals(this.ownId)) continue;
      named.push({ id, address });
    }
    return named;
  }

  #isQuarantined(address: DhtAddress): boolean {
    for (const node of this.quarantine) if (node.address.equals(address)) return true;
    return false;
  }

  #evictOther(id: Id160, from: DhtAddress, nowMs: number): boolean {
    const slot = this.#table.slab.findAddress(from);
    if (slot < 0 || this.#table.slab.hasId(slot, id)) return false;
    this.#table.evictAddress(from, nowMs);
    return true;
  }
}

/** Exact for IPv4; IPv6 by /64: who lies there is not believed from the next address either. */
function endpointKey({ family, w0, port, hostKey }: DhtAddress): HostKey {
  return family === 4 ? (w0 >>> 0) * 2 ** 16 + port : hostKey;
}
