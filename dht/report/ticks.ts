// Where an axis has its ticks, and what stands beside them: round numbers of the axis's own unit. Pure.

export type Unit = 'count' | 'number' | 'share' | 'time' | 'hour';
export type Scale = 'linear' | 'log';

export interface Tick {
  readonly value: number;
  /** Empty: a mark without a number. */
  readonly label: string;
}

const SECOND_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];
const HOUR_STEPS = [1, 2, 3, 6, 12, 24];
const THIN_SPACE = '\u2009';

/** The step of a linear axis that gives at most `most` gaps: 1, 2 or 5 times a power of ten, or a round time. */
export function stepOf(span: number, most: number, unit: Unit): number {
  const least = span / Math.max(1, most);
  const steps = unit === 'time' ? SECOND_STEPS : unit === 'hour' ? HOUR_STEPS : undefined;
  const listed = steps?.find((step) => step >= least);
  if (listed !== undefined) return listed;
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((each) => each * power >= least * (1 - 1e-9)) as number;
  return factor * power;
}

/** Ticks of a linear axis; the ends are multiples of the step that hold [low, high]. */
export function linearTicks(low: number, high: number, most: number, unit: Unit): Tick[] {
  const step = stepOf(high > low ? high - low : Math.abs(low) || 1, most, unit);
  const whole = unit === 'count' && step < 1 ? 1 : step;
  const first = Math.floor(low / whole + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / whole - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => {
    // Of whole numbers: sums of fractions drift.
    const value = Number(((first + i) * whole).toPrecision(12));
    return { value, label: formatTick(value, unit, whole) };
  });
}

/** Few powers of ten: 2 and 5 have numbers as well. */
const CLOSE_POWERS = 2.5;

/** Ticks of a logarithmic axis: numbers at 1, 2 and 5 or at powers of ten only, bare marks between where there is room. */
export function logTicks(low: number, high: number, unit: Unit): Tick[] {
  const powers = Math.log10(Math.max(high, low * 1.01) / low);
  const isClose = powers <= CLOSE_POWERS;
  const labelled = isClose ? [1, 2, 5] : [1];
  const every = Math.ceil(powers / 8);
  const all: Tick[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++) {
    for (let digit = 1; digit <= 9; digit++) {
      const hasLabel = labelled.includes(digit) && power % every === 0;
      if (!hasLabel && powers > 5 && digit > 1) continue;
      const value = Number(`${digit}e${power}`);
      all.push({ value, label: hasLabel ? formatTick(value, unit, 10 ** power) : '' });
    }
  }
  // From the last labelled one at or below the lowest value to the first at or above the highest.
  const first = all.findLastIndex(({ value, label }) => label !== '' && value <= low * (1 + 1e-9));
  const last = all.findIndex(
    ({ value, label }, i) => label !== '' && i > first && value >= high * (1 - 1e-9),
  );
  return all.slice(Math.max(0, first), last < 0 ? undefined : last + 1);
}

/** @param step distance of the ticks: as many decimals as tell them apart */
export function formatTick(value: number, unit: Unit, step: number): string {
  if (unit === 'share') return `${plain(value * 100, step * 100)}${THIN_SPACE}%`;
  if (unit === 'time') return formatSeconds(value);
  return plain(value, step);
}

function plain(value: number, step: number): string {
  const size = Math.abs(value);
  if (size >= 1e6 && step >= 1e4) {
    const [divisor, letter] = size >= 1e9 ? [1e9, 'G'] : [1e6, 'M'];
    return `${Number((value / divisor).toPrecision(6))}${THIN_SPACE}${letter}`;
  }
  const decimals = Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9)));
  const [whole, fraction] = size.toFixed(decimals).split('.') as [string, string | undefined];
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  const sign = value < 0 ? '−' : '';
  return `${sign}${grouped}${fraction === undefined ? '' : `.${fraction}`}`;
}

/** `0`, `30 s`, `5 min`, `1 h 30`, `2 d`. */
export function formatSeconds(seconds: number): string {
  const round = (value: number): number => Number(value.toPrecision(4));
  if (seconds === 0) return '0';
  if (seconds < 1) return `${round(seconds * 1000)}${THIN_SPACE}ms`;
  if (seconds < 60) return `${round(seconds)}${THIN_SPACE}s`;
  if (seconds < 3600) return `${round(seconds / 60)}${THIN_SPACE}min`;
  if (seconds < 86_400 && seconds % 3600 !== 0) {
    const minutes = Math.round((seconds % 3600) / 60);
    return `${Math.floor(seconds / 3600)}${THIN_SPACE}h${THIN_SPACE}${String(minutes).padStart(2, '0')}`;
  }
  return seconds < 86_400 ? `${seconds / 3600}${THIN_SPACE}h` : `${round(seconds / 86_400)}${THIN_SPACE}d`;
}
