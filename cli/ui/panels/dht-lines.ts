// The DHT node in some lines: how many nodes answer, how deep the table goes, what is asked, and round trips over time.
import type { DhtPicture } from '../../../core/base/peer-source.ts';
import { brailleArea, sparkline, VALUES_PER_CELL } from '../../terminal/charts.ts';
import { formatCount } from '../../terminal/units.ts';
import type { RoundTripHistory } from '../history.ts';
import { cell, type Line, labelled, span, valueColumns } from '../styled.ts';

const VALUE_COLUMNS = 18;
const CHART_ROWS = 4;
/** From here on a chart has room beside the table of sources. */
const CHART_FROM_ROWS = 24;

const ms = (value: number): string => `${Math.round(value)} ms`;

/** On one line where it fits, else one a family. */
function nodeTexts({ families, isOffline }: DhtPicture, columns: number): string[] {
  const told = families.map(
    ({ family, good, nodes, depth }) => `IPv${family} ${good} of ${nodes} nodes good, ${depth} bits deep`,
  );
  const all = [...told, ...(isOffline ? ['nobody answers: offline?'] : [])];
  const joined = all.join('; ');
  return joined.length <= columns ? [joined] : all;
}

function chart(history: RoundTripHistory, width: number): Line[] {
  const columns = valueColumns(width) - VALUE_COLUMNS;
  const shown = history.high.slice(-columns * VALUES_PER_CELL);
  const top = shown.reduce((most, value) => Math.max(most, value), 0);
  return brailleArea(shown, columns, CHART_ROWS, top).map((drawn, i) =>
    labelled(
      '',
      span('rare', drawn),
      span('dim', cell(i === 0 && top > 0 ? `top ${ms(top)}` : '', VALUE_COLUMNS, 'right')),
    ),
  );
}

/** @param height of the whole panel: a chart only where there is room */
export function dhtLines(
  dht: DhtPicture | undefined,
  history: RoundTripHistory,
  width: number,
  height: number,
): Line[] {
  if (dht === undefined) return [labelled('DHT', span('dim', 'no node is running'))];
  const { roundTripP10Ms, roundTripP90Ms, queriesOut, timeouts, outstanding, lookups, queriesIn } = dht;
  const lost = queriesOut === 0 ? '' : `, ${((100 * timeouts) / queriesOut).toFixed(1)}% lost`;
  const asked = `${formatCount(lookups, 'lookup')}, ${queriesOut} asked${lost}, ${outstanding} in flight; ${queriesIn} asked us`;
  const lines: Line[] = [
    ...nodeTexts(dht, valueColumns(width)).map((text, i) =>
      labelled(i === 0 ? 'DHT' : '', dht.isOffline ? span('warn', text) : text),
    ),
    labelled('', asked),
  ];
  if (roundTripP10Ms === undefined || roundTripP90Ms === undefined) return lines;
  const range = `${ms(roundTripP10Ms)} to ${ms(roundTripP90Ms)}`;
  if (height >= CHART_FROM_ROWS) {
    return [
      ...lines,
      labelled('round trips', range, span('dim', ' (1 in 10 is quicker, 1 in 10 slower)')),
      ...chart(history, width),
    ];
  }
  const columns = Math.max(0, valueColumns(width) - range.length - 2);
  return [...lines, labelled('round trips', range, '  ', span('rare', sparkline(history.high, columns)))];
}
