// Where pure and impure code alike says what happened; the cli decides what is shown.

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** `message` is one line for a person; `fields` are for machines. Peer text in it is escaped by the sink. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

export const silentLog: Log = () => {};
