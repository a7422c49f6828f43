// One uTP connection (BEP 29) as a pure state machine: packets and time in, packets and bytes out. Sending happens in `flush`,
// once for everything that came in one turn of the loop, so that acks ride on data and packets are full.
import type {
  ConnectionEvents,
  ConnectionIds,
  ConnectionOptions,
  ConnectionParts,
} from './connection-port.ts';
import { MAX_FLIGHT_PACKETS } from './flight.ts';
import { Inbox, RECEIVE_WINDOW_BYTES } from './inbox.ts';
import { Liveness } from './liveness.ts';
import { OneWayDelays, toMicros } from './one-way-delays.ts';
import {
  HEADER_BYTES,
  type HeaderFields,
  type PacketView,
  ST_DATA,
  ST_FIN,
  ST_RESET,
  ST_STATE,
  ST_SYN,
  seqDistance,
  withLargestDatagram,
  withSack,
  writeHeader,
} from './packet.ts';
import { LARGEST_DATAGRAM_BYTES } from './path-mtu.ts';
import { Sender, type SendPacket } from './sender.ts';

/** BEP 29 has no word on delayed acks: every second full packet is acked at once, a lone one after this. */
const ACK_DELAY_MS = 10;
const ACK_AT_ONCE_BYTES = 2_000;
/** After `close` what was sent is still seen to; then the peer may think what it likes. */
const LINGER_MS = 5_000;
/** Our end has arrived: so long the peer has for its own. */
const LAST_FIN_MS = 1_000;
/** A SYN came, and then nothing: the address may be forged. */
const HALF_OPEN_MS = 6_000;
/** With less than this written ahead, the writer is asked for more. */
const LOW_WATER_BYTES = 256 * 1024;
const NEVER = Number.POSITIVE_INFINITY;

type State = 'syn-sent' | 'syn-received' | 'open' | 'closing' | 'gone';

export class UtpConnection {
  readonly #parts: ConnectionParts;
  readonly #send: SendPacket;
  readonly #events: ConnectionEvents;
  /** Of the last SYN, or of the one that was answered. */
  #ids: ConnectionIds;
  readonly #options: ConnectionOptions;
  readonly #sender: Sender;
  #inbox: Inbox | undefined;
  #state: State;
  /** `onClose` was called. */
  #isClosedAbove = false;
  readonly #delays = new OneWayDelays();
  readonly #fields: HeaderFields = { timestampUs: 0, delayUs: 0, windowBytes: 0, ack: 0 };
  /** Of our SYN, or of the answer to one, which is the same whenever it is given. */
  readonly #firstSeq: number;
  #unackedBytes = 0;
  #mustAck = false;
  #toldWindow = RECEIVE_WINDOW_BYTES;
  #isDrainDue = false;
  #ackAtMs = NEVER;
  readonly #liveness = new Liveness();
  #endAtMs = NEVER;

  private constructor(parts: ConnectionParts, options: ConnectionOptions, state: State, firstSeq: number) {
    this.#parts = parts;
    this.#send = parts.send;
    this.#events = parts.events;
    this.#options = options;
    this.#ids = options.ids;
    this.#state = state;
    this.#firstSeq = firstSeq;
    this.#sender = new Sender({
      send: parts.send,
      sendProbe: parts.sendProbe,
      fields: (nowMs) => this.#fieldsNow(nowMs),
      sendId: options.ids.send,
      firstSeq,
      family: options.family,
      delays: this.#delays.ours,
    });
  }

  /** Sends a SYN at once. */
  static dial(parts: ConnectionParts, options: ConnectionOptions, nowMs: number): UtpConnection {
    const connection = new UtpConnection(parts, options, 'syn-sent', 1);
    connection.#sendSyn(nowMs);
    return connection;
  }

  /** Answers a SYN at the next flush. @param firstSeq random */
  static answer(
    parts: ConnectionParts,
    options: ConnectionOptions,
    syn: PacketView,
    firstSeq: number,
    nowMs: number,
  ): UtpConnection {
    const connection = new UtpConnection(parts, options, 'syn-received', firstSeq);
    connection.#inbox = new Inbox(syn.seq, (payload) => parts.events.onBytes(payload));
    connection.#endAtMs = nowMs + HALF_OPEN_MS;
    connection.#delays.handlePacket(syn, nowMs);
    connection.#noteSize(syn);
    connection.#mustAck = true;
    return connection;
  }

  // --- what is known

  /** Nothing is to be done for it any more. */
  get isGone(): boolean {
    return this.#state === 'gone';
  }

  get ids(): ConnectionIds {
    return this.#ids;
  }

  /** No SYN of ours was answered yet. */
  get isDialling(): boolean {
    return this.#state === 'syn-sent';
  }

  /** A SYN came, and nothing that proves that its address is not forged. */
  get isHalfOpen(): boolean {
    return this.#state === 'syn-received';
  }

  /** Written, and not yet in a packet. */
  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  /** Payload in flight, how much may be, the size of datagrams, the queue on the way: for tables and tests. */
  get flightBytes(): number {
    return this.#sender.flightBytes;
  }
  get windowBytes(): number {
    return this.#sender.windowBytes;
  }
  get datagramBytes(): number {
    return this.#sender.datagramBytes;
  }
  get queueMs(): number {
    return this.#delays.ours.queueMs();
  }

  nextTimeoutMs(): number {
    return Math.min(this.#sender.nextTimeoutMs, this.#ackAtMs, this.#askAtMs, this.#endAtMs);
  }

  // --- commands; each wants a `flush` afterwards

  /** Keeps `bytes` until `sent`. */
  write(bytes: Uint8Array, sent: (() => void) | undefined): void {
    if (this.#isClosedAbove) {
      sent?.();
      return;
    }
    this.#sender.write(bytes, sent);
    this.#isDrainDue = true;
  }

  pause(): void {
    this.#inbox?.pause();
  }

  resume(nowMs: number): void {
    const inbox = this.#inbox;
    if (inbox === undefined || this.#isClosedAbove) return;
    inbox.resume();
    // The peer waits to hear that there is room again.
    if (this.#toldWindow < RECEIVE_WINDOW_BYTES / 2 && inbox.windowBytes > this.#toldWindow)
      this.#mustAck = true;
    if (inbox.isAtEnd) this.#handleEnd(nowMs);
  }

  /** What is not in a packet yet is dropped; what is in flight is seen to for a while, and an end is sent. */
  close(nowMs: number, code?: string): void {
    this.#closeAbove(code);
    if (this.#state === 'open') this.#startClosing(nowMs);
    // The others have told nobody anything.
    else if (this.#state !== 'closing') this.#die(code);
  }

  // --- packets

  handlePacket(packet: PacketView, nowMs: number): void {
    if (this.#state === 'gone') return;
    if (packet.type === ST_RESET) this.#handleReset(packet);
    else if (packet.type === ST_SYN) this.#handleSyn();
    else if (this.#state === 'syn-sent') this.#handleAnswer(packet, nowMs);
    else this.#handleOpen(packet, nowMs);
  }

  /** The system could not send to the peer: of interest while nothing else is known of it. */
  handleUnreachable(code: string): void {
    if (this.#state === 'syn-sent') this.#die(code);
  }

  handleTimeout(nowMs: number): void {
    if (this.#state === 'gone') return;
    if (nowMs >= this.#endAtMs) {
      this.#die(this.#state === 'syn-received' ? 'ETIMEDOUT' : undefined);
      return;
    }
    if (this.#state === 'syn-sent') {
      if (nowMs >= this.#sender.nextTimeoutMs) this.#repeatSyn(nowMs);
      return;
    }
    if (this.#sender.handleTimeout(nowMs)) {
      this.#die('ETIMEDOUT');
      return;
    }
    if (nowMs >= this.#ackAtMs) this.#mustAck = true;
    if (nowMs >= this.#askAtMs && !this.#ask(nowMs)) {
      this.#die('ETIMEDOUT');
      return;
    }
    this.flush(nowMs);
  }

  /** Sends what may be sent now. To be called when a turn's packets are handled, and after commands. */
  flush(nowMs: number): void {
    if (this.#state === 'gone' || this.#state === 'syn-sent') return;
    if (this.#state !== 'syn-received') {
      this.#sendData(nowMs);
      while (this.#hasMore()) this.#sendData(nowMs);
    }
    if (this.#mustAck || this.#unackedBytes >= ACK_AT_ONCE_BYTES) this.#sendState(nowMs);
    else if (this.#unackedBytes > 0 && this.#ackAtMs === NEVER) this.#ackAtMs = nowMs + ACK_DELAY_MS;
  }

  // --- handling

  /** The resetter has no connection with our ids: it repeats the id and the number of a packet of ours. */
  #handleReset({ ack }: PacketView): void {
    // A STATE carries the number of the packet that comes next.
    const ahead = seqDistance(this.#sender.nextSeq, ack);
    if (ahead > 0 || ahead < -MAX_FLIGHT_PACKETS) return;
    this.#die(this.#state === 'syn-sent' ? 'ECONNREFUSED' : 'ECONNRESET');
  }

  /** Our answer got lost; a SYN in the middle of a connection is an old one. */
  #handleSyn(): void {
    if (this.#state === 'syn-received') this.#mustAck = true;
  }

  #handleAnswer(packet: PacketView, nowMs: number): void {
    // Payload that overtook the answer will be sent again.
    if (packet.type !== ST_STATE || packet.ack !== this.#firstSeq) return;
    const receive = packet.connectionId;
    this.#ids = { receive, send: (receive + 1) & 0xffff };
    this.#sender.sendId = this.#ids.send;
    this.#inbox = new Inbox(packet.seq - 1, (payload) => this.#events.onBytes(payload));
    this.#delays.handlePacket(packet, nowMs);
    this.#noteSize(packet);
    this.#sender.handleAck(packet, nowMs);
    this.#open(nowMs);
  }

  #handleOpen(packet: PacketView, nowMs: number): void {
    const inbox = this.#inbox as Inbox;
    if (!this.#sender.isSane(packet.ack)) return;
    // Only who got our answer knows its number.
    if (this.#state === 'syn-received' && packet.ack !== ((this.#firstSeq - 1) & 0xffff)) return;
    this.#delays.handlePacket(packet, nowMs);
    this.#sender.handleAck(packet, nowMs);
    if (this.#state === 'syn-received') this.#open(nowMs);
    this.#liveness.handleHeard(packet.payloadAt < packet.bytes.length, nowMs);
    if (packet.type === ST_FIN) {
      inbox.handleFin(packet.seq);
      this.#mustAck = true;
    } else if (packet.type !== ST_STATE) this.#handleData(packet, inbox);
    if (inbox.isAtEnd) this.#handleEnd(nowMs);
    if (this.#sender.isFinSent && this.#sender.isAllAcked) this.#handleAllAcked(nowMs);
  }

  #handleData(packet: PacketView, inbox: Inbox): void {
    const { hasGap } = inbox;
    const payload = packet.bytes.subarray(packet.payloadAt);
    const wasOfUse = inbox.handleData(packet.seq, payload);
    this.#unackedBytes += payload.length;
    // The sender finds out about losses and repeats from acks that come at once.
    if (!wasOfUse || hasGap || inbox.hasGap || payload.length === 0) this.#mustAck = true;
  }

  #open(nowMs: number): void {
    this.#state = 'open';
    this.#endAtMs = NEVER;
    this.#liveness.start(nowMs);
    this.#events.onOpen();
  }

  /** All that the peer had to say was handed on. */
  #handleEnd(nowMs: number): void {
    this.#closeAbove(undefined);
    if (this.#state === 'open') this.#startClosing(nowMs);
  }

  /** Our end has arrived. A later end of the peer's meets a stranger, who resets, which is an end as well. */
  #handleAllAcked(nowMs: number): void {
    const waitMs = this.#inbox?.isAtEnd === true ? 0 : LAST_FIN_MS;
    this.#endAtMs = Math.min(this.#endAtMs, nowMs + waitMs);
  }

  #noteSize({ largestDatagram }: PacketView): void {
    if (this.#options.isLoopback && largestDatagram > 0) this.#sender.raiseCeiling(largestDatagram);
  }

  // --- sending

  /**
   * BEP 29 would repeat the SYN as it was. libtorrent makes another connection of each that it gets and hears only the latest,
   * while we may take the earlier answer: with ids of its own for each SYN the two ends cannot mean different ones.
   */
  #repeatSyn(nowMs: number): void {
    this.#ids = this.#parts.moreIds?.() ?? this.#ids;
    this.#sendSyn(nowMs);
  }

  #sendSyn(nowMs: number): void {
    const { firstTtl, firstTtlMs = 0, isLoopback } = this.#options;
    this.#sender.sendSyn(this.ids.receive, isLoopback, firstTtl, firstTtlMs, nowMs);
  }

  #sendData(nowMs: number): void {
    const hasSent = this.#sender.sendData(this.#state === 'closing', nowMs);
    // Acks ride along, but of a gap only a STATE can tell.
    if (hasSent && this.#inbox?.hasGap !== true) this.#noteAcked(nowMs);
  }

  /** @returns whether the writer had more, which may leave at once */
  #hasMore(): boolean {
    const before = this.#sender.queuedBytes;
    if (!this.#isDrainDue || before >= LOW_WATER_BYTES || this.#isClosedAbove) return false;
    this.#isDrainDue = false;
    this.#events.onDrain();
    return this.#sender.queuedBytes > before;
  }

  #sendState(nowMs: number): void {
    const isAnswer = this.#state === 'syn-received';
    const header = new Uint8Array(HEADER_BYTES);
    const seq = isAnswer ? this.#firstSeq : this.#sender.nextSeq;
    writeHeader(header, ST_STATE, this.ids.send, seq, this.#fieldsNow(nowMs));
    const mask = this.#inbox?.mask();
    let packet = header;
    if (mask !== undefined) packet = withSack(header, mask);
    else if (isAnswer && this.#options.isLoopback)
      packet = withLargestDatagram(header, LARGEST_DATAGRAM_BYTES);
    this.#send(packet, undefined);
    this.#noteAcked(nowMs);
  }

  /** When the peer is to be asked whether it is there: what is in flight asks by itself. */
  get #askAtMs(): number {
    if (this.#state !== 'open' || !this.#sender.isAllAcked) return NEVER;
    return this.#liveness.dueMs(this.#inbox?.hasGap === true);
  }

  /** What came long ago, once more and empty: nobody takes it for anything, and everybody acks it at once. @returns false: no use */
  #ask(nowMs: number): boolean {
    if (!this.#liveness.ask(nowMs)) return false;
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, ST_DATA, this.ids.send, (this.#sender.nextSeq - 1) & 0xffff, this.#fieldsNow(nowMs));
    this.#send(header, undefined);
    this.#liveness.handleSaid(nowMs);
    return true;
  }

  #noteAcked(nowMs: number): void {
    this.#mustAck = false;
    this.#unackedBytes = 0;
    this.#ackAtMs = NEVER;
    this.#toldWindow = this.#fields.windowBytes;
    this.#liveness.handleSaid(nowMs);
  }

  #fieldsNow(nowMs: number): HeaderFields {
    const fields = this.#fields;
    fields.timestampUs = toMicros(nowMs);
    fields.delayUs = this.#delays.replyUs;
    fields.windowBytes = this.#inbox?.windowBytes ?? RECEIVE_WINDOW_BYTES;
    fields.ack = this.#inbox?.ack ?? 0;
    return fields;
  }

  // --- the end

  #startClosing(nowMs: number): void {
    this.#state = 'closing';
    this.#sender.clear();
    this.#inbox?.discard();
    this.#endAtMs = nowMs + LINGER_MS;
  }

  #die(code: string | undefined): void {
    this.#state = 'gone';
    this.#sender.clear();
    this.#closeAbove(code);
  }

  #closeAbove(code: string | undefined): void {
    if (this.#isClosedAbove) return;
    this.#isClosedAbove = true;
    this.#events.onClose(code);
  }
}
