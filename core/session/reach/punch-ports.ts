// TCP ports to punch from. The listening port is of no use: no system lets us dial from a port that somebody listens on. So a
// connection to the relay is opened from a port of its own, the relay says as which port it sees it, and while that connection
// stands the other side's packets find the mapping, and ours leave by it.
import { bytesEqual, concatBytes, EMPTY_BYTES } from '../../base/bytes.ts';
import { type Rng, randomBytes } from '../../base/clock.ts';
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { decodeFrame, encodeFrame, FRAME_BYTES, seenInMirror, TOKEN_BYTES } from '../../relay/frame.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { pause } from '../pauses.ts';

export interface DialFrom {
  /** undefined: the system chooses one that can be dialled from again. */
  readonly localPort: number | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface PunchPortsOptions {
  /** TCP only. */
  readonly dial: (endpoint: Endpoint, from: DialFrom) => Promise<ByteStream>;
  readonly rng: Rng;
  readonly nowMs: () => number;
  /** Whether packets may leave for there; counted. Default always. */
  readonly mayStart?: (target: Endpoint) => boolean;
}

/** Unused for so long: whoever wanted it has a connection, or none. */
const HOLD_MS = 20_000;
const LOOK_TIMEOUT_MS = 4_000;
const MAX_RELAYS = 4;
/** A SYN leaves at once, and after one second and two (Linux, macOS; Windows sends fewer): an introduction costs at most three. */
const PUNCH_TIMEOUT_MS = 2_900;
/** Refused while the first SYN was the only one: a router that resets strangers, or the peer is not there yet. */
const REDIAL_WITHIN_MS = 900;
const REDIAL_AFTER_MS = 100;
/** Two SYNs: with the first they are three. */
const SECOND_TIMEOUT_MS = 1_900;

interface Place {
  readonly given: AbortController;
  readonly port: Promise<number>;
  stream: ByteStream | undefined;
  /** As the relay sees it; undefined: not yet. */
  seen: Endpoint | undefined;
  /** Being punched to. */
  readonly targets: Set<string>;
  /** Holes that opened. */
  readonly opened: Set<string>;
  timer: NodeJS.Timeout | undefined;
}

export class PunchPorts {
  readonly #options: PunchPortsOptions;
  /** By relay. */
  readonly #places = new Map<string, Place>();

  constructor(options: PunchPortsOptions) {
    this.#options = options;
  }

  /** As whom the relay sees the port that we would punch from; undefined while nobody knows. */
  seen(relay: Endpoint): Endpoint | undefined {
    return this.#places.get(endpointKey(relay))?.seen;
  }
  /** 0 while nobody knows. */
  seenPort(relay: Endpoint): number {
    return this.seen(relay)?.port ?? 0;
  }

  /** By relay (endpointKey), at this moment: what a call that leaves now says. */
  seenPorts(): ReadonlyMap<string, number> {
    return new Map([...this.#places].map(([key, { seen }]) => [key, seen?.port ?? 0]));
  }

  /** A connection with that remote is one of our holes: the other side speaks first on it. */
  hasPunched(remote: Endpoint): boolean {
    return [...this.#places.values()].some(({ opened }) => opened.has(endpointKey(remote)));
  }

  /** @returns the port, once it is known. Rejects where the relay shows none. */
  async prepare(relay: Endpoint): Promise<number> {
    const key = endpointKey(relay);
    const known = this.#places.get(key);
    if (known !== undefined) {
      this.#touch(key, known);
      return known.port;
    }
    if (this.#places.size >= MAX_RELAYS) throw new Error('too many ports to punch from');
    const given = new AbortController();
    const place: Place = {
      given,
      // Not before the place stands.
      port: Promise.resolve().then(() => this.#look(relay, key, place)),
      stream: undefined,
      seen: undefined,
      targets: new Set(),
      opened: new Set(),
      timer: undefined,
    };
    this.#places.set(key, place);
    this.#touch(key, place);
    place.port.catch(() => this.#drop(key, place));
    return place.port;
  }

  /** One side of a hole: both must begin at the same time. */
  async punch(relay: Endpoint, target: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const key = endpointKey(relay);
    const place = this.#places.get(key);
    const localPort = place?.stream?.localPort;
    if (place === undefined || localPort === undefined) throw new Error('no port to punch from');
    this.#touch(key, place);
    // Both sides may have called each other: one hole is enough, and one connection is all that two endpoints can have.
    const name = endpointKey(target);
    if (place.targets.has(name)) throw new Error('a hole is being punched there already');
    if (this.#options.mayStart?.(target) === false) throw new Error('too many introductions');
    place.targets.add(name);
    try {
      const stream = await this.#dialTwice(target, localPort, signal);
      place.opened.add(name);
      return stream;
    } finally {
      place.targets.delete(name);
    }
  }

  close(): void {
    for (const [key, place] of [...this.#places]) this.#drop(key, place);
  }

  // --- inside

  async #dialTwice(target: Endpoint, localPort: number, signal: AbortSignal): Promise<ByteStream> {
    const { dial, nowMs } = this.#options;
    const startedMs = nowMs();
    try {
      return await dial(target, { localPort, timeoutMs: PUNCH_TIMEOUT_MS, signal });
    } catch (error) {
      const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      if (!isRefused || signal.aborted || nowMs() - startedMs > REDIAL_WITHIN_MS) throw error;
    }
    await pause(REDIAL_AFTER_MS, signal);
    return dial(target, { localPort, timeoutMs: SECOND_TIMEOUT_MS, signal });
  }

  #look(relay: Endpoint, key: string, place: Place): Promise<number> {
    const { dial, rng } = this.#options;
    const token = randomBytes(rng, TOKEN_BYTES);
    const { signal } = place.given;
    return dial(relay, { localPort: undefined, timeoutMs: LOOK_TIMEOUT_MS, signal }).then(
      (stream) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) {
            stream.destroy();
            reject(new Error('not wanted any more'));
            return;
          }
          let held: Uint8Array = EMPTY_BYTES;
          const timeout = setTimeout(() => stream.destroy(), LOOK_TIMEOUT_MS);
          stream.events = {
            onBytes: (bytes) => {
              held = concatBytes([held, bytes]);
              if (held.length < FRAME_BYTES) return;
              clearTimeout(timeout);
              const frame = decodeFrame(held);
              const seen = frame === undefined ? undefined : seenInMirror(frame);
              if (frame === undefined || seen === undefined || !bytesEqual(frame.token, token)) {
                stream.destroy();
                return;
              }
              held = EMPTY_BYTES;
              place.stream = stream;
              place.seen = seen;
              resolve(seen.port);
            },
            onDrain: () => {},
            onClose: () => {
              clearTimeout(timeout);
              this.#drop(key, place);
              reject(new Error('the relay does not say as whom it sees us'));
            },
          };
          stream.write(encodeFrame('mirror', token));
        }),
    );
  }

  #touch(key: string, place: Place): void {
    clearTimeout(place.timer);
    place.timer = setTimeout(() => this.#drop(key, place), HOLD_MS);
    place.timer.unref();
  }

  #drop(key: string, place: Place): void {
    clearTimeout(place.timer);
    place.given.abort();
    place.seen = undefined;
    place.stream?.destroy();
    if (this.#places.get(key) === place) this.#places.delete(key);
  }
}
