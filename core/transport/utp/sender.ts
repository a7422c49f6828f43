// The sending half of a uTP connection: what is written, what is in flight, how much may be, how large packets are, and when
// something is sent again.
import type { DelayHistory } from './delay-history.ts';
import { Flight, type FlightPacket, MAX_FLIGHT_PACKETS } from './flight.ts';
import { Ledbat } from './ledbat.ts';
import { Outbox } from './outbox.ts';
import {
  HEADER_BYTES,
  type HeaderFields,
  type PacketView,
  padded,
  refreshHeader,
  ST_DATA,
  ST_FIN,
  ST_STATE,
  ST_SYN,
  seqDistance,
  withLargestDatagram,
  writeHeader,
} from './packet.ts';
import { LARGEST_DATAGRAM_BYTES, PathMtu } from './path-mtu.ts';
import { RoundTrip } from './round-trip.ts';

/** In vain so often in a row, each wait twice as long: the peer is gone (some 30 s). */
const MAX_TIMEOUTS = 6;
/** Windows below this count as none: nobody shall make us send crumbs. */
const MIN_WINDOW_BYTES = 256;
/** A closed window is tried again by one packet, then twice as late each time. */
const WINDOW_PROBE_MS = 500;
const MAX_WINDOW_PROBE_MS = 15_000;
/** A path is tried for more when so many packets wait behind the probe that its loss shows at once. */
const PROBE_BEHIND_PACKETS = 4;
/** Without traffic for so many time-outs, what was known of the path is old. */
const IDLE_TIMEOUTS = 2;

/**
 * @param bytes will not change until they are acked
 * @param ttl hop limit of this one datagram; undefined: the usual one
 */
export type SendPacket = (bytes: Uint8Array, ttl: number | undefined) => void;

/** A packet that tries the path. @returns whether it left in one piece, as far as anybody knows */
export type SendProbe = (bytes: Uint8Array) => boolean;

export interface SenderOptions {
  readonly send: SendPacket;
  /** Without it probes leave like everything else. */
  readonly sendProbe?: SendProbe | undefined;
  /** Fills in time, delay, window and ack of a packet that leaves now. */
  readonly fields: (nowMs: number) => HeaderFields;
  readonly sendId: number;
  readonly firstSeq: number;
  readonly family: 4 | 6;
  /** The peer's one-way delays to us, as it reports them. */
  readonly delays: DelayHistory;
}

export class Sender {
  readonly #options: SenderOptions;
  /** Connection id of our packets, but for SYNs. */
  sendId: number;
  readonly #flight: Flight;
  readonly #outbox = new Outbox();
  readonly #rtt = new RoundTrip();
  readonly #mtu: PathMtu;
  readonly #ledbat: Ledbat;
  #peerWindow = MIN_WINDOW_BYTES;
  /** Losses up to here belong to one event. */
  #recoverUntil: number;
  /** A packet that is not full is on its way: the next such one waits for it (Minshall). */
  #shortSeq: number | undefined;
  /** A loss was found just now: what is missing goes out at once, window or not (fast retransmission). */
  #mayRepeat = false;
  #timeouts = 0;
  #finSeq: number | undefined;
  #lastSentAtMs = Number.NEGATIVE_INFINITY;
  #retransmitAtMs = Number.POSITIVE_INFINITY;
  #windowProbeAtMs = Number.POSITIVE_INFINITY;
  #windowProbeMs = WINDOW_PROBE_MS;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.sendId = options.sendId;
    this.#flight = new Flight(options.firstSeq);
    this.#recoverUntil = (options.firstSeq - 1) & 0xffff;
    this.#mtu = new PathMtu(options.family);
    this.#ledbat = new Ledbat(this.#payloadBytes);
  }

  /** Written, and not yet in a packet. */
  get queuedBytes(): number {
    return this.#outbox.byteCount;
  }

  get flightBytes(): number {
    return this.#flight.byteCount;
  }

  get windowBytes(): number {
    return this.#ledbat.windowBytes;
  }

  get datagramBytes(): number {
    return this.#mtu.provenBytes;
  }

  get nextSeq(): number {
    return this.#flight.nextSeq;
  }

  /** Smoothed; 0 before the first sample. */
  get roundTripMs(): number {
    return this.#rtt.ms;
  }

  get isAllAcked(): boolean {
    return this.#flight.span === 0;
  }

  get isFinSent(): boolean {
    return this.#finSeq !== undefined;
  }

  get nextTimeoutMs(): number {
    return Math.min(this.#retransmitAtMs, this.#windowProbeAtMs);
  }

  write(bytes: Uint8Array, sent: (() => void) | undefined): void {
    this.#outbox.push(bytes, sent);
  }

  /** What is not in a packet yet is dropped. */
  clear(): void {
    this.#outbox.clear();
  }

  /** The peer takes datagrams of that size on loopback. */
  raiseCeiling(bytes: number): void {
    this.#mtu.raiseCeiling(bytes);
  }

  /** @returns whether an ack of ours: not of what was never sent, or of long ago */
  isSane(ack: number): boolean {
    return this.#flight.isSane(ack);
  }

  handleAck(packet: PacketView, nowMs: number): void {
    const flight = this.#flight;
    const flightBytes = flight.byteCount;
    const isPureAck = packet.type === ST_STATE && packet.windowBytes === this.#peerWindow;
    // A window that an older packet told is an older window.
    if (seqDistance((flight.firstSeq - 1) & 0xffff, packet.ack) >= 0) this.#noteWindow(packet.windowBytes);
    flight.handleAck(packet.ack, packet.bytes, packet.sackAt, packet.sackBytes, isPureAck, nowMs);
    const { outcome } = flight;
    if (outcome.roundTripMs >= 0) this.#rtt.add(outcome.roundTripMs);
    if (outcome.packets > 0) {
      this.#timeouts = 0;
      this.#rtt.calmDown();
      this.#retransmitAtMs = this.isAllAcked ? Number.POSITIVE_INFINITY : nowMs + this.#rtt.timeoutMs;
      if (this.#shortSeq !== undefined && seqDistance(flight.firstSeq, this.#shortSeq) < 0) {
        this.#shortSeq = undefined;
      }
      if (outcome.bytes > 0) this.#steer(outcome.bytes, flightBytes, nowMs);
    }
    this.#noteProbe(nowMs);
    if (outcome.lost > 0) this.#noteLoss(nowMs);
  }

  /** @returns the connection is dead: nothing was heard for all our trying */
  handleTimeout(nowMs: number): boolean {
    if (nowMs < this.#retransmitAtMs) return false;
    this.#retransmitAtMs = Number.POSITIVE_INFINITY;
    const { outcome } = this.#flight;
    outcome.lost = 0;
    outcome.probeArrived = 0;
    outcome.probeLost = 0;
    if (!this.#flight.loseAll()) return false;
    this.#noteProbe(nowMs);
    if (++this.#timeouts > MAX_TIMEOUTS) return true;
    this.#rtt.backOff();
    // Only the probe was on its way: its size is to blame, not the path.
    if (outcome.lost === 0) return false;
    this.#recoverUntil = (this.#flight.nextSeq - 1) & 0xffff;
    this.#ledbat.handleTimeout(this.#payloadBytes);
    return false;
  }

  /** @param firstTtlMs how long the first SYN keeps its low hop limit before the second goes out */
  sendSyn(
    receiveId: number,
    isLoopback: boolean,
    ttl: number | undefined,
    firstTtlMs: number,
    nowMs: number,
  ): void {
    const flight = this.#flight;
    const isFirst = flight.span === 0;
    if (!isFirst) flight.loseAll();
    const packet = isFirst ? flight.push(new Uint8Array(HEADER_BYTES), 0) : flight.firstLost();
    if (packet === undefined) return;
    writeHeader(packet.bytes, ST_SYN, receiveId, packet.seq, this.#options.fields(nowMs));
    flight.markSent(packet, nowMs);
    const bytes = isLoopback
      ? withLargestDatagram(packet.bytes, LARGEST_DATAGRAM_BYTES)
      : packet.bytes.slice();
    this.#options.send(bytes, isFirst ? ttl : undefined);
    // What was not meant to arrive has not failed.
    if (packet.transmissions > (ttl === undefined ? 1 : 2)) this.#rtt.backOff();
    this.#retransmitAtMs = nowMs + (isFirst && ttl !== undefined ? firstTtlMs : this.#rtt.timeoutMs);
  }

  /** @returns whether anything left */
  sendData(isEnding: boolean, nowMs: number): boolean {
    const flight = this.#flight;
    let hasSent = false;
    if (this.isAllAcked && this.queuedBytes > 0) this.#mindIdle(nowMs);
    while (flight.hasLost) {
      const lost = flight.firstLost() as FlightPacket;
      if (!this.#mayRepeat && !this.#hasRoom(lost.payloadBytes)) break;
      this.#mayRepeat = false;
      this.#transmit(lost, nowMs);
      hasSent = true;
    }
    while (!flight.hasLost && flight.span < MAX_FLIGHT_PACKETS && this.queuedBytes > 0) {
      const full = this.#payloadBytes;
      let count = Math.min(full, this.#outbox.packableBytes);
      if (this.isAllAcked && this.#peerWindow >= MIN_WINDOW_BYTES) count = Math.min(count, this.#peerWindow);
      if (!this.#mayLeave(count, full, nowMs)) break;
      this.#sendNew(count, full, nowMs);
      hasSent = true;
    }
    if (isEnding && this.#finSeq === undefined && flight.span < MAX_FLIGHT_PACKETS) {
      this.#sendFin(nowMs);
      hasSent = true;
    }
    return hasSent;
  }

  // --- inside

  get #payloadBytes(): number {
    return this.#mtu.provenBytes - HEADER_BYTES;
  }

  #steer(ackedBytes: number, flightBytes: number, nowMs: number): void {
    const { roundTripMs } = this.#flight.outcome;
    // A queue cannot be longer than the whole way there and back.
    const most = roundTripMs >= 0 ? roundTripMs : Number.POSITIVE_INFINITY;
    this.#ledbat.handleAck({
      ackedBytes,
      flightBytes,
      queueMs: Math.min(this.#options.delays.queueMs(), most),
      packetBytes: this.#payloadBytes,
      roundTripMs: this.#rtt.ms,
      nowMs,
    });
  }

  #noteLoss(nowMs: number): void {
    this.#mayRepeat = true;
    if (seqDistance(this.#recoverUntil, this.#flight.outcome.lastLost) <= 0) return;
    this.#recoverUntil = (this.#flight.nextSeq - 1) & 0xffff;
    this.#ledbat.handleLoss(this.#payloadBytes, { nowMs, roundTripMs: this.#rtt.ms });
  }

  #noteProbe(nowMs: number): void {
    const { probeArrived, probeLost } = this.#flight.outcome;
    if (probeArrived > 0) this.#mtu.handleArrived(probeArrived);
    if (probeLost > 0) this.#mtu.handleLost(probeLost, nowMs);
  }

  #noteWindow(bytes: number): void {
    this.#peerWindow = bytes;
    if (bytes < MIN_WINDOW_BYTES) return;
    this.#windowProbeAtMs = Number.POSITIVE_INFINITY;
    this.#windowProbeMs = WINDOW_PROBE_MS;
  }

  #mindIdle(nowMs: number): void {
    const idleMs = nowMs - this.#lastSentAtMs;
    if (idleMs > IDLE_TIMEOUTS * this.#rtt.timeoutMs) this.#ledbat.handleIdle(this.#payloadBytes);
  }

  /** The first packet may always leave, or nothing would ever move. */
  #hasRoom(payloadBytes: number): boolean {
    const { byteCount } = this.#flight;
    return byteCount === 0 || byteCount + payloadBytes <= this.#ledbat.windowBytes;
  }

  #mayLeave(count: number, full: number, nowMs: number): boolean {
    if (!this.#hasRoom(count)) return false;
    if (count < full && this.#shortSeq !== undefined && !this.#outbox.isBeginning) return false;
    if (this.#flight.byteCount + count <= this.#peerWindow) return true;
    // No window, and nothing in flight whose ack could bring one: try, but rarely.
    if (!this.isAllAcked) return false;
    if (this.#windowProbeAtMs === Number.POSITIVE_INFINITY) {
      this.#windowProbeAtMs = nowMs + this.#windowProbeMs;
      return false;
    }
    if (nowMs < this.#windowProbeAtMs) return false;
    this.#windowProbeAtMs = Number.POSITIVE_INFINITY;
    this.#windowProbeMs = Math.min(MAX_WINDOW_PROBE_MS, this.#windowProbeMs * 2);
    return true;
  }

  #sendNew(count: number, full: number, nowMs: number): void {
    const bytes = this.#flight.buffer(HEADER_BYTES + count);
    this.#outbox.take(bytes, count);
    const packet = this.#flight.push(bytes, count);
    if (count < full) this.#shortSeq = packet.seq;
    else this.#maybeProbe(packet, nowMs);
    writeHeader(bytes, ST_DATA, this.sendId, packet.seq, this.#options.fields(nowMs));
    this.#transmit(packet, nowMs);
  }

  #maybeProbe(packet: FlightPacket, nowMs: number): void {
    if (this.queuedBytes < PROBE_BEHIND_PACKETS * this.#payloadBytes) return;
    const probeBytes = this.#mtu.probeBytes(nowMs);
    if (probeBytes === 0) return;
    packet.probeBytes = probeBytes;
    this.#mtu.handleSent();
  }

  #sendProbe(packet: FlightPacket, nowMs: number): void {
    const { send, sendProbe } = this.#options;
    const probe = padded(packet.bytes, packet.probeBytes);
    if (sendProbe === undefined) send(probe, undefined);
    else if (!sendProbe(probe)) {
      this.#mtu.handleTooLarge(packet.probeBytes, nowMs);
      // Its pieces may arrive all the same: then it was an ordinary packet.
      packet.probeBytes = 0;
    }
  }

  #sendFin(nowMs: number): void {
    const bytes = new Uint8Array(HEADER_BYTES);
    const packet = this.#flight.push(bytes, 0);
    this.#finSeq = packet.seq;
    writeHeader(bytes, ST_FIN, this.sendId, packet.seq, this.#options.fields(nowMs));
    this.#transmit(packet, nowMs);
  }

  #transmit(packet: FlightPacket, nowMs: number): void {
    if (packet.transmissions > 0) refreshHeader(packet.bytes, this.#options.fields(nowMs));
    this.#flight.markSent(packet, nowMs);
    if (packet.probeBytes > 0) this.#sendProbe(packet, nowMs);
    else this.#options.send(packet.bytes, undefined);
    this.#lastSentAtMs = nowMs;
    if (this.#retransmitAtMs === Number.POSITIVE_INFINITY) this.#retransmitAtMs = nowMs + this.#rtt.timeoutMs;
  }
}
