// What a connection that came in is: a frame of the relay protocol, or BitTorrent (encrypted or not). Nothing is lost: the bytes
// that were looked at go to whoever takes the stream.
import { concatBytes, EMPTY_BYTES } from '../../base/bytes.ts';
import type { ByteStream, ByteStreamEvents } from '../../transport/byte-stream.ts';
import { decodeFrame, FRAME_BYTES, looksLikeFrame, type RelayFrame } from '../frame.ts';

export interface SortedTo {
  /** Set `stream.events` in here; `rest` are the bytes that came behind the frame. */
  onFrame(stream: ByteStream, frame: RelayFrame, rest: Uint8Array): void;
  /** Set `stream.events` in here; the bytes so far follow at once. */
  onOther(stream: ByteStream): void;
  /** It ended before it had said what it is. */
  onGone(): void;
}

/** @returns what ends the wait, for streams that say nothing: their owner's time-out calls it */
export function sortIncoming(stream: ByteStream, to: SortedTo): () => void {
  let held: Uint8Array = EMPTY_BYTES;
  let isSettled = false;
  const events: ByteStreamEvents = {
    onBytes(bytes) {
      held = held.length === 0 ? bytes : concatBytes([held, bytes]);
      const looks = looksLikeFrame(held);
      if (looks === 'other') {
        isSettled = true;
        to.onOther(stream);
        stream.events.onBytes(held);
        return;
      }
      if (looks === 'frame' && held.length >= FRAME_BYTES) {
        isSettled = true;
        const frame = decodeFrame(held);
        if (frame === undefined) stream.destroy();
        else to.onFrame(stream, frame, held.subarray(FRAME_BYTES));
        return;
      }
      // The read buffer is not ours to keep.
      held = held.slice();
    },
    onDrain() {},
    onClose() {
      isSettled = true;
      to.onGone();
    },
  };
  stream.events = events;
  return () => {
    if (!isSettled) stream.destroy();
  };
}
