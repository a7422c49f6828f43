// The question "as whom do you see me?", put to strangers from our own UDP port; the DHT's nodes answer it (BEP 42 `ip`). Pure.
import type { Endpoint } from '../base/endpoint.ts';

export interface Reflection {
  /** How many were asked; 0: there is nobody to ask yet. */
  readonly asked: number;
  /** How many answered, whether or not they said how they see us. */
  readonly answered: number;
  readonly seen: readonly { readonly by: string; readonly as: Endpoint }[];
}

/** Asks some strangers in different networks. Never rejects. */
export type AskReflection = (family: 4 | 6) => Promise<Reflection>;
