// The Ink side of the screen: rows of text that are redrawn when they changed, and keys on their way to the model.

import { toAscii } from '../terminal/ascii.ts';
import type { DrawnModel } from './drawn-model.ts';
import {
  Box,
  memo,
  Text,
  useApp,
  useEffect,
  useInput,
  usePaste,
  useSyncExternalStore,
  useWindowSize,
} from './ink.ts';
import { keyName } from './keys.ts';

/** An empty Text takes no row. */
const EMPTY_ROW = ' ';
/** Nobody types this many characters at once: a terminal that does not mark pasted text sends them so. */
const LEAST_PASTED_CHARS = 8;

/** A key that is held down while we were busy comes as often at once, and is no text. */
function isPasted(input: string): boolean {
  return input.length >= LEAST_PASTED_CHARS && new Set(input).size > 1;
}

const Row = memo(function Row({ text }: { readonly text: string }) {
  return <Text wrap="truncate">{text === '' ? EMPTY_ROW : text}</Text>;
});

export type SuspendTerminal = (whileAway: () => Promise<void>) => Promise<void>;

export interface ScreenProps {
  readonly model: DrawnModel;
  readonly isAscii?: boolean;
  /** Hands out the way to give the terminal back for a while. */
  readonly onReady?: (suspend: SuspendTerminal) => void;
}

export function Screen({ model, isAscii = false, onReady }: ScreenProps) {
  const { columns, rows } = useWindowSize();
  const { exit, suspendTerminal } = useApp();
  useSyncExternalStore(model.subscribe, model.version, model.version);
  useEffect(() => onReady?.(suspendTerminal), [onReady, suspendTerminal]);
  /** A mistake of ours in a key ends the screen, as one in drawing does, and nothing else. */
  const guard = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      exit(error instanceof Error ? error : new Error(String(error)));
    }
  };
  useInput((input, key) =>
    guard(() => {
      if (isPasted(input)) model.paste(input);
      else if (input.length > 1) for (const character of input) model.press(keyName(character, {}));
      else model.press(keyName(input, key));
    }),
  );
  usePaste((text) => guard(() => model.paste(text)));
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      {model.frame(columns, rows).map((text, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row of the screen is its place
        <Row key={row} text={isAscii ? toAscii(text) : text} />
      ))}
    </Box>
  );
}
