// `tt config`: the settings in effect, and for each whether it is a default, from the file, from a variable or from a flag.

import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { SETTING_NAMES, settingKey, settingVariable } from '../settings/settings.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';

/** A proxy's password is nobody's business in a pasted listing. */
function withoutPassword(text: string): string {
  return text.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:***@');
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value[0] === value[1] ? String(value[0]) : value.join('-');
  return withoutPassword(String(value));
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { settings, resolved } = context;
  const entries = SETTING_NAMES.map((name) => ({
    name: settingKey(name),
    value: settings[name],
    source: resolved.origins[name].source,
    from: resolved.origins[name].from,
    variable: settingVariable(name),
  }));
  const table = formatTable(
    [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }],
    entries.map((entry) => [
      entry.name,
      safeText(shown(entry.value) || '-'),
      safeText(entry.source === 'file' ? resolved.configFile : entry.from),
    ]),
  );
  return done([...table, '', `Configuration file: ${safeText(resolved.configFile)}`].join('\n'), {
    configFile: resolved.configFile,
    settings: entries.map((entry) => ({
      ...entry,
      value: typeof entry.value === 'string' ? withoutPassword(entry.value) : entry.value,
    })),
  });
}
