// The settings people can keep: defaults < config.toml < TT_* variables < flags. One table says what each is and how it reads.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { OperationError, reject, UsageError } from '../../core/base/result.ts';
import type { Flags } from '../base/flag-values.ts';
import {
  type Parser,
  parseChoice,
  parseCount,
  parseOnOff,
  parsePortRange,
  parseProxy,
  parseRate,
} from '../base/parse.ts';
import { homeOf, ttPaths } from './paths.ts';

const ENCRYPTION_CHOICES = ['prefer', 'require', 'off'] as const;
const COLOR_CHOICES = ['auto', 'always', 'never'] as const;
const PREALLOCATE_CHOICES = ['none', 'full'] as const;

export interface Settings {
  /** Absolute; files go below here. */
  readonly out: string;
  readonly port: readonly [first: number, last: number];
  /** Bytes per second; 0 is none. */
  readonly downLimit: number;
  readonly upLimit: number;
  readonly maxPeers: number;
  readonly encryption: (typeof ENCRYPTION_CHOICES)[number];
  /** Empty: none. */
  readonly proxy: string;
  /** Name or address of a network interface; empty: all. */
  readonly interface: string;
  readonly preallocate: (typeof PREALLOCATE_CHOICES)[number];
  readonly pex: boolean;
  readonly lsd: boolean;
  readonly dht: boolean;
  readonly portMap: boolean;
  readonly relays: boolean;
  readonly webSeeds: boolean;
  readonly utp: boolean;
  readonly tcp: boolean;
  readonly color: (typeof COLOR_CHOICES)[number];
  /** Absolute. */
  readonly stateDir: string;
  /** Absolute: what can be lost without harm, such as the nodes of the DHT. */
  readonly cacheDir: string;
  /** Empty: none. */
  readonly logFile: string;
}

export type SettingName = keyof Settings;
type SettingSource = 'default' | 'file' | 'environment' | 'flag';

interface SettingOrigin {
  readonly source: SettingSource;
  /** Where exactly: the file, the variable or the flag. */
  readonly from: string;
  /** As it was written. */
  readonly text: string;
}

export interface ResolvedSettings {
  readonly values: Settings;
  readonly origins: Readonly<Record<SettingName, SettingOrigin>>;
  readonly configFile: string;
}

interface SettingSpec<T> {
  readonly default: string;
  readonly parse: Parser<T>;
  readonly isPath?: boolean;
}

const anyText: Parser<string> = (text) => ({ ok: true, value: text });
const nonEmpty: Parser<string> = (text) => (text === '' ? reject('not a path') : anyText(text));
const orEmpty = (parse: Parser<string>): Parser<string> => {
  return (text) => (text === '' ? anyText(text) : parse(text));
};

const SETTINGS: { readonly [K in SettingName]: SettingSpec<Settings[K]> } = {
  out: { default: '.', parse: nonEmpty, isPath: true },
  // Above the old 6881-6889, which some trackers and networks refuse; wide enough for several tt on one machine.
  port: { default: '6891-6999', parse: parsePortRange },
  downLimit: { default: '0', parse: parseRate },
  upLimit: { default: '0', parse: parseRate },
  maxPeers: { default: '200', parse: parseCount },
  encryption: { default: 'prefer', parse: parseChoice(ENCRYPTION_CHOICES) },
  proxy: { default: '', parse: orEmpty(parseProxy) },
  interface: { default: '', parse: anyText },
  preallocate: { default: 'none', parse: parseChoice(PREALLOCATE_CHOICES) },
  pex: { default: 'true', parse: parseOnOff },
  lsd: { default: 'true', parse: parseOnOff },
  dht: { default: 'true', parse: parseOnOff },
  portMap: { default: 'true', parse: parseOnOff },
  relays: { default: 'true', parse: parseOnOff },
  webSeeds: { default: 'true', parse: parseOnOff },
  utp: { default: 'true', parse: parseOnOff },
  tcp: { default: 'true', parse: parseOnOff },
  color: { default: 'auto', parse: parseChoice(COLOR_CHOICES) },
  stateDir: { default: '', parse: anyText, isPath: true },
  cacheDir: { default: '', parse: anyText, isPath: true },
  logFile: { default: '', parse: anyText, isPath: true },
};

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** A config file past this is a mistake, not a configuration. */
const MOST_CONFIG_BYTES = 1 << 20;

export interface SettingInputs {
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** @returns undefined when there is no such file */
  readonly readConfig: (file: string) => string | undefined;
  /** Turns config text into names and values (settings/toml.ts), loaded only when there is a file. */
  readonly parseConfig: (text: string, file: string) => Promise<ReadonlyMap<string, string>>;
}

/** @throws UsageError naming the setting, its value, the rule and where it was written */
export async function resolveSettings(inputs: SettingInputs): Promise<ResolvedSettings> {
  const paths = ttPaths(inputs.env);
  const fileText = inputs.readConfig(paths.configFile);
  const file =
    fileText === undefined ? new Map<string, string>() : await inputs.parseConfig(fileText, paths.configFile);
  const known = new Set(SETTING_NAMES.map(settingKey));
  for (const name of file.keys()) {
    if (!known.has(name)) {
      throw new UsageError(
        `${paths.configFile}: unknown setting "${name}"`,
        'See "tt config" for all of them.',
      );
    }
  }

  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, SettingOrigin>> = {};
  for (const name of SETTING_NAMES) {
    const origin = originOf(name, inputs, file, paths.configFile);
    const spec = SETTINGS[name];
    const parsed = spec.parse(origin.text);
    if (!parsed.ok)
      throw new UsageError(`${origin.from}: "${origin.text}" is refused: ${parsed.reason.what}`);
    const base = origin.source === 'file' ? path.dirname(paths.configFile) : inputs.cwd;
    const usual = name === 'stateDir' ? paths.state : name === 'cacheDir' ? paths.cache : '';
    const fallback = parsed.value === '' ? usual : parsed.value;
    const isRelative = spec.isPath === true && typeof fallback === 'string' && fallback !== '';
    values[name] = isRelative ? path.resolve(base, fromHome(fallback, origin, inputs.env)) : fallback;
    origins[name] = origin;
  }
  return {
    values: values as Settings,
    origins: origins as Record<SettingName, SettingOrigin>,
    configFile: paths.configFile,
  };
}

/** On the command line the shell has done this; no shell reads the file, and seldom one the variables. */
function fromHome(text: string, { source }: SettingOrigin, env: SettingInputs['env']): string {
  const isPlain = source === 'flag' || source === 'default' || !/^~(\/|$)/.test(text);
  return isPlain ? text : path.join(homeOf(env), text.slice(1));
}

function originOf(
  name: SettingName,
  inputs: SettingInputs,
  file: ReadonlyMap<string, string>,
  configFile: string,
): SettingOrigin {
  const typed = flagText(name, inputs.flags);
  if (typed !== undefined) return typed;
  const variable = settingVariable(name);
  const fromEnv = inputs.env[variable];
  if (fromEnv !== undefined && fromEnv !== '') {
    return { source: 'environment', from: variable, text: fromEnv };
  }
  const key = settingKey(name);
  const fromFile = file.get(key);
  if (fromFile !== undefined) return { source: 'file', from: `${configFile}: ${key}`, text: fromFile };
  return { source: 'default', from: 'default', text: SETTINGS[name].default };
}

function flagText(name: SettingName, flags: Flags): SettingOrigin | undefined {
  const flag = `--${settingKey(name)}`;
  if (name === 'out') return outFlag(flags);
  const text = flags.text(name);
  if (text !== undefined) return { source: 'flag', from: flag, text };
  const choice = flags.choice(name);
  if (choice === undefined) return undefined;
  return { source: 'flag', from: choice ? flag : `--no-${settingKey(name)}`, text: String(choice) };
}

/** `-d/--dir` is another name for `-o/--out`, known from other clients. */
function outFlag(flags: Flags): SettingOrigin | undefined {
  const out = flags.text('out');
  const dir = flags.text('dir');
  if (out !== undefined && dir !== undefined && out !== dir) {
    throw new UsageError('-o/--out and -d/--dir name the same thing; give one of them');
  }
  if (out !== undefined) return { source: 'flag', from: '--out', text: out };
  return dir === undefined ? undefined : { source: 'flag', from: '--dir', text: dir };
}

/** `downLimit` -> `down-limit`: in the file and as a flag. */
export function settingKey(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `downLimit` -> `TT_DOWN_LIMIT`. */
export function settingVariable(name: SettingName): string {
  return `TT_${settingKey(name).replaceAll('-', '_').toUpperCase()}`;
}

/** @throws the file system's error unless the file is merely absent */
export function readConfigFile(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MOST_CONFIG_BYTES) throw new UsageError(`${file}: larger than 1 MiB`);
    return text;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (error instanceof UsageError || typeof code !== 'string') throw error;
    const why = code === 'EISDIR' ? 'it is a folder' : (error as Error).message;
    throw new OperationError('disk', `cannot read ${file}: ${why}`, { code, cause: error });
  }
}
