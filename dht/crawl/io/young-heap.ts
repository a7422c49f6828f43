// What a crawl makes for a visit is garbage a moment later. Left alone, V8 gives such young objects up to 128 MB before it looks for
// garbage among them: a fifth of what a crawl of ten million nodes may take, for no speed that could be measured.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Both halves of the space: of these few survive, as with many more. */
const ENOUGH_BYTES = 8 << 20;

let isBound = false;

/** Bytes that young objects have; undefined where V8 does not say. */
export function youngHeapBytes(): number | undefined {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size;
}

/** Called now and then: once the space is large enough, it grows no more for the rest of the process. */
export function boundYoungHeap(): void {
  if (isBound || (youngHeapBytes() ?? 0) < ENOUGH_BYTES) return;
  isBound = true;
  // Each step would be twice as large as the one before; it is read at each step, so that it may change while the program runs.
  setFlagsFromString('--semi-space-growth-factor=1');
}
