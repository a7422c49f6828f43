// The house rules that a machine can check: layers, purity, one adapter per package, file size, what must not be said.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const MAX_LINES = 450;

const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const sources = tracked.filter((path) =>
  /^(cli|core|dht|tracker|test|bin)\/.*\.(ts|tsx|cjs|mjs)$/.test(path),
);
const shipped = sources.filter((path) => !path.startsWith('test/'));

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Specifiers of static imports and exports (which begin a line, or close one that did), and of `import('...')`. */
function importsOf(path: string): string[] {
  const text = read(path);
  const fixed = text.matchAll(/^(?:import|export|\})[^'"`;]*?from '([^']+)'|^import '([^']+)'/gm);
  const late = text.matchAll(/\bimport\('([^']+)'\)/g);
  // Files of a package that are read, not run: a font, a module of WebAssembly.
  const files = text.matchAll(/\brequire\.resolve\('([^']+)'\)/g);
  return [...fixed, ...late, ...files].map((match) => (match[1] ?? match[2]) as string);
}

/** `@scope/name` of `@scope/name/deep/file.js`. */
function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function targetOf(path: string, specifier: string): string {
  return specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : specifier;
}

/** `core/nat`, `core/nat/io`, `dht`, ...: folders deeper down belong to the room they lie in. */
function roomOf(path: string): string {
  const folders = dirname(path).split('/');
  const io = folders.find((name) => name === 'io' || name === 'serve');
  return [...folders.slice(0, 2).filter((name) => name !== io), ...(io === undefined ? [] : [io])].join('/');
}

/** The public face of a library: it names what lies deeper. */
function isFace(path: string): boolean {
  return path.endsWith('/index.ts');
}

/** Code that reads no clock, no randomness, no socket, no file, no process (see ARCHITECTURE.md). */
function isPure(path: string): boolean {
  if (/\/(io|serve)\//.test(path) || isFace(path)) return false;
  if (/^core\/discovery\/(candidates|lsd-codec|pex|peer-priority)/.test(path)) return true;
  return /^(core\/(account|base|metainfo|nat|pieces|relay|swarm|webseed|wire|transport\/utp)|dht|tracker)\//.test(
    path,
  );
}

describe('layers', () => {
  const allowed: Record<string, RegExp> = {
    core: /^core\//,
    dht: /^(dht\/|core\/base\/)/,
    tracker: /^(tracker\/|core\/base\/)/,
  };
  it('keeps every folder to what it may know', () => {
    const wrong: string[] = [];
    for (const path of shipped) {
      const rule = allowed[path.split('/')[0] as string];
      if (rule === undefined) continue;
      for (const specifier of importsOf(path)) {
        const target = targetOf(path, specifier);
        if (specifier.startsWith('.') && !rule.test(target)) wrong.push(`${path} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('lets no two folders know each other, not even by a type', () => {
    const known = new Map<string, Set<string>>();
    for (const path of shipped.filter((name) => /^(cli|core|dht|tracker)\//.test(name) && !isFace(name))) {
      for (const specifier of importsOf(path).filter((name) => name.startsWith('.'))) {
        const [from, to] = [roomOf(path), roomOf(targetOf(path, specifier))];
        if (from !== to) known.set(from, (known.get(from) ?? new Set()).add(to));
      }
    }
    // What imports nothing that is left is taken away, again and again: circles stay.
    for (let before = -1; before !== known.size; ) {
      before = known.size;
      for (const [room, others] of known)
        if (![...others].some((other) => known.has(other))) known.delete(room);
    }
    expect(Object.fromEntries(known)).toEqual({});
  });

  it('keeps the ground floor free of everything above it', () => {
    const wrong: string[] = [];
    for (const path of shipped.filter((name) => name.startsWith('core/base/'))) {
      for (const specifier of importsOf(path)) {
        const target = targetOf(path, specifier);
        if (specifier.startsWith('.') && !target.startsWith('core/base/'))
          wrong.push(`${path} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('purity', () => {
  const forbidden: [RegExp, string][] = [
    [/\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|process\.hrtime/, 'reads a clock'],
    [/\bMath\.random\b|\brandomBytes\s*\(\s*\d|\brandomUUID\b|getRandomValues/, 'reads randomness'],
    [/\bset(Timeout|Interval|Immediate)\b/, 'sets a timer'],
    [/\bconsole\./, 'prints'],
    [/\bprocess\./, 'reads the process'],
    [/from 'node:(fs|net|dgram|http|https|dns|child_process|worker_threads|os|tls)/, 'reaches outside'],
  ];
  it('holds in every pure folder', () => {
    const wrong: string[] = [];
    for (const path of shipped.filter(isPure)) {
      const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      for (const [pattern, what] of forbidden) if (pattern.test(code)) wrong.push(`${path} ${what}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe('packages', () => {
  it('are imported in one file each', () => {
    const users = new Map<string, Set<string>>();
    for (const path of shipped) {
      for (const specifier of importsOf(path)) {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
        const name = packageOf(specifier);
        const set = users.get(name) ?? new Set();
        users.set(name, set.add(path));
      }
    }
    const several = [...users]
      .filter(([, paths]) => paths.size > 1)
      .map(([name, paths]) => [name, [...paths]]);
    expect(several).toEqual([]);
  });

  it('are all declared, and all declared ones are used', () => {
    const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const used = new Set<string>();
    for (const path of shipped) {
      for (const specifier of importsOf(path)) {
        if (!specifier.startsWith('.') && !specifier.startsWith('node:')) used.add(packageOf(specifier));
      }
    }
    expect([...used].sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });
});

describe('files', () => {
  it('stay small enough to read in one go', () => {
    const long = sources
      .map((path) => ({ path, lines: read(path).split('\n').length }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it('say at the top what they own', () => {
    const silent = shipped.filter(
      (path) => /\.tsx?$/.test(path) && !/^(#!.*\n)?(\/\/|\/\*)/.test(read(path)),
    );
    expect(silent).toEqual([]);
  });

  it('name no machine path and no package registry', () => {
    const pattern = /(?<![\w}])\/(home|work|root)\/[a-z]|registry\.[a-z]+js|\bnpmjs\b/i;
    const wrong = tracked
      .filter((path) => !path.startsWith('fixtures/') && relative('test/unit/tidy.test.ts', path) !== '')
      .filter((path) => pattern.test(read(path)));
    expect(wrong).toEqual([]);
  });
});
