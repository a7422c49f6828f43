import { describe, expect, it } from 'vitest';
import { Flags, type FlagValue } from '../../../cli/base/flag-values.ts';
import { ttPaths } from '../../../cli/settings/paths.ts';
import {
  readConfigFile,
  resolveSettings,
  SETTING_NAMES,
  settingKey,
  settingVariable,
} from '../../../cli/settings/settings.ts';
import { parseToml } from '../../../cli/settings/toml.ts';
import { UsageError } from '../../../core/base/result.ts';
import { makeTempDir } from '../../support/temp.ts';

async function resolve(given: {
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: string;
}) {
  return resolveSettings({
    flags: new Flags(new Map(Object.entries(given.flags ?? {}))),
    env: { TT_HOME: '/h', ...given.env },
    cwd: '/somewhere',
    readConfig: () => given.config,
    parseConfig: async (text, file) => parseToml(text, file),
  });
}

it('goes defaults < file < variables < flags, and says which', async () => {
  const config = 'up-limit = "1M"\ndown-limit = 2048\nport = "7000-7010"\nlsd = false\n';
  const env = { TT_DOWN_LIMIT: '3K', TT_PORT: '7005' };
  const { values, origins } = await resolve({ config, env, flags: { port: '7006' } });
  expect(values.maxPeers).toBe(200);
  expect(values.upLimit).toBe(2 ** 20);
  expect(values.downLimit).toBe(3072);
  expect(values.port).toEqual([7006, 7006]);
  expect(values.lsd).toBe(false);
  expect(origins.maxPeers.source).toBe('default');
  expect(origins.upLimit).toEqual({ source: 'file', from: '/h/config.toml: up-limit', text: '1M' });
  expect(origins.downLimit.from).toBe('TT_DOWN_LIMIT');
  expect(origins.port).toEqual({ source: 'flag', from: '--port', text: '7006' });
});

it('takes paths from where they were written', async () => {
  expect((await resolve({ config: 'out = "dl"' })).values.out).toBe('/h/dl');
  expect((await resolve({ env: { TT_OUT: 'dl' } })).values.out).toBe('/somewhere/dl');
  expect((await resolve({ flags: { out: '/abs' } })).values.out).toBe('/abs');
  expect((await resolve({ flags: { dir: 'x' } })).values.out).toBe('/somewhere/x');
  expect((await resolve({})).values).toMatchObject({ out: '/somewhere', stateDir: '/h/state', logFile: '' });
});

it('~ is the home folder where no shell has seen it', async () => {
  const env = { HOME: '/u' };
  expect((await resolve({ env, config: 'out = "~/dl"' })).values.out).toBe('/u/dl');
  expect((await resolve({ env: { ...env, TT_LOG_FILE: '~/tt.log' } })).values.logFile).toBe('/u/tt.log');
  expect((await resolve({ env, config: 'out = "~"' })).values.out).toBe('/u');
  // Names that only begin so; and the shell's own business.
  expect((await resolve({ env, config: 'out = "~backup"' })).values.out).toBe('/h/~backup');
  expect((await resolve({ env, flags: { out: '~/dl' } })).values.out).toBe('/somewhere/~/dl');
});

it('a file that cannot be read is named', () => {
  const dir = makeTempDir('tt-settings-');
  try {
    expect(() => readConfigFile(dir.path)).toThrow(`cannot read ${dir.path}: it is a folder`);
    expect(readConfigFile(`${dir.path}/none.toml`)).toBeUndefined();
  } finally {
    dir.remove();
  }
});

it('lets a flag undo what the file says', async () => {
  expect((await resolve({ config: 'pex = false', flags: { pex: true } })).values.pex).toBe(true);
  expect((await resolve({ config: 'pex = true', flags: { pex: false } })).values.pex).toBe(false);
});

describe('mistakes name their place', () => {
  it.each([
    [{ config: 'prot = 1' }, /config\.toml: unknown setting "prot"/],
    [{ config: 'port = [1]' }, /port: expected a string, a number or true\/false/],
    [{ config: 'up-limit = "fast"' }, /config\.toml: up-limit: "fast" is refused/],
    [{ config: 'a = \nb' }, /config\.toml: line 1/],
    [{ env: { TT_ENCRYPTION: 'yes' } }, /TT_ENCRYPTION: "yes" is refused: not one of prefer, require, off/],
    [{ flags: { maxPeers: '0' } }, /--max-peers: "0"/],
    [{ flags: { out: 'a', dir: 'b' } }, /name the same thing/],
    [{ flags: { out: '' } }, /--out: "" is refused/],
  ])('%j', async (given, pattern) => {
    await expect(resolve(given)).rejects.toThrow(UsageError);
    await expect(resolve(given)).rejects.toThrow(pattern);
  });
});

it('names settings alike everywhere', () => {
  expect(settingKey('downLimit')).toBe('down-limit');
  expect(settingVariable('downLimit')).toBe('TT_DOWN_LIMIT');
  expect(new Set(SETTING_NAMES.map(settingVariable)).size).toBe(SETTING_NAMES.length);
});

describe('folders', () => {
  it('follow XDG, and ignore relative values as it asks', () => {
    expect(ttPaths({ HOME: '/u' }, 'linux')).toEqual({
      configFile: '/u/.config/tt/config.toml',
      state: '/u/.local/state/tt',
      cache: '/u/.cache/tt',
    });
    expect(ttPaths({ HOME: '/u', XDG_STATE_HOME: '/s', XDG_CACHE_HOME: 'rel' }, 'linux')).toMatchObject({
      state: '/s/tt',
      cache: '/u/.cache/tt',
    });
  });
  it('move together with TT_HOME', () => {
    expect(ttPaths({ HOME: '/u', TT_HOME: '/t', XDG_STATE_HOME: '/s' }, 'linux')).toEqual({
      configFile: '/t/config.toml',
      state: '/t/state',
      cache: '/t/cache',
    });
  });
});
