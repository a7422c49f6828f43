// What Ink needs of anything that fills a terminal: rows, a way to hear that they changed, and somewhere to send keys.

export interface DrawnModel {
  /** Ctrl-Z; set once there is a terminal to give back. */
  onSuspend: (() => void) | undefined;
  /** Ctrl-L: draws everything again, wherever somebody else has written meanwhile. */
  onRedraw?: (() => void) | undefined;
  readonly version: () => number;
  readonly subscribe: (listener: () => void) => () => void;
  press(key: string): void;
  paste(text: string): void;
  /** The rows of the terminal, top first. */
  frame(columns: number, rows: number): readonly string[];
}
