// What the terminal can do: whether the full screen will be shown and why not, its size, its colours, its alphabet.
import type { Environment } from '../base/environment.ts';
import { isDumb, localeOf } from '../base/terminal-kind.ts';
import { isCi } from '../output/output.ts';
import { wantsColor } from '../terminal/style.ts';
import { type DoctorContext, type DoctorFact, type DoctorProbe, good, notChecked, note } from './section.ts';

const LEAST_COLUMNS = 80;
const LEAST_ROWS = 24;

type Env = Readonly<Record<string, string | undefined>>;

export interface TerminalFacts {
  readonly env: Env;
  /** stdin and stdout are both one. */
  readonly isTerminal: boolean;
  readonly isErrTerminal: boolean;
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  /** Bits; undefined where it is not known. */
  readonly colorDepth: number | undefined;
  readonly color: 'auto' | 'always' | 'never';
}

function screenFact({ env, isTerminal }: TerminalFacts): DoctorFact {
  const id = 'screen';
  const name = 'Full screen';
  const no = (why: string): DoctorFact =>
    good(id, name, `not here: ${why}; a progress line instead`, { shown: false });
  if (!isTerminal) return no('stdin and stdout are not both a terminal');
  if (isDumb(env)) return no(env['TERM'] === '' ? 'TERM is empty' : `TERM is ${env['TERM']}`);
  if (isCi(env['CI'])) return no('CI is set (--screen shows it all the same)');
  return good(id, name, 'will be shown', { shown: true });
}

function sizeFact({ columns, rows }: TerminalFacts): DoctorFact {
  if (columns === undefined || rows === undefined) return notChecked('size', 'Size', 'stdout is no terminal');
  const data = { columns, rows };
  const value = `${columns} x ${rows}`;
  if (columns >= LEAST_COLUMNS && rows >= LEAST_ROWS) return good('size', 'Size', value, data);
  const advice = `The screen is made for ${LEAST_COLUMNS} x ${LEAST_ROWS} and more: enlarge the window.`;
  return note('size', 'Size', value, advice, data);
}

function colorFact(facts: TerminalFacts): DoctorFact {
  const { env, color, isTerminal, isErrTerminal, colorDepth } = facts;
  const isOn = wantsColor({ choice: color, env, isTty: isTerminal || isErrTerminal });
  const colors = colorDepth === undefined ? '' : `, the terminal has ${2 ** colorDepth} colours`;
  const why =
    color !== 'auto'
      ? `--color ${color}`
      : env['NO_COLOR']
        ? 'NO_COLOR'
        : env['FORCE_COLOR']
          ? 'FORCE_COLOR'
          : isTerminal || isErrTerminal
            ? `TERM ${env['TERM'] ?? 'is not set'}`
            : 'no terminal';
  return good('color', 'Colour', `${isOn ? 'on' : 'off'} (${why})${colors}`, {
    on: isOn,
    depth: colorDepth ?? null,
  });
}

/** The locale by the rules of setlocale(3): the first of these that is set. */
function alphabetFact({ env }: TerminalFacts): DoctorFact {
  const { name, value } = localeOf(env) ?? { name: undefined, value: '' };
  if (/utf-?8/i.test(value)) return good('utf8', 'Characters', `UTF-8 (${name}=${value})`, { locale: value });
  const advice =
    'Graphs are drawn with ASCII and foreign names show as question marks: set LANG, for example to C.UTF-8.';
  const shown = name === undefined ? 'no locale is set' : `${name}=${value}`;
  return note('utf8', 'Characters', shown, advice, { locale: value === '' ? null : value });
}

/** Pure. */
export function terminalFacts(facts: TerminalFacts): DoctorFact[] {
  return [screenFact(facts), sizeFact(facts), colorFact(facts), alphabetFact(facts)];
}

export function terminalProbe(environment: Environment): DoctorProbe {
  return {
    id: 'terminal',
    title: 'Terminal',
    run: async ({ env, settings }: DoctorContext) => {
      const { terminal, stdout, stderr } = environment;
      const facts = terminalFacts({
        env,
        isTerminal: terminal !== undefined,
        isErrTerminal: stderr.isTTY === true,
        columns: stdout.isTTY === true ? stdout.columns : undefined,
        rows: terminal?.stdout.rows,
        colorDepth: terminal?.stdout.getColorDepth(env as Record<string, string>),
        color: settings.color,
      });
      return [{ id: 'terminal', title: 'Terminal', facts }];
    },
  };
}
