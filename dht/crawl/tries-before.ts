// Tries that an interrupted run had used: they count. Whose answer may have come while nobody was there to hear it is asked once
// more; who had been silent through all of it, late answers included, is not.
import type { ProbePolicy } from './prober.ts';

export class TriesBefore {
  readonly #sent = new Map<number, { readonly tries: number; readonly atMs: number }>();
  /** The last moment of which the interrupted run has left a trace. */
  #lastMs = 0;

  heard(atMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, atMs);
  }

  sent(node: number, tries: number, atMs: number): void {
    this.heard(atMs);
    this.#sent.set(node, { tries, atMs });
  }

  forget(node: number): void {
    this.#sent.delete(node);
  }

  of(node: number): number {
    return this.#sent.get(node)?.tries ?? 0;
  }

  /** After the last record. */
  settle({ tries: most, lateMs }: ProbePolicy): void {
    for (const [node, { tries, atMs }] of this.#sent)
      if (tries >= most && this.#lastMs - atMs < lateMs) this.#sent.set(node, { tries: most - 1, atMs });
  }
}
