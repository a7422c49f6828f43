// Makes the program, `dist/program/`, out of few files: reading some 250 modules one by one is two thirds of what tt needs
// to start. One file for the program, one for every thread (`*-worker.ts`), chunks for what is loaded later. All lie in one
// folder, so that a thread's file is found beside the code that starts it, as in the sources.
import { globSync, readdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = `${root}dist/program`;
const threads = globSync('{cli,core,dht}/**/*-worker.ts', { cwd: root });
const entries = { main: 'cli/main.ts' };
for (const file of threads) {
  const name = basename(file, '.ts');
  if (name in entries) throw new Error(`two threads are named ${name}: their files would be one`);
  entries[name] = file;
}

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: entries,
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  chunkNames: 'chunk-[hash]',
  // Ink asks for it where DEV is set, which is for those who work on Ink.
  external: ['react-devtools-core'],
  alias: { 'string-width': './cli/ui/ink-width.ts' },
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
  // Packages in CommonJS ask for Node's own modules.
  banner: {
    js: "import { createRequire as ttRequire } from 'node:module'; const require = ttRequire(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
});
// A dependency that brings a copy of its own would measure text its own way, and slowly.
if (Object.keys(metafile.inputs).some((file) => file.includes('node_modules/string-width/')))
  throw new Error('string-width is in the bundle: cli/ui/ink-width.ts should stand in its place');
// Only now, and only what is of no use any more: a tt that runs meanwhile finds the chunks that it has not loaded yet.
const made = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
for (const file of readdirSync(outdir)) {
  if (!made.has(file)) rmSync(`${outdir}/${file}`, { recursive: true, force: true });
}
