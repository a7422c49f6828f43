// Memory that is in use: what is left when garbage has been collected. Without that a bound on memory would be a bound on the
// mood of the collector.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes on the heap and in array buffers that somebody still holds. */
export function liveBytes(): number {
  // Array buffers go when the collection that found them dead has been swept: the second waits for that.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
