// A dataset in SQLite: the only file that knows node:sqlite. Tables come from the schema, so that a file holds what the
// document says and nothing else. Write-ahead logging: what was committed survives kill -9.
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { OperationError } from '../../../core/base/result.ts';
import type { Column, Row, Table } from '../columns.ts';
import { TABLES, type TableName } from '../schema.ts';

export type SqlValue = null | number | bigint | string | Uint8Array;
export type AnyRow = Readonly<Record<string, unknown>>;

const SQL_TYPES = {
  text: 'TEXT',
  integer: 'INTEGER',
  real: 'REAL',
  boolean: 'INTEGER',
  json: 'TEXT',
} as const;

function createStatement({ name, columns, key }: Table): string {
  const parts = Object.entries(columns).map(
    ([column, { type, isNullable }]) =>
      `"${column}" ${SQL_TYPES[type]}${isNullable === true ? '' : ' NOT NULL'}`,
  );
  return `CREATE TABLE IF NOT EXISTS "${name}" (${parts.join(', ')}, PRIMARY KEY (${key.join(', ')})) STRICT, WITHOUT ROWID`;
}

/** A value as SQLite keeps it. */
function toSql(isJson: boolean, value: unknown): SQLInputValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return isJson ? JSON.stringify(value) : (value as SQLInputValue);
}

/** And back. */
function fromSql(column: Column, value: unknown): unknown {
  if (value === null) return null;
  if (column.type === 'json') return JSON.parse(value as string);
  return column.type === 'boolean' ? value === 1 : value;
}

/** Prepared once a table: half of the time of an insert went into finding out how to make it. */
interface Insert {
  readonly statement: StatementSync;
  readonly names: readonly string[];
  readonly areJson: readonly boolean[];
  /** Of one row, used again. */
  readonly values: SQLInputValue[];
}

/** Every table with every column: SQL that names one that is not there would be a mistake of ours. @throws Error */
function mustBeOurs(database: DatabaseSync): void {
  for (const { name, columns } of TABLES) {
    const stored = database.prepare(`PRAGMA table_info("${name}")`).all() as { name: string }[];
    if (stored.length === 0) throw new Error(`it has no table ${name}`);
    const missing = Object.keys(columns).find((column) => !stored.some((each) => each.name === column));
    if (missing !== undefined) throw new Error(`its table ${name} has no column ${missing}`);
  }
}

/** SQLite's word for a mistake in the question; everything else is the file, the disk, or another program. */
const SQLITE_ERROR = 1;

export class DatasetStore {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #inserts = new Map<TableName, Insert>();
  #isClosed = false;

  readonly #isWritten: boolean;

  private constructor(path: string, database: DatabaseSync, isWritten: boolean) {
    this.path = path;
    this.#isWritten = isWritten;
    this.#database = database;
  }

  /** @throws OperationError `disk` when the file cannot be opened or is none of ours */
  static async open(path: string, access: 'create' | 'write' | 'read'): Promise<DatasetStore> {
    const { DatabaseSync: Database } = await import('node:sqlite').catch(() => {
      throw new OperationError('unexpected', 'this Node has no SQLite', {
        hint: 'Run tt with Node 22.13 or newer; where tt is built from its sources, `npm ci` brings one along.',
      });
    });
    try {
      const database = new Database(path, { readOnly: access === 'read' });
      if (access !== 'read') {
        database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;');
        for (const table of TABLES) database.exec(createStatement(table));
      }
      mustBeOurs(database);
      return new DatasetStore(path, database, access !== 'read');
    } catch (error) {
      throw new OperationError('disk', `cannot open the dataset ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Adds rows in one transaction; a row with the key of an older one replaces it. */
  put<T extends Table>(table: T, rows: readonly Row<T>[]): void {
    if (rows.length === 0) return;
    const { statement, names, areJson, values } = this.#insertOf(table);
    // A savepoint and no transaction: it may be part of one.
    this.#database.exec('SAVEPOINT rows');
    try {
      for (const row of rows as readonly AnyRow[]) {
        for (let i = 0; i < names.length; i++)
          values[i] = toSql(areJson[i] as boolean, row[names[i] as string]);
        statement.run(...values);
      }
      this.#database.exec('RELEASE rows');
    } catch (error) {
      this.#database.exec('ROLLBACK TO rows; RELEASE rows');
      throw new OperationError('disk', `cannot write to ${this.path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** All of it, or nothing when it throws. */
  atomically<T>(work: () => T): T {
    this.#database.exec('SAVEPOINT work');
    try {
      const result = work();
      this.#database.exec('RELEASE work');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK TO work; RELEASE work');
      throw error;
    }
  }

  /** Rows in the order of their key, one at a time. */
  *rows<T extends Table>(table: T): IterableIterator<Row<T>> {
    const columns = Object.entries(table.columns);
    const statement = this.#database.prepare(
      `SELECT * FROM "${table.name}" ORDER BY ${table.key.join(', ')}`,
    );
    for (const raw of this.#reading(statement.iterate())) {
      const row: Record<string, unknown> = {};
      for (const [name, column] of columns) row[name] = fromSql(column, (raw as AnyRow)[name]);
      yield row as Row<T>;
    }
  }

  /** Rows in the order of their key as SQLite holds them: integers as bigint, none rounded; JSON as its text. */
  *exactRows(table: Table): IterableIterator<Readonly<Record<string, SqlValue>>> {
    const statement = this.#database.prepare(
      `SELECT * FROM "${table.name}" ORDER BY ${table.key.join(', ')}`,
    );
    statement.setReadBigInts(true);
    yield* this.#reading(statement.iterate()) as IterableIterator<Readonly<Record<string, SqlValue>>>;
  }

  /** Any question in SQL. */
  query<R extends AnyRow>(sql: string, ...values: readonly SqlValue[]): R[] {
    try {
      return this.#database.prepare(sql).all(...values) as R[];
    } catch (error) {
      throw this.#troubleOf(error);
    }
  }

  /** The same, one row at a time. */
  *each<R extends AnyRow>(sql: string, ...values: readonly SqlValue[]): IterableIterator<R> {
    yield* this.#database.prepare(sql).iterate(...values) as IterableIterator<R>;
  }

  execute(sql: string, ...values: readonly SqlValue[]): void {
    try {
      this.#database.prepare(sql).run(...values);
    } catch (error) {
      throw this.#troubleOf(error);
    }
  }

  /** Pages further on may be damaged. @throws OperationError `disk` */
  *#reading<T>(rows: Iterable<T>): IterableIterator<T> {
    try {
      yield* rows;
    } catch (error) {
      throw this.#troubleOf(error);
    }
  }

  #troubleOf(error: unknown): unknown {
    const { code, errcode, message } = error as {
      readonly code?: string;
      readonly errcode?: number;
      readonly message?: string;
    };
    // An integer beyond 2^53: nothing that tt has counted.
    const isForeign = code === 'ERR_OUT_OF_RANGE';
    if (!isForeign && (errcode === undefined || errcode === SQLITE_ERROR)) return error;
    return new OperationError('disk', `cannot read ${this.path}: ${message}`, { cause: error });
  }

  /** Safe to call twice. Leaves one file that can be read from a medium nobody can write to: the log is folded in and ended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      if (this.#isWritten) this.#database.exec('PRAGMA journal_mode = DELETE');
    } catch {
      // Somebody else reads it just now: the log stays, and is read along.
    }
    this.#database.close();
  }

  #insertOf(table: Table): Insert {
    const name = table.name as TableName;
    let insert = this.#inserts.get(name);
    if (insert === undefined) {
      const names = Object.keys(table.columns);
      const marks = names.map(() => '?').join(', ');
      insert = {
        statement: this.#database.prepare(`INSERT OR REPLACE INTO "${name}" VALUES (${marks})`),
        names,
        areJson: Object.values(table.columns).map(({ type }) => type === 'json'),
        values: names.map(() => null),
      };
      this.#inserts.set(name, insert);
    }
    return insert;
  }
}
