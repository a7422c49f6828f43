// Reads config.toml into plain text values; the only import of `smol-toml`. Nested tables have no meaning here and are refused.
import { parse, TomlError } from 'smol-toml';
import { UsageError } from '../../core/base/result.ts';

/** @returns setting names with their values as one would type them. @throws UsageError with the line of the mistake */
export function parseToml(text: string, file: string): ReadonlyMap<string, string> {
  let table: Readonly<Record<string, unknown>>;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0] as string;
    throw new UsageError(`${file}: line ${error.line}: ${reason}`);
  }
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(table)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new UsageError(`${file}: ${name}: expected a string, a number or true/false`);
    }
    values.set(name, String(value));
  }
  return values;
}
