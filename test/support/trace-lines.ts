// Reads a trace and holds every line against the schema: no field that is not documented, none missing, each of its type.
import {
  COMMON_FIELDS,
  TRACE_EVENTS,
  type TraceEventSpec,
  type TraceField,
} from '../../core/trace/trace-schema.ts';

export type TraceLine = Readonly<Record<string, unknown>> & { readonly t: number; readonly event: string };

const SPECS = new Map<string, TraceEventSpec>(TRACE_EVENTS.map((spec) => [spec.event, spec]));

function isOfType(value: unknown, field: TraceField): boolean {
  if (field.type === 'integer') return Number.isSafeInteger(value) && (value as number) >= 0;
  return (
    typeof value === field.type && (field.values === undefined || field.values.includes(value as string))
  );
}

/** @throws Error that names the line and what is wrong with it */
export function readTrace(text: string): TraceLine[] {
  let lastT = 0;
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const record = JSON.parse(line) as TraceLine;
      const spec = SPECS.get(record.event);
      if (spec === undefined) throw new Error(`no such event: ${line}`);
      const fields = [...COMMON_FIELDS, ...spec.fields];
      const known = fields.map(({ name }) => name);
      for (const name of Object.keys(record)) {
        if (!known.includes(name)) throw new Error(`${name} is not documented: ${line}`);
      }
      for (const field of fields) {
        const value = record[field.name];
        if (value === undefined && field.isOptional === true) continue;
        if (!isOfType(value, field)) throw new Error(`${field.name} is wrong: ${line}`);
      }
      if (record.t < lastT) throw new Error(`time goes back: ${line}`);
      lastT = record.t;
      return record;
    });
}

/** `event.field` of all that is documented. */
export function documentedFields(): string[] {
  return TRACE_EVENTS.flatMap((spec: TraceEventSpec) =>
    spec.fields.map(({ name }) => `${spec.event}.${name}`),
  );
}

export function seenFields(lines: readonly TraceLine[]): Set<string> {
  return new Set(
    lines.flatMap((line) =>
      Object.keys(line)
        .filter((name) => name !== 't' && name !== 'event')
        .map((name) => `${line.event}.${name}`),
    ),
  );
}
