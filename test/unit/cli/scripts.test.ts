// The program as scripts: modules keep their meaning, and the code kept from earlier runs is never another program's, nor damaged.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../support/process.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';

const root = new URL('../../..', import.meta.url);
const { asScript, changingExports } = (await import(new URL('tools/scripts.mjs', root).href)) as {
  asScript(code: string): string;
  changingExports(script: string): string[];
};

type Exports = Record<string, unknown>;

/** Runs a module as a script, with what it may ask for. */
function runScript(code: string, others: Readonly<Record<string, Exports>> = {}): Exports {
  const exported: Exports = {};
  const body = new Function('exports', 'require', 'scriptUrl', `"use strict"; ${asScript(code)}`);
  body(exported, (name: string) => others[name], 'file:///here.cjs');
  return exported;
}

describe('a module as a script', () => {
  it.each<[string, string, unknown]>([
    [
      'names',
      'import {\n  a,\n  b as c\n} from "./x.cjs";\nvar result = [a, c];\nexport {\n  result\n};',
      [1, 2],
    ],
    ['a default', 'import all from "fs";\nvar r = all;\nexport {\n  r as result\n};', 'whole'],
    ['its own place', 'var result = import.meta.url;\nexport {\n  result\n};', 'file:///here.cjs'],
    ['nothing but being loaded', 'import "./x.cjs";\nvar result = 3;\nexport {\n  result\n};', 3],
    ['a function that comes later', 'export {\n  f as result\n};\nfunction f() {}', expect.any(Function)],
  ])('takes and gives %s', (_, code, expected) => {
    expect(
      runScript(code, { './x.cjs': { a: 1, b: 2 }, fs: 'whole' as unknown as Exports })['result'],
    ).toEqual(expected);
  });

  it('loads late what is imported late', async () => {
    const { later } = runScript(
      'var later = async () => (await import("./x.cjs")).a;\nexport {\n  later\n};',
      {
        './x.cjs': { a: 7 },
      },
    );
    expect(await (later as () => Promise<unknown>)()).toBe(7);
  });

  it('whose exports change afterwards is found out', () => {
    const head =
      'var a = 1;\nvar b = 2;\nvar c;\nvar d = 4;\nlet e = 5;\nvar f = class {\n};\nfunction g() {\n}\n';
    const change = 'b = 3;\nfunction set() {\n  c = 1;\n  d++;\n  e ??= 2;\n  o.a = 5;\n  if (a == 1) ;\n}\n';
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `  ${name}`).join(',\n');
    expect(changingExports(asScript(`${head}${change}export {\n${names}\n};`))).toEqual(['b', 'c', 'd', 'e']);
    expect(changingExports(asScript(`${head}export {\n  a,\n  f,\n  g\n};`))).toEqual([]);
  });
});

describe('code kept for the next run', () => {
  let dir: TempDir;
  let cacheFile: string;

  beforeEach(() => {
    dir = makeTempDir('tt-scripts-');
    mkdirSync(`${dir.path}/program`);
    cacheFile = `${dir.path}/cache/code/word`;
  });
  afterEach(() => dir.remove());

  /** A program of two scripts that prints a word, the second one named after what it holds. */
  function install(word: string): void {
    const part = `part-${word}.cjs`;
    writeFileSync(
      `${dir.path}/program/main.cjs`,
      asScript(`import { word } from "./${part}";\nconsole.log(word());`),
    );
    writeFileSync(
      `${dir.path}/program/${part}`,
      asScript(`function word() {\n  return "${word}";\n}\nexport {\n  word\n};`),
    );
  }

  /** @param more runs after the program */
  async function runProgram(more = ''): Promise<string> {
    const runner = `${dir.path}/run.cjs`;
    writeFileSync(
      runner,
      'const [scripts, folder, cache, more] = process.argv.slice(2);\nrequire(scripts).scriptsIn(folder, cache)("main.cjs");\neval(more);\n',
    );
    const scripts = new URL('bin/scripts.cjs', root).pathname;
    const { stdout, stderr } = await run(process.execPath, [
      runner,
      scripts,
      `${dir.path}/program`,
      cacheFile,
      more,
    ]);
    expect(stderr).toBe('');
    return stdout;
  }

  it('is written once, for its owner alone, and then used as it is', async () => {
    install('red');
    expect(await runProgram()).toBe('red');
    const { ino, mode } = statSync(cacheFile);
    expect(mode & 0o777).toBe(0o600);
    // A long first run counts as more than any later one.
    expect(await runProgram('performance.now = () => 9000;')).toBe('red');
    const second = statSync(cacheFile);
    expect(second.ino).not.toBe(ino);
    expect(await runProgram()).toBe('red');
    expect(statSync(cacheFile).ino).toBe(second.ino);
    expect(readdirSync(`${dir.path}/cache/code`)).toEqual(['word']);
  });

  it('of another program of the same length is not taken for this one', async () => {
    install('red');
    await runProgram();
    install('sky');
    expect(await runProgram()).toBe('sky');
    expect(await runProgram()).toBe('sky');
  });

  it('that is damaged anywhere, cut short or no cache at all is made anew', async () => {
    install('red');
    await runProgram('performance.now = () => 9000;');
    const good = readFileSync(cacheFile);
    for (const at of [0, 5, 9, 20, good.length >> 1, good.length - 1]) {
      const damaged = Buffer.from(good);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      writeFileSync(cacheFile, damaged);
      expect(await runProgram('performance.now = () => 9000;'), `byte ${at}`).toBe('red');
      expect(readFileSync(cacheFile).equals(damaged), `byte ${at}`).toBe(false);
    }
    for (const bytes of [good.subarray(0, 7), good.subarray(0, good.length - 9), Buffer.alloc(0)]) {
      writeFileSync(cacheFile, bytes);
      expect(await runProgram()).toBe('red');
      expect(statSync(cacheFile).size).toBeGreaterThan(bytes.length);
    }
  });

  it('is not written for a line that nobody could read', async () => {
    install('red');
    await runProgram('process.exit(2);');
    expect(existsSync(cacheFile)).toBe(false);
  });
});
