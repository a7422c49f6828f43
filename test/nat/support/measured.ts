// What a test measured, beside what it asserts: said in its output, and kept for the table of docs/nat.md (`rows/main.ts`).
import { appendFileSync } from 'node:fs';

/** A file, one JSON object a line. */
export const MEASURED_VARIABLE = 'TT_NAT_MEASURED';

export interface Measured {
  readonly row: number;
  readonly text: string;
}

/** @param row of the matrix */
export function measured(row: number, text: string): void {
  console.log(`row ${row}: ${text}`);
  const file = process.env[MEASURED_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ row, text } satisfies Measured)}\n`);
}

/** `1.9 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
