// The header of a run as it lies on the disk, where anybody may have changed it: what is not as the schema says is named. Pure.
import { accept, type Result, reject } from '../../core/base/result.ts';
import type { Column } from './columns.ts';
import { RUN_TABLE, type RunRow } from './run-table.ts';
import { SCHEMA_VERSION } from './schema.ts';

const MODES = ['zone', 'full', 'topology', 'sample', 'monitor'];
const STATES = ['running', 'complete', 'partial'];
const ISO_8601 = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$/;
const IP_PRIVACY = ['hmac', 'prefix', 'raw'];

function isOfType({ type, isNullable }: Column, value: unknown): boolean {
  if (value === null) return isNullable === true;
  if (type === 'text') return typeof value === 'string';
  if (type === 'integer') return typeof value === 'number' && Number.isSafeInteger(value);
  if (type === 'real') return typeof value === 'number' && Number.isFinite(value);
  if (type === 'boolean') return typeof value === 'boolean';
  return true;
}

/** Values that everything else goes by. */
const RULES: Readonly<Partial<Record<keyof RunRow, (value: never) => boolean>>> = {
  mode: (value: string) => MODES.includes(value),
  state: (value: string) => STATES.includes(value),
  ip_privacy: (value: string) => IP_PRIVACY.includes(value),
  family: (value: number) => value === 4 || value === 6,
  zone_prefix: (value: string) => /^[0-9a-f]{40}$/.test(value),
  zone_bits: (value: number) => value >= 0 && value <= 160,
  started_utc: (value: string) => ISO_8601.test(value),
  elapsed_us: (value: number | null) => value === null || value >= 0,
  queue_left: (value: number) => value >= 0,
  own_nodes: Array.isArray,
  warnings: (value: unknown) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
  resumes: Array.isArray,
};

/**
 * Columns that are not known are left out; one that may be empty may be missing.
 * @param value what run.json parsed to
 */
export function readRunHeader(value: unknown): Result<RunRow> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return reject('no header of a run');
  const given = value as Readonly<Record<string, unknown>>;
  const version = given['schema_version'];
  if (typeof version === 'number' && version > SCHEMA_VERSION)
    return reject(
      `schema version ${version}, and this tt knows ${SCHEMA_VERSION}: use the tt that wrote it, or a newer one`,
    );
  const row: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(RUN_TABLE.columns) as [keyof RunRow, Column][]) {
    const held = given[name] ?? null;
    if (given[name] === undefined && column.isNullable !== true) return reject(`no "${name}" in it`);
    const rule = RULES[name] as ((value: unknown) => boolean) | undefined;
    if (!isOfType(column, held) || rule?.(held) === false)
      return reject(`its "${name}" is ${shown(held)}: ${column.about}`);
    row[name] = held;
  }
  return accept(row as unknown as RunRow);
}

const MOST_SHOWN = 40;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
