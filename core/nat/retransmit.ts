// When a datagram to the gateway is sent again: the schedules of RFC 6887 (8.1.1) and RFC 6886 (3.1), and whether an epoch says that
// the gateway has lost its table. Pure.
import type { Rng } from '../base/clock.ts';

const PCP_FIRST_MS = 3_000;
const PCP_CEILING_MS = 1_024_000;
/** Up to so much of the delay is added or taken away. */
const PCP_JITTER = 0.1;
const NAT_PMP_FIRST_MS = 250;
const NAT_PMP_TRIES = 9;

/**
 * How long to wait after each sending.
 * @param tries RFC 6887 sets no limit; a gateway that is silent for as long as a few of them does not speak it
 */
export function pcpDelaysMs(rng: Rng, tries: number): number[] {
  const delays: number[] = [];
  let delayMs = 0;
  for (let i = 0; i < tries; i++) {
    const spread = 1 + (rng.next() * 2 - 1) * PCP_JITTER;
    delayMs = Math.min(PCP_CEILING_MS, i === 0 ? PCP_FIRST_MS * spread : delayMs * (1 + spread));
    delays.push(Math.round(delayMs));
  }
  return delays;
}

export function natPmpDelaysMs(tries = NAT_PMP_TRIES): number[] {
  return Array.from({ length: Math.min(tries, NAT_PMP_TRIES) }, (_, i) => NAT_PMP_FIRST_MS * 2 ** i);
}

/** One gateway's epochs (RFC 6887 section 8.5; RFC 6886 section 3.6 is the same thought). */
export class EpochWatch {
  #last: { readonly epochSec: number; readonly atSec: number } | undefined;

  /** @returns true when the gateway has lost what it had granted since the last answer */
  handleEpoch(epochSec: number, nowMs: number): boolean {
    const atSec = nowMs / 1000;
    const last = this.#last;
    this.#last = { epochSec, atSec };
    if (last === undefined) return false;
    // Answers may overtake each other by a second.
    if (epochSec + 1 < last.epochSec) return true;
    const serverSec = epochSec - last.epochSec;
    const clientSec = atSec - last.atSec;
    // Clocks that run a sixteenth apart, and two seconds for rounding.
    return clientSec + 2 < serverSec - serverSec / 16 || serverSec + 2 < clientSec - clientSec / 16;
  }

  forget(): void {
    this.#last = undefined;
  }
}
