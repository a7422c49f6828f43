// The frames that two introduced peers exchange before anything else: who dials shows the nonce, who accepts shows it back.
// Nothing larger than a handshake is sent to somebody who has not (security rule 4).
import { bytesEqual, EMPTY_BYTES } from '../../base/bytes.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { decodeFrame, encodeFrame, FRAME_BYTES, type FrameKind } from '../frame.ts';

const ANSWER_MS = 4_000;

/** A stream whose first bytes are here already: they are delivered when its new owner has set its events. */
export interface Proven {
  readonly stream: ByteStream;
  /** What came right behind the frame. */
  readonly rest: Uint8Array;
}

/**
 * Shows the nonce to whom we dialled and waits for it to come back.
 * @throws Error when something else comes, nothing, or the end
 */
export function showNonce(
  stream: ByteStream,
  kind: Exclude<FrameKind, 'splice' | 'test'>,
  nonce: Uint8Array,
  sender: Uint8Array,
): Promise<Proven> {
  return new Promise((resolve, reject) => {
    let held = EMPTY_BYTES;
    const fail = (what: string): void => {
      clearTimeout(timer);
      reject(new Error(what));
      stream.destroy();
    };
    const timer = setTimeout(() => fail('the introduced peer does not answer'), ANSWER_MS);
    stream.events = {
      onBytes: (bytes) => {
        const all = new Uint8Array(held.length + bytes.length);
        all.set(held);
        all.set(bytes, held.length);
        held = all;
        if (held.length < FRAME_BYTES) return;
        const frame = decodeFrame(held);
        if (frame === undefined || frame.kind !== kind || !bytesEqual(frame.token, nonce)) {
          fail('it is not the peer that we were introduced to');
          return;
        }
        clearTimeout(timer);
        const rest = held.subarray(FRAME_BYTES);
        holdUntilOwned(stream);
        resolve({ stream, rest });
      },
      onDrain: () => {},
      onClose: (error) => {
        clearTimeout(timer);
        reject(error ?? new Error('the introduced peer hung up'));
      },
    };
    stream.write(encodeFrame(kind, nonce, sender));
  });
}

/** Answers a frame that came in. */
export function answerNonce(
  stream: ByteStream,
  kind: Exclude<FrameKind, 'splice' | 'test'>,
  nonce: Uint8Array,
  sender: Uint8Array,
): void {
  stream.write(encodeFrame(kind, nonce, sender));
}

/** Between the proof and its new owner a stream is paused; whoever takes it resumes it. */
function holdUntilOwned(stream: ByteStream): void {
  stream.pause();
}
