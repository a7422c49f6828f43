// Copies of datagrams for the time that the system needs them, without an allocation for each: a few buffers in turn. They are
// used again when the system has all of them, which is nearly always at once; otherwise others take their place.

/** No KRPC message is longer (BEP 32). */
const SLOT_BYTES = 1024;
const SLOTS = 8;

export class SendPool {
  readonly #isAllSent: () => boolean;
  #bytes = new Uint8Array(SLOTS * SLOT_BYTES);
  /** By slot and length: making a view costs more than the copy. */
  #views: (Uint8Array | undefined)[] = Array.from({ length: SLOTS * (SLOT_BYTES + 1) });
  #next = 0;

  /** @param isAllSent has the system taken everything that it was given? Asked once in SLOTS datagrams */
  constructor(isAllSent: () => boolean) {
    this.#isAllSent = isAllSent;
  }

  /** The same bytes, unchanged until the system has them; the next thing done with them must be to give them to it. */
  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > SLOT_BYTES) return Buffer.from(bytes);
    if (this.#next === SLOTS) this.#begin();
    const slot = this.#next++;
    const place = slot * (SLOT_BYTES + 1) + length;
    let view = this.#views[place];
    if (view === undefined) {
      view = this.#bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length);
      this.#views[place] = view;
    }
    view.set(bytes);
    return view;
  }

  #begin(): void {
    this.#next = 0;
    if (this.#isAllSent()) return;
    this.#bytes = new Uint8Array(SLOTS * SLOT_BYTES);
    this.#views.fill(undefined);
  }
}
