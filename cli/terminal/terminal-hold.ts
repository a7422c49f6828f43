// Who has the terminal. There is one terminal in a process, and a crash anywhere must be able to give it back before it speaks.

let releaseHeld: (() => void) | undefined;

/** @param release gives the terminal back; undefined: nobody holds it any more */
export function holdTerminal(release: (() => void) | undefined): void {
  releaseHeld = release;
}

/** The terminal as it was found, whoever had it. */
export function restoreTerminal(): void {
  const release = releaseHeld;
  releaseHeld = undefined;
  release?.();
}
