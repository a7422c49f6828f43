// The bundled program takes Node's own modules as they are, without the facade that an import makes.
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../..', import.meta.url);
const { withoutFacades } = (await import(new URL('tools/builtins.mjs', root).href)) as {
  withoutFacades(code: string): string;
};

/** Runs bundled code and gives what it exports as `result`. */
async function resultOf(code: string): Promise<unknown> {
  const module = (await import(`data:text/javascript,${encodeURIComponent(withoutFacades(code))}`)) as {
    result: unknown;
  };
  return module.result;
}

describe('imports of Node’s own modules', () => {
  it.each([
    ['a default', 'import path2 from "node:path";\nexport const result = path2.basename("a/b");', 'b'],
    ['a namespace', 'import * as path2 from "node:path";\nexport const result = path2.basename("a/b");', 'b'],
    ['a name', 'import { basename } from "node:path";\nexport const result = basename("a/b");', 'b'],
    [
      'names over several lines, one of them renamed',
      'import {\n  basename as last,\n  dirname\n} from "node:path";\nexport const result = dirname("a/b") + last("a/b");',
      'ab',
    ],
    [
      'a default and a name',
      'import path2, { basename } from "node:path";\nexport const result = path2.dirname("a/b") + basename("a/b");',
      'ab',
    ],
    [
      'a module below another',
      'import { readFile } from "node:fs/promises";\nexport const result = typeof readFile;',
      'function',
    ],
  ])('%s means the same', async (_, code, expected) => {
    expect(withoutFacades(code)).not.toMatch(/^import|^\}.*from/m);
    expect(await resultOf(code)).toBe(expected);
  });

  it.each([
    'import { x } from "./chunk-A.js";',
    'import React from "react";',
    'const text = `  import fs from "node:fs";`;',
    'await import("node:sqlite");',
  ])('%s stays', (code) => {
    expect(withoutFacades(code)).toBe(code);
  });

  // Built by `npm test` before the tests run.
  it('leaves none in the program', () => {
    const files = globSync('dist/program/*.cjs', { cwd: root.pathname });
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      expect(readFileSync(new URL(file, root), 'utf8'), file).not.toMatch(
        /^(import|\}).* from ["']node:[\w/]+["'];?$/m,
      );
    }
  });
});
