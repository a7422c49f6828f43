// Makes the program, `dist/program/`, out of few files: reading some 250 modules one by one is two thirds of what tt needs
// to start. Two files for what the program always loads, one for every thread (`*-worker.ts`), chunks for what is loaded later. All
// lie in one folder, so that a thread's file is found beside the code that starts it, as in the sources. All are scripts.
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { build } from 'esbuild';
import { withoutFacades } from './builtins.mjs';
import { asScript, changingExports } from './scripts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = `${root}dist/program`;
const MAIN = 'cli/main.ts';
/** Threads are started by Node itself, as CommonJS; everything else by bin/scripts.cjs. */
const THREAD_HEAD = '"use strict";\nconst scriptUrl = require("node:url").pathToFileURL(__filename).href;\n';

const threads = {};
for (const file of globSync('{cli,core,dht}/**/*-worker.ts', { cwd: root })) {
  const name = basename(file, '.ts');
  if (name in threads) throw new Error(`two threads are named ${name}: their files would be one`);
  threads[name] = file;
}

const common = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  outExtension: { '.js': '.cjs' },
  define: { 'process.env.NODE_ENV': '"production"' },
  // Leaves out what is never done.
  minifySyntax: true,
  logLevel: 'warning',
  metafile: true,
  write: false,
};

/** What Ink brings and tt has its own of; and without what it does at the top of a module for those who work on Ink. */
const inPlace = {
  name: 'in-place',
  setup({ onResolve, onLoad }) {
    onLoad({ filter: /\/ink\/build\/reconciler\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll("process.env['DEV'] === 'true'", 'false'),
    }));
    onResolve({ filter: /^string-width$/ }, () => ({ path: `${root}cli/ui/ink-width.ts` }));
    onResolve({ filter: /^yoga-layout$/ }, () => ({ path: `${root}cli/ui/ink-layout.ts` }));
  },
};

function buildProgram(plugins) {
  return build({
    ...common,
    entryPoints: { main: MAIN },
    splitting: true,
    chunkNames: 'chunk-[hash]',
    plugins: [inPlace, ...plugins],
  });
}

/** Paths of what the program imports when it needs it. */
function partsOf({ inputs }) {
  const imports = Object.values(inputs).flatMap((input) => input.imports);
  const late = imports.filter(({ kind, external }) => kind === 'dynamic-import' && external !== true);
  return new Set(late.map(({ path }) => path));
}

/**
 * esbuild cuts a chunk for each set of parts that share a module, so that the modules of the program's own first step lie in
 * twenty. Parts that all say that they need the whole of it leave one.
 */
function afterMain(parts) {
  return {
    name: 'after-main',
    setup({ onLoad }) {
      onLoad({ filter: /\.tsx?$/ }, ({ path }) => {
        if (!parts.has(relative(root, path))) return undefined;
        const contents = `import ${JSON.stringify(root + MAIN)};\n${readFileSync(path, 'utf8')}`;
        return { contents, loader: path.endsWith('x') ? 'tsx' : 'ts' };
      });
    },
  };
}

const plain = await buildProgram([]);
const built = [
  await buildProgram([afterMain(partsOf(plain.metafile))]),
  // A thread has nothing in common with the program but memory: chunks for what both use would only be more files to read.
  await build({ ...common, entryPoints: threads, plugins: [inPlace] }),
];

function scriptOf(path, text) {
  const script = asScript(withoutFacades(text));
  const changing = changingExports(script);
  if (changing.length > 0)
    throw new Error(`${path}: exports that change are not seen: ${changing.join(', ')}`);
  // Throws where something of a module is left.
  compileFunction(script, ['exports', 'require', 'scriptUrl'], { filename: path });
  return basename(path, '.cjs') in threads ? `${THREAD_HEAD}${script}` : script;
}

const outputs = built.flatMap(({ outputFiles }) => outputFiles);
const scripts = outputs.map(({ path, text }) => ({ path, script: scriptOf(path, text) }));
mkdirSync(outdir, { recursive: true });
for (const { path, script } of scripts) writeFileSync(path, script);
// A dependency that brings a copy of its own would measure text its own way, and slowly.
const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
if (inputs.some((file) => file.includes('node_modules/string-width/')))
  throw new Error('string-width is in the bundle: cli/ui/ink-width.ts should stand in its place');
// Only now, and only what is of no use any more: a tt that runs meanwhile finds the chunks that it has not loaded yet.
const made = new Set(
  built.flatMap(({ metafile }) => Object.keys(metafile.outputs).map((file) => basename(file))),
);
for (const file of readdirSync(outdir)) {
  if (!made.has(file)) rmSync(`${outdir}/${file}`, { recursive: true, force: true });
}
