// What a run's database holds, asked in SQL while tt may still be writing to it.
import { DatabaseSync } from 'node:sqlite';

/** @param directory the run's folder @returns plain objects, one a row */
export function runRows<Row = Record<string, unknown>>(directory: string, sql: string): Row[] {
  const database = new DatabaseSync(`${directory}/data.sqlite`, { readOnly: true });
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }) as Row);
  } finally {
    database.close();
  }
}
