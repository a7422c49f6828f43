// The screen in Ink on a terminal that remembers: for tests of what is drawn and of the keys that are heard.
import type { DrawnModel } from '../../cli/ui/drawn-model.ts';
import { render } from '../../cli/ui/ink.ts';
import { Screen } from '../../cli/ui/screen.tsx';
import { FakeStdin, FakeStdout } from './screen-rig.ts';
import { waitFor } from './wait.ts';

export const DRAWN_WITHIN_MS = 10_000;

/** Takes the screens of a test off again: `afterEach(() => screens.unmount())`. */
export class InkScreens {
  readonly #unmounts: (() => void)[] = [];

  show(model: DrawnModel, columns: number, rows: number) {
    const stdout = new FakeStdout(columns, rows);
    const stdin = new FakeStdin();
    const instance = render(<Screen model={model} />, {
      stdout: stdout as unknown as NodeJS.WriteStream,
      stdin: stdin as unknown as NodeJS.ReadStream,
      debug: true,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
    });
    this.add(() => instance.unmount());
    return { stdout, stdin, instance };
  }

  /** Something else that is to be taken off. */
  add(unmount: () => void): void {
    this.#unmounts.push(unmount);
  }

  unmount(): void {
    for (const unmount of this.#unmounts.splice(0)) unmount();
  }
}

/** React draws when it finds the time. */
export async function see(stdout: FakeStdout, text: string): Promise<void> {
  await waitFor(() => stdout.text.includes(text), {
    what: () => `${JSON.stringify(text)} on the screen, which is\n${stdout.text}`,
    timeoutMs: DRAWN_WITHIN_MS,
  });
}
