// A byte stream with the encryption settled: runs MSE where the policy wants it, then passes plain bytes both ways.
import { EMPTY_BYTES } from '../base/bytes.ts';
import type { Rng } from '../base/clock.ts';
import type { ByteStream, ByteStreamEvents } from './byte-stream.ts';
import { type EncryptionPolicy, MseInitiator, MseResponder, type MseStep, type StreamCipher } from './mse.ts';

export interface SecureStreamEvents {
  /** Plain bytes, in a buffer that is reused after the call. */
  onBytes(bytes: Uint8Array): void;
  onDrain(): void;
  /** Exactly once. */
  onClose(reason: StreamEnd): void;
}

export interface StreamEnd {
  readonly text: string;
  /** It ended before the encryption was settled: an outgoing attempt may try the other way. */
  readonly inNegotiation: boolean;
  /** Of the system or of uTP, where it was not us who ended it. */
  readonly code?: string | undefined;
  /** What came was no negotiation. */
  readonly isOffence?: boolean;
}

export type SecureMode =
  | {
      readonly kind: 'outgoing';
      readonly infoHash: Uint8Array;
      /** false: in the clear from the first byte. */
      readonly encrypt: boolean;
    }
  | {
      readonly kind: 'incoming';
      readonly findTorrent: (skeyHash: string) => Uint8Array | undefined;
    };

export class SecureStream implements ByteStreamEvents {
  readonly stream: ByteStream;
  /** Whether anything was negotiated; the payload may be plain all the same (`cipher`). */
  #cipher: StreamCipher | undefined;
  #machine: MseInitiator | MseResponder | undefined;
  readonly #events: SecureStreamEvents;
  readonly #policy: EncryptionPolicy;
  #isSettled = false;
  #closeText: string | undefined;
  #isClosed = false;
  #isOffence = false;

  constructor(stream: ByteStream, policy: EncryptionPolicy, events: SecureStreamEvents) {
    this.stream = stream;
    this.#policy = policy;
    this.#events = events;
    stream.events = this;
  }

  /** Payload is encrypted (RC4), not only the handshake. */
  get isEncrypted(): boolean {
    return this.#cipher !== undefined;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** @param initialPayload outgoing: our first bytes, which ride along with the negotiation */
  start(mode: SecureMode, initialPayload: Uint8Array, rng: Rng): void {
    if (mode.kind === 'incoming') {
      this.#machine = new MseResponder({ findTorrent: mode.findTorrent, rng, policy: this.#policy });
      return;
    }
    if (!mode.encrypt) {
      this.#isSettled = true;
      this.stream.write(initialPayload);
      return;
    }
    const machine = new MseInitiator({ infoHash: mode.infoHash, rng, policy: this.#policy, initialPayload });
    this.#machine = machine;
    this.stream.write(machine.start());
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#machine !== undefined) {
      this.#take(this.#machine.receive(bytes));
      return;
    }
    this.#cipher?.decrypt(bytes);
    this.#events.onBytes(bytes);
  }

  onDrain(): void {
    this.#events.onDrain();
  }

  onClose(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    const text = this.#closeText ?? code ?? error?.message ?? 'closed by peer';
    this.#events.onClose({ text, inNegotiation: !this.#isSettled, code, isOffence: this.#isOffence });
  }

  /** Takes `bytes` over: they are encrypted in place. */
  write(bytes: Uint8Array): void {
    this.#cipher?.encrypt(bytes);
    this.stream.write(bytes);
  }

  /** `bytes` are shared and stay as they are; `sent` follows when they may change. */
  writeShared(bytes: Uint8Array, sent: (() => void) | undefined): void {
    if (this.#cipher === undefined) {
      this.stream.write(bytes, sent);
      return;
    }
    const copy = bytes.slice();
    sent?.();
    this.#cipher.encrypt(copy);
    this.stream.write(copy);
  }

  close(text: string): void {
    this.#closeText ??= text;
    this.stream.destroy();
  }

  #take(step: MseStep): void {
    switch (step.kind) {
      case 'more':
        if (step.send.length > 0) this.stream.write(step.send);
        return;
      case 'failed':
        this.#machine = undefined;
        this.#isOffence = true;
        this.close(`encryption: ${step.reason}`);
        return;
      case 'plain':
        this.#settle(undefined, step.rest);
        return;
      case 'done':
        if (step.send.length > 0) this.stream.write(step.send);
        this.#settle(step.cipher, step.rest);
    }
  }

  #settle(cipher: StreamCipher | undefined, rest: Uint8Array): void {
    this.#machine = undefined;
    this.#cipher = cipher;
    this.#isSettled = true;
    this.#events.onBytes(rest.length > 0 ? rest : EMPTY_BYTES);
  }
}
