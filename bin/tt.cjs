#!/usr/bin/env node
// Starts tt under a Node that can run it: this one, else the bundled Node 24, else a clear word about what to do.
// Plain CommonJS without newer syntax, so that an old Node can read it far enough to say so.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const WANTED_MAJOR = 24;
/** Below this the packages tt is made of do not load at all. */
const LEAST = [20, 19];
/** The launcher's pid, for the re-executed child; being there, it keeps a mislabelled bundled Node from starting a chain. */
const RELAUNCHED = 'TT_RELAUNCHED';
const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];
const SIGNAL_EXIT_BASE = 128;
/** How soon a program notices that its launcher was killed. */
const ORPHAN_CHECK_MS = 500;

const root = path.dirname(__dirname);
const program = path.join(root, 'dist', 'program');

function fail(what, advice) {
  process.stderr.write(`tt: ${what}\n    ${advice}\n`);
  process.exit(1);
}

function hasVersion(version, major, minor) {
  const parts = version.split('.').map(Number);
  return parts[0] > major || (parts[0] === major && parts[1] >= minor);
}

/** Only from the tree tt itself is installed in: the working directory may be a downloaded one. */
function bundledNode() {
  const packages = [
    `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`,
    `node-bin-${process.platform}-${process.arch}`,
  ];
  for (const name of packages) {
    try {
      const manifestPath = require.resolve(`${name}/package.json`, { paths: [root] });
      const manifest = JSON.parse(fs.readFileSync(manifestPath, 'utf8'));
      const program = path.join(
        path.dirname(manifestPath),
        'bin',
        process.platform === 'win32' ? 'node.exe' : 'node',
      );
      if (hasVersion(manifest.version, WANTED_MAJOR, 0) && fs.existsSync(program)) return program;
    } catch (_notInstalled) {
      // The next name, or none.
    }
  }
  return undefined;
}

function relaunch(program) {
  const { spawn } = require('node:child_process');
  const child = spawn(program, process.execArgv.concat(__filename, process.argv.slice(2)), {
    stdio: 'inherit',
    env: Object.assign({}, process.env, { [RELAUNCHED]: String(process.pid) }),
  });
  for (const signal of FORWARDED_SIGNALS) {
    try {
      process.on(signal, () => child.kill(signal));
    } catch (_unknownHere) {
      // Not every system has every signal.
    }
  }
  child.on('error', (error) =>
    fail(`cannot start the bundled Node at ${program}: ${error.message}`, 'reinstall with "npm ci".'),
  );
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : SIGNAL_EXIT_BASE + (os.constants.signals[signal] || 0));
  });
}

/** A launcher that is killed outright cannot pass it on: its program would go on, and keep the torrent locked. */
function endWithLauncher(pid) {
  if (!(pid > 0) || process.platform === 'win32') return;
  const check = setInterval(() => {
    if (process.ppid === pid) return;
    clearInterval(check);
    process.kill(process.pid, 'SIGTERM');
  }, ORPHAN_CHECK_MS);
  check.unref();
}

/** Where what V8 compiled is kept for the next run of the same command. */
function cacheFile() {
  if (process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return undefined;
  const home = process.env.TT_HOME;
  const cache = home
    ? path.join(home, 'cache')
    : path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'tt');
  const command = /^[a-z][a-z-]{1,20}$/.test(process.argv[2] || '') ? process.argv[2] : 'tt';
  return path.join(cache, 'code', command);
}

function start() {
  const { ENTRY, scriptsIn } = require('./scripts.cjs');
  if (!fs.existsSync(path.join(program, ENTRY))) {
    fail(`tt is not built yet: ${program} is missing.`, `Run "npm run build" in ${root}.`);
  }
  endWithLauncher(Number(process.env[RELAUNCHED]));
  delete process.env[RELAUNCHED];
  if (process.env.NODE_ENV === undefined) process.env.NODE_ENV = 'production';
  let main;
  try {
    ({ main } = scriptsIn(program, cacheFile())(ENTRY));
  } catch (error) {
    fail(`cannot load ${program}: ${error.stack}`, 'Run "npm ci" and "npm run build" again.');
  }
  main();
}

const version = process.versions.node;
if (hasVersion(version, WANTED_MAJOR, 0)) {
  start();
} else {
  const newer = process.env[RELAUNCHED] === undefined ? bundledNode() : undefined;
  if (newer !== undefined) {
    relaunch(newer);
  } else if (hasVersion(version, LEAST[0], LEAST[1])) {
    process.stderr.write(
      `tt: warning: Node ${version} is past its end of life; tt is made for Node ${WANTED_MAJOR} or newer.\n`,
    );
    start();
  } else {
    fail(
      `Node ${version} is too old, and no bundled Node ${WANTED_MAJOR} is installed.`,
      `Install Node ${WANTED_MAJOR} or newer from https://nodejs.org and run tt again.`,
    );
  }
}
