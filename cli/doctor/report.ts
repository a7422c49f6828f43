// The page of `tt doctor`: sections of facts, each with its mark, what hurts with what to do about it; the same as JSON. Pure.
import type { ExitReason } from '../base/exit-codes.ts';
import { worstReason } from '../base/exit-codes.ts';
import type { Failure } from '../base/outcome.ts';
import type { Style } from '../terminal/style.ts';
import { padEnd, safeText, textWidth } from '../terminal/text.ts';
import { formatCount } from '../terminal/units.ts';
import type { DoctorFact, DoctorSection, DoctorStatus } from './section.ts';

/** Told by words, not by colour. */
const MARKS: Readonly<Record<DoctorStatus, string>> = {
  good: 'ok',
  note: 'note',
  bad: 'BAD',
  'not-checked': '-',
};
const MARK_COLUMNS = 4;
const LEAST_VALUE_COLUMNS = 20;

function paint(status: DoctorStatus, text: string, style: Style): string {
  if (status === 'good') return style.green(text);
  if (status === 'note') return style.yellow(text);
  return status === 'bad' ? style.red(text) : style.dim(text);
}

/** Breaks at spaces; a longer word keeps its line to itself. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function factLines(fact: DoctorFact, nameColumns: number, columns: number, style: Style): string[] {
  const indent = 2 + MARK_COLUMNS + 2 + nameColumns + 2;
  const room = Math.max(LEAST_VALUE_COLUMNS, columns - indent);
  const prefix = fact.status === 'not-checked' ? 'not checked: ' : '';
  const value = wrapText(prefix + safeText(fact.value), room);
  const advice = fact.advice === undefined ? [] : wrapText(safeText(fact.advice), room - 2);
  const mark = paint(fact.status, padEnd(MARKS[fact.status], MARK_COLUMNS), style);
  const blank = ' '.repeat(indent);
  const said = fact.status === 'not-checked' ? value.map((line) => style.dim(line)) : value;
  return [
    `  ${mark}  ${padEnd(fact.name, nameColumns)}  ${said[0]}`,
    ...said.slice(1).map((line) => blank + line),
    ...advice.map((line, i) => `${blank}${i === 0 ? '> ' : '  '}${line}`),
  ];
}

/** The whole page. @param columns the width to break lines at */
export function doctorText(sections: readonly DoctorSection[], columns: number, style: Style): string {
  const facts = sections.flatMap((section) => section.facts);
  const nameColumns = facts.reduce((widest, { name }) => Math.max(widest, textWidth(name)), 0);
  const lines = sections.flatMap((section) => [
    style.bold(section.title),
    ...section.facts.flatMap((fact, i) => {
      // Four ports that are not forwarded need the same thing done: said once, below the last of them.
      const { advice, ...rest } = fact;
      const isSaidNext = advice === undefined || section.facts[i + 1]?.advice === advice;
      return factLines(isSaidNext ? rest : fact, nameColumns, columns, style);
    }),
    '',
  ]);
  return [...lines, summaryLine(facts)].join('\n');
}

function countOf(facts: readonly DoctorFact[], status: DoctorStatus): number {
  return facts.filter((fact) => fact.status === status).length;
}

function summaryLine(facts: readonly DoctorFact[]): string {
  const bad = countOf(facts, 'bad');
  const notes = countOf(facts, 'note');
  const unchecked = countOf(facts, 'not-checked');
  const parts = [
    ...(bad > 0 ? [formatCount(bad, 'thing hurts', 'things hurt')] : ['nothing hurts']),
    ...(notes > 0 ? [`${notes} to know`] : []),
    ...(unchecked > 0 ? [`${unchecked} not checked`] : []),
  ];
  return parts.join(', ');
}

/** The worst thing found decides: `network`, `disk`, or `done`. */
export function doctorReason(sections: readonly DoctorSection[]): ExitReason {
  const reasons = sections.flatMap(({ facts }) => facts.map(({ reason }) => reason));
  return worstReason(reasons.filter((reason) => reason !== undefined));
}

/** The first of the worst, for who reads only that; undefined where nothing hurts. */
export function doctorFailure(sections: readonly DoctorSection[]): Failure | undefined {
  const reason = doctorReason(sections);
  const bad = sections.flatMap(({ facts }) => facts.filter((fact) => fact.reason !== undefined));
  const worst = bad.find((fact) => fact.reason === reason);
  if (worst === undefined) return undefined;
  const others = bad.length === 1 ? '' : ` (and ${bad.length - 1} more)`;
  const message = `${worst.name}: ${worst.value}${others}`;
  return { reason, message, hint: worst.advice, code: undefined, stack: undefined };
}

export function doctorJson(sections: readonly DoctorSection[]): Readonly<Record<string, unknown>> {
  const facts = sections.flatMap((section) => section.facts);
  return {
    counts: {
      good: countOf(facts, 'good'),
      note: countOf(facts, 'note'),
      bad: countOf(facts, 'bad'),
      notChecked: countOf(facts, 'not-checked'),
    },
    sections: sections.map((section) => ({
      id: section.id,
      title: section.title,
      facts: section.facts.map(({ data, ...fact }) => ({ ...fact, ...(data === undefined ? {} : { data }) })),
    })),
  };
}
