// bin/tt.cjs: which Node runs, what it says when none can, and that nothing is lost between parent and child.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run, start } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { launcher, makePlace, root, TIMEOUT_MS } from './support.ts';

const place = makePlace();

/** A Node that is too old for tt but can read the launcher, if this machine has one. */
function findOldNode(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    try {
      const file = `${folder}/node`;
      const version = execFileSync(file, ['--version'], { encoding: 'utf8' });
      if (Number(/^v(\d+)/.exec(version)?.[1]) < 24) return file;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

const oldNode = findOldNode();
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };

/** A copy of the launcher in a tree of its own, with a program that shows how it was started. */
function fakeTree(program: string | undefined): {
  readonly path: string;
  readonly launcher: string;
  remove(): void;
} {
  const dir = makeTempDir('tt-launcher-');
  cpSync(dirname(launcher), `${dir.path}/bin`, { recursive: true });
  writeFileSync(`${dir.path}/package.json`, '{"type":"module"}');
  if (program !== undefined) {
    mkdirSync(`${dir.path}/dist/program`, { recursive: true });
    writeFileSync(`${dir.path}/dist/program/main.cjs`, `exports.main = () => {\n${program}\n};\n`);
  }
  return { path: dir.path, launcher: `${dir.path}/bin/tt.cjs`, remove: () => dir.remove() };
}

/** A platform package whose "node" is a script of ours. */
function installFakeNode(path: string, version: string, script: string): void {
  const folder = `${path}/node_modules/node-${process.platform}-${process.arch}`;
  mkdirSync(`${folder}/bin`, { recursive: true });
  writeFileSync(`${folder}/package.json`, JSON.stringify({ name: 'x', version }));
  writeFileSync(`${folder}/bin/node`, script);
  chmodSync(`${folder}/bin/node`, 0o755);
}

describe('with a Node that can run tt', () => {
  it('runs the program in this process, for production, with arguments untouched', async () => {
    const tree = fakeTree(
      'console.log(JSON.stringify([process.env.NODE_ENV, process.argv.slice(2), process.env.TT_RELAUNCHED]));',
    );
    const result = await run(process.execPath, [tree.launcher, 'a b', '--x', "'"], { env: place.env });
    expect(JSON.parse(result.stdout)).toEqual(['production', ['a b', '--x', "'"], null]);
    expect(result.stderr).toBe('');
    tree.remove();
  });

  it('says what to do when tt was not built', async () => {
    const tree = fakeTree(undefined);
    const result = await run(process.execPath, [tree.launcher, '--help'], { env: place.env });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('npm run build');
    tree.remove();
  });

  it('a cache folder that cannot be written costs nothing but time', async () => {
    const result = await run(process.execPath, [launcher, '--version'], {
      env: { ...place.env, TT_HOME: '/dev/null/nowhere' },
    });
    expect(result).toMatchObject({ code: 0, stdout: manifest.version, stderr: '' });
  });
});

describe.skipIf(oldNode === undefined)('with an older Node', () => {
  const old = oldNode as string;

  it('the bundled Node takes over; results, input and exit codes pass through', async () => {
    const version = await run(old, [launcher, '--version'], { env: place.env });
    expect(version).toMatchObject({ code: 0, stdout: manifest.version, stderr: '' });
    expect(
      (await run(old, [launcher, 'info', 'missing.torrent'], { env: place.env, cwd: place.path })).code,
    ).toBe(8);
    expect((await run(old, [launcher, 'frobnicate'], { env: place.env })).code).toBe(2);
  });

  it('a signal to the launcher alone reaches the program', async () => {
    const child = start(old, [launcher, 'tracker', 'serve', '-p', '0', '--host', '127.0.0.1', '--events'], {
      env: place.env,
    });
    await child.waitForLine(/"event":"listening"/, TIMEOUT_MS);
    process.kill(child.pid, 'SIGTERM');
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(143);
    expect(JSON.parse(result.stdout.split('\n').at(-1) as string)).toMatchObject({
      event: 'result',
      reason: 'terminated',
    });
  });

  it('Ctrl-C, which reaches both, still ends cleanly', async () => {
    const child = start(old, [launcher, 'tracker', 'serve', '-p', '0', '--host', '127.0.0.1', '--events'], {
      env: place.env,
    });
    await child.waitForLine(/"event":"listening"/, TIMEOUT_MS);
    child.signal('SIGINT');
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(130);
    expect(JSON.parse(result.stdout.split('\n').at(-1) as string)).toMatchObject({
      event: 'result',
      reason: 'interrupted',
    });
  });

  it('a launcher that is killed takes the program along, in good order', async () => {
    const child = start(old, [launcher, 'tracker', 'serve', '-p', '0', '--host', '127.0.0.1', '--events'], {
      env: place.env,
    });
    await child.waitForLine(/"event":"listening"/, TIMEOUT_MS);
    process.kill(child.pid, 'SIGKILL');
    await child.waitForLine(/"event":"result".*"reason":"terminated"/, TIMEOUT_MS);
  });

  it('a program that is killed is 128 + the signal', async () => {
    const tree = fakeTree('');
    installFakeNode(tree.path, '24.1.0', '#!/bin/sh\nkill -KILL $$\n');
    expect((await run(old, [tree.launcher], { env: place.env })).code).toBe(137);
    tree.remove();
  });

  it('a bundled Node that is too old itself is not used, and starts no chain', async () => {
    const tree = fakeTree('console.log("ran on " + process.versions.node.split(".")[0]);');
    installFakeNode(tree.path, '22.0.0', '#!/bin/sh\necho wrong\n');
    const result = await run(old, [tree.launcher], { env: place.env });
    expect(result.stdout).toMatch(/^ran on 2[0-3]$/);
    // One that claims to be new and is not.
    installFakeNode(tree.path, '24.0.0', `#!/bin/sh\nexec "${old}" "$@"\n`);
    const chained = await run(old, [tree.launcher], { env: place.env });
    expect(chained.stdout).toMatch(/^ran on 2[0-3]$/);
    tree.remove();
  });

  it('nothing is run from the working directory', async () => {
    const tree = fakeTree('console.log("ours");');
    const trap = makeTempDir('tt-trap-');
    installFakeNode(trap.path, '24.0.0', '#!/bin/sh\necho trapped\n');
    const result = await run(old, [tree.launcher], { env: place.env, cwd: trap.path });
    expect(result.stdout).toBe('ours');
    tree.remove();
    trap.remove();
  });

  it('without a bundled Node it goes on with one line of warning', async () => {
    const tree = fakeTree('console.log("ran");');
    const result = await run(old, [tree.launcher], { env: place.env });
    expect(result).toMatchObject({ code: 0, stdout: 'ran' });
    expect(result.stderr).toMatch(/^tt: warning: Node 2\d\..*$/);
    tree.remove();
  });
});

it('a Node too old for anything is told so, with what to do', async () => {
  const tree = fakeTree('console.log("ran");');
  // The same launcher under a version that does not exist here.
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '18.20.0' }); require(${JSON.stringify(tree.launcher)});`;
  const result = await run(process.execPath, ['-e', pretend], { env: place.env });
  expect(result.code).toBe(1);
  expect(result.stdout).toBe('');
  expect(result.stderr).toContain('Node 18.20.0 is too old');
  expect(result.stderr).toContain('https://nodejs.org');
  tree.remove();
});
