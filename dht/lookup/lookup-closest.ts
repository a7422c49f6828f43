// The closest live set of a lookup, built by adding its candidates nearest first. Only nodes that answered as themselves
// count, each subnet once; the dead count only in the policy that does not prune them.
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { LookupPolicy } from '../base/options.ts';
import type { Candidate } from './lookup-candidate.ts';

export class ClosestSet {
  readonly #policy: LookupPolicy;
  readonly #needsToken: boolean;
  readonly #dense: number;
  readonly #live: Candidate[] = [];
  /** A handful: a Set costs more. */
  readonly #subnets: (number | string)[] = [];
  /** Places taken by the dead where they are not pruned. */
  #dead = 0;

  /** @param dense how many of the nearest do not count, because they are too many to be honest */
  constructor(policy: LookupPolicy, needsToken: boolean, dense: number) {
    this.#policy = policy;
    this.#needsToken = needsToken;
    this.#dense = dense;
  }

  get isFull(): boolean {
    const { closest, margin } = this.#policy;
    return this.#live.length + this.#dead >= closest + margin + this.#dense;
  }

  /** Candidates come nearest first. @returns true when the set is full and no farther one can matter */
  add(candidate: Candidate): boolean {
    if (this.isFull) return true;
    if (candidate.state === 'failed' && !this.#policy.pruneDead) this.#dead++;
    else if (candidate.state === 'answered' && this.#counts(candidate)) this.#live.push(candidate);
    return this.isFull;
  }

  #counts(candidate: Candidate): boolean {
    if (!candidate.isValid || (this.#needsToken && candidate.token === undefined)) return false;
    if (!this.#policy.restrictAddresses) return true;
    const key = subnetKey(candidate.address);
    if (this.#subnets.includes(key)) return false;
    this.#subnets.push(key);
    return true;
  }

  /** As fractions of the id space, nearest first. */
  distances(target: Id160): number[] {
    return this.#live.map((candidate) => (candidate.id as Id160).distanceFraction(target));
  }

  /** The nearest; after a dense start as many from beyond it as well, so that an announce survives an eclipse. */
  result(): readonly Candidate[] {
    const { closest } = this.#policy;
    if (this.#dense === 0) return this.#live.slice(0, closest);
    const near = this.#live.slice(0, Math.min(closest, this.#dense));
    return [...near, ...this.#live.slice(this.#dense, this.#dense + closest)];
  }
}

/** /24 or /64; on local networks the endpoint, since all share one there. */
function subnetKey(address: DhtAddress): number | string {
  if (address.scope !== 'global') return address.hostKey;
  return address.family === 4 ? address.w0 >>> 8 : address.hostKey;
}
