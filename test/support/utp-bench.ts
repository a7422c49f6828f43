// One end of uTP connections is the real machine, packet by packet; the other is the test.
import { seededRng } from '../../core/base/clock.ts';
import { UtpMux } from '../../core/transport/utp/mux.ts';
import { emptyView, readPacket, ST_STATE, writeHeader } from '../../core/transport/utp/packet.ts';
import { Told } from '../sim/utp-net.ts';

export const PEER = { host: '192.0.2.7', port: 6881 };
const fieldsOf = (ack: number, windowBytes = 1 << 20) => ({ timestampUs: 1, delayUs: 0, windowBytes, ack });

export function packet(
  type: number,
  id: number,
  seq: number,
  ack: number,
  payload = new Uint8Array(0),
  windowBytes?: number,
): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length);
  writeHeader(bytes, type, id, seq, fieldsOf(ack, windowBytes));
  bytes.set(payload, 20);
  return bytes;
}

/** One side is real, the other is this test. */
export class Bench {
  nowMs = 1_000;
  readonly sent: { bytes: Uint8Array; to: string; ttl: number | undefined }[] = [];
  readonly accepted: Told[] = [];
  readonly mux: UtpMux;

  /** @param wholeBytes what the system sends in one piece; more it cuts */
  constructor(isThisMachine = false, wholeBytes = Number.POSITIVE_INFINITY) {
    this.mux = new UtpMux({
      rng: seededRng(5),
      output: {
        send: (bytes, to, ttl) => this.sent.push({ bytes: bytes.slice(), to: `${to.host} ${to.port}`, ttl }),
        sendProbe: (bytes, to) => {
          this.sent.push({ bytes: bytes.slice(), to: `${to.host} ${to.port}`, ttl: undefined });
          return bytes.length <= wholeBytes;
        },
      },
      isThisMachine: () => isThisMachine,
    });
    this.mux.setAccept((_from, connection) => {
      const told = new Told();
      told.opened = () => {
        told.connection = connection();
        this.accepted.push(told);
      };
      return told;
    });
  }

  give(bytes: Uint8Array, from = PEER): boolean {
    const isUtp = this.mux.handleDatagram(bytes, from, this.nowMs);
    this.mux.flush(this.nowMs);
    return isUtp;
  }

  wait(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const dueMs = this.mux.nextTimeoutMs();
      if (dueMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.mux.handleTimeout(this.nowMs);
    }
    this.nowMs = untilMs;
  }

  /** Types, numbers and sizes of what was sent since the last call. */
  take() {
    return this.sent.splice(0).map(({ bytes, ttl }) => {
      const view = emptyView();
      if (!readPacket(bytes, view)) throw new Error('we sent nonsense');
      return { ...view, size: bytes.length, payload: bytes.slice(view.payloadAt), ttl };
    });
  }

  dialled(): { told: Told; id: number } {
    const told = new Told();
    told.connection = this.mux.dial(PEER, told, {}, this.nowMs);
    const [syn] = this.take();
    const id = syn?.connectionId as number;
    this.give(packet(ST_STATE, id, 500, 1));
    return { told, id };
  }

  write(told: Told, bytes: number): void {
    told.connection?.write(new Uint8Array(bytes), undefined);
    if (told.connection !== undefined) this.mux.touch(told.connection);
    this.mux.flush(this.nowMs);
  }
}
