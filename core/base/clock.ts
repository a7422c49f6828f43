// Time and chance as values, so that pure code never reads either. Shells own the real ones; tests own virtual ones.

/** Monotonic milliseconds; only differences mean anything. */
export interface Clock {
  nowMs(): number;
}

/** Uniform in [0, 1). Everything random in pure code comes from one of these. */
export interface Rng {
  next(): number;
}

/** @returns an integer in [0, bound) */
export function randomInt(rng: Rng, bound: number): number {
  return Math.floor(rng.next() * bound);
}

/** Fisher-Yates, in place. */
export function shuffle<T>(rng: Rng, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomInt(rng, i + 1);
    const held = items[i] as T;
    items[i] = items[j] as T;
    items[j] = held;
  }
  return items;
}

export function randomBytes(rng: Rng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = randomInt(rng, 256);
  return bytes;
}

/** sfc32 (Chris Doty-Humphrey, PractRand): small, fast, good enough for simulations; never for secrets. */
export function seededRng(seed: number): Rng {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return { next };
}
