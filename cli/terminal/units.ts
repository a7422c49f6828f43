// Numbers for people: sizes, rates, times, shares. Pure, and the same width for neighbouring values, so that a live line keeps still.

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const STEP = 1024;

/** `0 B`, `999 B`, `1.00 KiB`, `12.3 MiB`, `456 GiB`: three digits from one KiB on. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 and above would round to four digits.
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** `14.0 MiB/s`. */
export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** `0s`, `59s`, `4m05s`, `3h07m`, `2d04h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d${two(Math.floor((seconds % 86_400) / 3600))}h`;
}

/** Short runs keep their tenths: `0.4s`, `9.9s`, then as formatDuration. */
export function formatElapsed(ms: number): string {
  return ms < 9_950 ? `${(ms / 1000).toFixed(1)}s` : formatDuration(ms);
}

/** `0.0%` to `100%`; never 100 before it is complete. */
export function formatShare(part: number, whole: number): string {
  if (part >= whole) return '100%';
  return `${(Math.floor((part / whole) * 1000) / 10).toFixed(1)}%`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** 9999-12-31: beyond it is nonsense, such as milliseconds where seconds were due. */
const LAST_PLAIN_SECOND = 253_402_300_799;

/** `2026-11-21 08:55:48 UTC`. */
export function formatUnixSeconds(seconds: number): string {
  if (!(seconds >= 0 && seconds <= LAST_PLAIN_SECOND)) return String(seconds);
  const date = new Date(seconds * 1000);
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
