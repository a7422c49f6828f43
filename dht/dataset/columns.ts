// How a table of the dataset is described: once, as data. Row types, SQLite, JSONL, exports and docs/dataset.md all follow
// from it, so that none of them can name a column that another does not have.

/** `json` is a JSON document kept as text; `boolean` is 0 or 1 where a format knows no booleans. */
export type ColumnType = 'text' | 'integer' | 'real' | 'boolean' | 'json';

export interface Column {
  readonly type: ColumnType;
  /** May hold nothing. */
  readonly isNullable?: true;
  /** One line for docs/dataset.md: what it means, in which unit, when it is empty. */
  readonly about: string;
}

export type Columns = Readonly<Record<string, Column>>;

export interface Table<C extends Columns = Columns> {
  readonly name: string;
  /** One paragraph: what a row is. */
  readonly about: string;
  /** In the order of storage. */
  readonly columns: C;
  /** Columns that together name one row. */
  readonly key: readonly string[];
}

interface TypeOf {
  readonly text: string;
  readonly integer: number;
  readonly real: number;
  readonly boolean: boolean;
  readonly json: unknown;
}

type ValueOf<C extends Column> = C extends { readonly isNullable: true }
  ? TypeOf[C['type']] | null
  : TypeOf[C['type']];

/** What a program holds of one row. */
export type Row<T extends Table> = {
  readonly [Name in keyof T['columns']]: ValueOf<T['columns'][Name]>;
};

/** Keeps the literal types of a table's columns. */
export function defineTable<const C extends Columns>(
  table: Table<C> & { readonly key: readonly (keyof C & string)[] },
): Table<C> {
  return table;
}
