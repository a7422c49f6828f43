// What the environment says of the terminal and its alphabet. Pure.

type Env = Readonly<Record<string, string | undefined>>;

/** Terminals that can show lines of text and no more; ncurses refuses them, too. */
const DUMB: readonly (string | undefined)[] = ['', 'dumb', 'unknown'];

export function isDumb(env: Env): boolean {
  return DUMB.includes(env['TERM']);
}

/** The locale of characters by the rules of setlocale(3): the first of these that is set and not empty. */
export function localeOf(env: Env): { readonly name: string; readonly value: string } | undefined {
  for (const name of ['LC_ALL', 'LC_CTYPE', 'LANG']) {
    const value = env[name];
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

/** Without any locale a system has the C locale, which is ASCII; Windows has no such variables and is asked no such thing. */
export function isAsciiOnly(env: Env, platform: string): boolean {
  const locale = localeOf(env);
  return locale === undefined ? platform !== 'win32' : !/utf-?8/i.test(locale.value);
}
