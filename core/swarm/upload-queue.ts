// The requests of one peer that wait for the line, in order. A ring that grows to its bound and allocates nothing after.

const INITIAL_CAPACITY = 32;

export interface UploadRequest {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

export class UploadQueue {
  /** Triples: piece, begin, length. */
  #ring = new Int32Array(0);
  #head = 0;
  #count = 0;

  get size(): number {
    return this.#count;
  }

  push(piece: number, begin: number, length: number): void {
    if (this.#count * 3 === this.#ring.length) this.#grow();
    this.#write(this.#count, piece, begin, length);
    this.#count++;
  }

  shift(): UploadRequest | undefined {
    if (this.#count === 0) return undefined;
    const at = this.#place(0);
    const request = {
      piece: this.#ring[at] as number,
      begin: this.#ring[at + 1] as number,
      length: this.#ring[at + 2] as number,
    };
    this.#head = (this.#head + 3) % this.#ring.length;
    this.#count--;
    return request;
  }

  /** @returns whether it was there */
  remove(piece: number, begin: number, length: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      const at = this.#place(i);
      if (this.#ring[at] !== piece || this.#ring[at + 1] !== begin || this.#ring[at + 2] !== length) continue;
      for (let j = i + 1; j < this.#count; j++) {
        const from = this.#place(j);
        this.#write(
          j - 1,
          this.#ring[from] as number,
          this.#ring[from + 1] as number,
          this.#ring[from + 2] as number,
        );
      }
      this.#count--;
      return true;
    }
    return false;
  }

  /** Takes out, in order, every request for which `keep` is false and hands it to `dropped`. */
  filter(
    keep: (piece: number) => boolean,
    dropped: (piece: number, begin: number, length: number) => void,
  ): void {
    const count = this.#count;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const at = this.#place(i);
      const piece = this.#ring[at] as number;
      const begin = this.#ring[at + 1] as number;
      const length = this.#ring[at + 2] as number;
      if (keep(piece)) this.#write(kept++, piece, begin, length);
      else dropped(piece, begin, length);
    }
    this.#count = kept;
  }

  clear(): void {
    this.#count = 0;
    this.#head = 0;
  }

  #place(index: number): number {
    return (this.#head + index * 3) % this.#ring.length;
  }

  #write(index: number, piece: number, begin: number, length: number): void {
    const at = this.#place(index);
    this.#ring[at] = piece;
    this.#ring[at + 1] = begin;
    this.#ring[at + 2] = length;
  }

  #grow(): void {
    const bigger = new Int32Array(this.#ring.length === 0 ? INITIAL_CAPACITY * 3 : this.#ring.length * 2);
    for (let i = 0; i < this.#count; i++) {
      const at = this.#place(i);
      bigger[i * 3] = this.#ring[at] as number;
      bigger[i * 3 + 1] = this.#ring[at + 1] as number;
      bigger[i * 3 + 2] = this.#ring[at + 2] as number;
    }
    this.#ring = bigger;
    this.#head = 0;
  }
}
