// The flags of one command line, as typed.

export type FlagValue = string | boolean | number | readonly string[];

/** Flags as typed, by camel-case name; a flag nobody typed is absent. */
export class Flags {
  private readonly values: ReadonlyMap<string, FlagValue>;

  constructor(values: ReadonlyMap<string, FlagValue>) {
    this.values = values;
  }

  text(name: string): string | undefined {
    const value = this.values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.values.get(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  /** true for `--x`, false for `--no-x`, undefined when neither was typed. */
  choice(name: string): boolean | undefined {
    const value = this.values.get(name);
    return typeof value === 'boolean' ? value : undefined;
  }

  isOn(name: string): boolean {
    return this.choice(name) === true;
  }

  count(name: string): number {
    const value = this.values.get(name);
    return typeof value === 'number' ? value : 0;
  }
}
