// Whether anybody came in from outside, kept for `tt doctor`: the one thing a program cannot find out by asking itself.
// One small file in the state folder, counts only.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isLocalAddress, isLoopbackAddress } from '../../core/base/local-address.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';

export interface Reachability {
  readonly atUnixMs: number;
  /** How long the session ran. */
  readonly elapsedMs: number;
  readonly ports: readonly number[];
  readonly incomingCount: number;
  /** Peers that came in from a public address, as far as they were seen. */
  readonly fromOutside: number;
}

const FILE_NAME = 'reachability.json';
/** Ours has 200. */
const MOST_BYTES = 4_096;
const MOST_PORTS = 8;
/** Counting stops here: that is reachable enough. */
const MOST_COUNTED = 1_000;

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** Gathers from pictures of the session. */
export class ReachabilityWatch {
  readonly #startedAtMs: number;
  readonly #seen = new Set<string>();

  constructor(nowMs: number) {
    this.#startedAtMs = nowMs;
  }

  update({ torrents }: SessionSnapshot): void {
    for (const { peers } of torrents) {
      for (const { address, isIncoming } of peers) {
        if (isIncoming && this.#seen.size < MOST_COUNTED && !isLocalAddress(hostOf(address))) {
          this.#seen.add(hostOf(address));
        }
      }
    }
  }

  /** undefined when nothing listened, or nothing that anybody outside could have found. */
  result(snapshot: SessionSnapshot, nowMs: number, nowUnixMs: number): Reachability | undefined {
    this.update(snapshot);
    const ports = [...new Set(snapshot.listen.map(({ port }) => port))].slice(0, MOST_PORTS);
    if (ports.length === 0 || snapshot.listen.every(({ host }) => isLoopbackAddress(host))) return undefined;
    return {
      atUnixMs: nowUnixMs,
      elapsedMs: Math.round(nowMs - this.#startedAtMs),
      ports,
      incomingCount: Math.max(0, ...snapshot.listen.map(({ incomingCount }) => incomingCount)),
      fromOutside: this.#seen.size,
    };
  }
}

/** A session must not fail for it. */
export async function writeReachability(stateDir: string, reachability: Reachability): Promise<void> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await writeFile(path.join(stateDir, FILE_NAME), `${JSON.stringify(reachability)}\n`, { mode: 0o600 });
  } catch {
    // A full or read-only disk: the doctor will say "not checked".
  }
}

/** @returns undefined when there is none, or it is not ours */
export async function readReachability(stateDir: string): Promise<Reachability | undefined> {
  try {
    const text = await readFile(path.join(stateDir, FILE_NAME), 'utf8');
    if (text.length > MOST_BYTES) return undefined;
    const found = JSON.parse(text) as Partial<Record<keyof Reachability, unknown>>;
    const numbers = [found.atUnixMs, found.elapsedMs, found.incomingCount, found.fromOutside];
    const areNumbers = numbers.every((value) => Number.isSafeInteger(value) && (value as number) >= 0);
    const { ports } = found;
    if (!areNumbers || !Array.isArray(ports) || !ports.every(Number.isSafeInteger)) return undefined;
    return found as Reachability;
  } catch {
    return undefined;
  }
}
