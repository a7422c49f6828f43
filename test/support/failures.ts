// What failed in a run of several stages, kept so that it can be told once more where everybody looks: at the very end. The output of the
// stages is long, and of a run elsewhere often only its last lines are kept.
import { appendFileSync, readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Names the file that a run of vitest adds its failures to; without it nothing is kept. */
export const FAILURES_VARIABLE = 'TT_TEST_FAILURES';

/** Of one message; the whole of it stands in the output of its stage. */
const MESSAGE_LINES = 3;
const LINE_CHARACTERS = 200;

/** A place, and below it the first lines of what was thrown there. */
export function failureText(place: string, messages: readonly string[]): string {
  const lines = messages
    // Colours of a diff are noise where they are not shown.
    .flatMap((message) => stripVTControlCharacters(message).split('\n'))
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(0, MESSAGE_LINES);
  return [place, ...lines.map((line) => `    ${line}`)]
    .map((line) => (line.length > LINE_CHARACTERS ? `${line.slice(0, LINE_CHARACTERS - 1)}…` : line))
    .join('\n');
}

/** What the runs that were given this file wrote into it, '' when nothing failed. */
export function readFailures(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** A reporter of vitest's: each failure is written at once, so that a run that is killed has told its own too. */
export default class Failures implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state === 'failed')
      this.#keep(`${test.module.relativeModuleId} > ${test.fullName}`, result.errors);
  }

  onTestModuleEnd(module: TestModule): void {
    // What fails outside of a test: the module itself, or a hook of a suite.
    this.#keep(module.relativeModuleId, module.errors());
    for (const suite of module.children.allSuites())
      this.#keep(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors());
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    this.#keep('outside of every test', unhandled);
  }

  #keep(place: string, errors: readonly { readonly message: string }[]): void {
    const file = process.env[FAILURES_VARIABLE];
    if (file === undefined || errors.length === 0) return;
    const text = failureText(
      place,
      errors.map(({ message }) => message),
    );
    appendFileSync(file, `${text}\n`);
  }
}
