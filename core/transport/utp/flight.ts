// The packets that are sent and not yet acked, in a ring by sequence number; finds out from acks and selective acks which
// arrived and which are lost. Lost is what was sent well before something that has arrived (as in RACK, RFC 8985): that holds
// for a packet that was sent again, too.
import { seqDistance } from './packet.ts';

/** What libutp keeps for reordering (1,023), less a little: further ahead is dropped over there. */
export const MAX_FLIGHT_PACKETS = 1_000;
const RING = 1_024;
/** Buffers kept: what one turn of the loop acks. */
const MAX_SPARE = 64;
/** BEP 29: three duplicate acks mean loss. */
const DUPLICATES = 3;
/** Reordering was seen: give packets more time, up to this many. */
const MAX_REORDERING = 64;

const FREE = 0;
const FLYING = 1;
const LOST = 2;
const ARRIVED = 3;

export interface FlightPacket {
  seq: number;
  /** Header and payload, nothing more. */
  bytes: Uint8Array;
  payloadBytes: number;
  transmissions: number;
  sentAtMs: number;
  /** Counts transmissions of the connection. */
  order: number;
  state: number;
  /** Size of the datagram while it tries the path; 0: it does not. */
  probeBytes: number;
}

/** What one ack told. */
export interface AckOutcome {
  /** Payload that has newly arrived. */
  bytes: number;
  packets: number;
  /** Milliseconds; negative: none was measured. */
  roundTripMs: number;
  /** Newly lost, without probes of the path. */
  lost: number;
  /** Sequence number of the last of those. */
  lastLost: number;
  probeArrived: number;
  probeLost: number;
}

export class Flight {
  readonly #ring: FlightPacket[] = [];
  /** Buffers of packets that were sent once and have arrived: the kernel is done with them. */
  readonly #spare: Uint8Array[] = [];
  readonly outcome: AckOutcome = {
    bytes: 0,
    packets: 0,
    roundTripMs: -1,
    lost: 0,
    lastLost: 0,
    probeArrived: 0,
    probeLost: 0,
  };
  /** Oldest that is not acked; equals `next` when nothing is in flight. */
  #first: number;
  #next: number;
  #byteCount = 0;
  #lostCount = 0;
  #order = 0;
  #arrivedOrder = -1;
  #reordering = DUPLICATES;
  #duplicates = 0;

  constructor(firstSeq: number) {
    this.#first = firstSeq & 0xffff;
    this.#next = this.#first;
  }

  /** Of the next new packet. */
  get nextSeq(): number {
    return this.#next;
  }

  /** Oldest not acked. */
  get firstSeq(): number {
    return this.#first;
  }

  /** Packets between the oldest not acked and the newest. */
  get span(): number {
    return seqDistance(this.#first, this.#next);
  }

  /** Payload on the way, what is lost not counted. */
  get byteCount(): number {
    return this.#byteCount;
  }

  get hasLost(): boolean {
    return this.#lostCount > 0;
  }

  /** A buffer of that size, used before or new. */
  buffer(bytes: number): Uint8Array {
    const spare = this.#spare.pop();
    return spare !== undefined && spare.length === bytes ? spare : new Uint8Array(bytes);
  }

  /** A new packet, to be sent now. */
  push(bytes: Uint8Array, payloadBytes: number): FlightPacket {
    const seq = this.#next;
    let packet = this.#ring[seq % RING];
    if (packet === undefined) {
      packet = {
        seq,
        bytes,
        payloadBytes,
        transmissions: 0,
        sentAtMs: 0,
        order: 0,
        state: FREE,
        probeBytes: 0,
      };
      this.#ring[seq % RING] = packet;
    }
    packet.seq = seq;
    packet.bytes = bytes;
    packet.payloadBytes = payloadBytes;
    packet.transmissions = 0;
    packet.probeBytes = 0;
    packet.state = FREE;
    this.#next = (seq + 1) & 0xffff;
    return packet;
  }

  markSent(packet: FlightPacket, nowMs: number): void {
    if (packet.state === LOST) this.#lostCount--;
    if (packet.state !== FLYING) this.#byteCount += packet.payloadBytes;
    packet.state = FLYING;
    packet.transmissions++;
    packet.sentAtMs = nowMs;
    packet.order = this.#order++;
  }

  /** The oldest lost packet. */
  firstLost(): FlightPacket | undefined {
    if (this.#lostCount === 0) return undefined;
    for (let seq = this.#first; seq !== this.#next; seq = (seq + 1) & 0xffff) {
      const packet = this.#at(seq);
      if (packet.state === LOST) return packet;
    }
    return undefined;
  }

  isSane(ack: number): boolean {
    const behind = seqDistance(ack, this.#next);
    return behind > 0 && behind <= 2 * RING;
  }

  /**
   * @param ack everything up to here has arrived; must be `isSane`
   * @param isPureAck a packet that can be a duplicate ack
   */
  handleAck(
    ack: number,
    mask: Uint8Array,
    maskAt: number,
    maskBytes: number,
    isPureAck: boolean,
    nowMs: number,
  ): void {
    const { outcome } = this;
    outcome.bytes = 0;
    outcome.packets = 0;
    outcome.roundTripMs = -1;
    outcome.lost = 0;
    outcome.probeArrived = 0;
    outcome.probeLost = 0;
    const isNew = seqDistance(this.#first, ack) >= 0;
    const isDuplicate = ((this.#first - 1) & 0xffff) === ack && isPureAck && this.#first !== this.#next;
    if (!isNew && !isDuplicate && maskBytes === 0) return;
    if (isNew) {
      this.#duplicates = 0;
      const end = (ack + 1) & 0xffff;
      while (this.#first !== end) {
        this.#arrive(this.#at(this.#first), nowMs);
        this.#at(this.#first).state = FREE;
        this.#first = (this.#first + 1) & 0xffff;
      }
      this.#skipArrived();
    }
    if (maskBytes > 0) this.#handleMask(ack, mask, maskAt, maskBytes, nowMs);
    else if (isDuplicate && ++this.#duplicates === DUPLICATES) this.#lose(this.#at(this.#first));
    if (outcome.packets > 0) this.#findLost();
  }

  /** Nothing came for a whole time-out: all of it is lost. @returns whether there was anything */
  loseAll(): boolean {
    for (let seq = this.#first; seq !== this.#next; seq = (seq + 1) & 0xffff) this.#lose(this.#at(seq));
    this.#duplicates = 0;
    return this.#first !== this.#next;
  }

  #handleMask(ack: number, mask: Uint8Array, at: number, bytes: number, nowMs: number): void {
    const count = Math.min(bytes * 8, RING);
    const afterAck = (ack + 2) & 0xffff;
    for (let i = 0; i < count; i++) {
      const octet = mask[at + (i >>> 3)] as number;
      if (octet === 0) {
        i |= 7;
        continue;
      }
      if ((octet & (1 << (i & 7))) === 0) continue;
      const seq = (afterAck + i) & 0xffff;
      // What is not sent yet cannot have arrived, whoever says so.
      if (seqDistance(seq, this.#next) <= 0) return;
      if (seqDistance(this.#first, seq) < 0) continue;
      const packet = this.#at(seq);
      if (packet.state === FLYING || packet.state === LOST) this.#arrive(packet, nowMs);
    }
    this.#skipArrived();
  }

  #skipArrived(): void {
    while (this.#first !== this.#next && this.#at(this.#first).state === ARRIVED) {
      this.#at(this.#first).state = FREE;
      this.#first = (this.#first + 1) & 0xffff;
    }
  }

  #arrive(packet: FlightPacket, nowMs: number): void {
    if (packet.state === ARRIVED) return;
    const { outcome } = this;
    outcome.packets++;
    outcome.bytes += packet.payloadBytes;
    if (packet.state === FLYING) this.#byteCount -= packet.payloadBytes;
    else if (packet.state === LOST) {
      this.#lostCount--;
      // Thought lost, but it came: on this path packets overtake each other.
      if (packet.transmissions === 1) this.#reordering = Math.min(MAX_REORDERING, this.#reordering * 2);
    }
    packet.state = ARRIVED;
    if (packet.transmissions === 1) {
      outcome.roundTripMs = nowMs - packet.sentAtMs;
      if (packet.probeBytes > 0) outcome.probeArrived = packet.probeBytes;
      else if (this.#spare.length < MAX_SPARE) this.#spare.push(packet.bytes);
    }
    packet.probeBytes = 0;
    if (packet.order > this.#arrivedOrder) this.#arrivedOrder = packet.order;
  }

  #findLost(): void {
    const before = this.#arrivedOrder - this.#reordering;
    for (let seq = this.#first; seq !== this.#next; seq = (seq + 1) & 0xffff) {
      const packet = this.#at(seq);
      if (packet.state === FLYING && packet.order <= before) this.#lose(packet);
    }
  }

  #lose(packet: FlightPacket): void {
    if (packet.state !== FLYING) return;
    packet.state = LOST;
    this.#lostCount++;
    this.#byteCount -= packet.payloadBytes;
    if (packet.probeBytes > 0) {
      this.outcome.probeLost = packet.probeBytes;
      packet.probeBytes = 0;
    } else {
      this.outcome.lost++;
      this.outcome.lastLost = packet.seq;
    }
  }

  #at(seq: number): FlightPacket {
    return this.#ring[seq % RING] as FlightPacket;
  }
}
