// What a lookup is told: what to ask for, and where to begin.
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import type { Composer } from '../krpc/krpc-compose.ts';
import type { QueryFrame } from '../krpc/queries.ts';
import type { Candidate } from './lookup-candidate.ts';

/** What a lookup asks for. */
export interface LookupTask {
  /** Only nodes that gave a write token count among the closest. */
  readonly needsToken: boolean;
  compose(out: Composer, frame: QueryFrame, tid: Uint8Array): Uint8Array;
  /** A valid reply. @returns how many values it gave */
  handleReply(message: KrpcMessage, from: Candidate, nowMs: number): number;
}

export interface StartNode {
  readonly id: Id160 | undefined;
  readonly address: DhtAddress;
  readonly roundTripMs: number;
  readonly origin: 'table' | 'cache' | 'given';
}
