// How much is wanted, and how much of that is missing still: in pieces and in bytes.

export class Needs {
  /** Pieces of priority above 0. */
  wantedCount = 0;
  wantedBytes = 0;
  /** Of these: not verified. */
  neededCount = 0;
  neededBytes = 0;

  addWanted(sign: 1 | -1, bytes: number): void {
    this.wantedCount += sign;
    this.wantedBytes += sign * bytes;
  }

  addNeeded(sign: 1 | -1, bytes: number): void {
    this.neededCount += sign;
    this.neededBytes += sign * bytes;
  }

  isSame(other: Needs): boolean {
    return (
      this.wantedCount === other.wantedCount &&
      this.wantedBytes === other.wantedBytes &&
      this.neededCount === other.neededCount &&
      this.neededBytes === other.neededBytes
    );
  }
}
