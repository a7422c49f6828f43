// Where tt keeps its files: XDG folders on every Unix, the usual ones on Windows; TT_HOME moves all of them together.
import os from 'node:os';
import path from 'node:path';

export interface TtPaths {
  readonly configFile: string;
  /** Resume journals, logs. */
  readonly state: string;
  readonly cache: string;
}

type Env = Readonly<Record<string, string | undefined>>;

export function homeOf(env: Env): string {
  return env['HOME'] ?? os.homedir();
}

export function ttPaths(env: Env, platform: NodeJS.Platform = process.platform): TtPaths {
  const home = env['TT_HOME'];
  if (home !== undefined && home !== '') {
    const root = path.resolve(home);
    return {
      configFile: path.join(root, 'config.toml'),
      state: path.join(root, 'state'),
      cache: path.join(root, 'cache'),
    };
  }
  const user = homeOf(env);
  if (platform === 'win32') {
    const roaming = env['APPDATA'] ?? path.join(user, 'AppData', 'Roaming');
    const local = env['LOCALAPPDATA'] ?? path.join(user, 'AppData', 'Local');
    return {
      configFile: path.join(roaming, 'tt', 'config.toml'),
      state: path.join(local, 'tt', 'state'),
      cache: path.join(local, 'tt', 'cache'),
    };
  }
  // The XDG rules: an empty or relative value counts as unset.
  const xdg = (name: string, ...fallback: string[]): string => {
    const value = env[name];
    return value !== undefined && path.isAbsolute(value) ? value : path.join(user, ...fallback);
  };
  return {
    configFile: path.join(xdg('XDG_CONFIG_HOME', '.config'), 'tt', 'config.toml'),
    state: path.join(xdg('XDG_STATE_HOME', '.local', 'state'), 'tt'),
    cache: path.join(xdg('XDG_CACHE_HOME', '.cache'), 'tt'),
  };
}
