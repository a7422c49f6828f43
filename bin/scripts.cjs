// Loads the program's scripts (dist/program, made by tools/bundle.mjs) with what V8 compiled of them when they ran before. Node's own
// compile cache is made before a module runs, so that every function is compiled again when it is first called.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const vm = require('node:vm');

/** A cache is written when this much of a run is over, and at its end. */
const WARM_MS = 5000;
/** From then on V8 throws code away that is no longer called, so that only scripts are added that no cache had. */
const LATE_MS = 2 * WARM_MS;
/** A cache from a run that was half as long knows about as much. */
const LONGER = 2;
const FORMAT = 1;
/** Length of the head, its checksum, the checksum of all that follows: 32 bits each. */
const PREFIX_BYTES = 12;

/** The first script: it names those that it needs. */
const ENTRY = 'main.cjs';

/**
 * One file for each command, since V8 reads all of what it is given, needed or not: prefix, head (JSON), pieces of code one after another.
 * @returns {{ livedMs: number, pieces: Map<string, Buffer> } | undefined} undefined: none, of another program or Node, or damaged
 */
function readCache(file, key) {
  try {
    const bytes = fs.readFileSync(file);
    const { crc32 } = require('node:zlib');
    const headBytes = bytes.readUInt32LE(0);
    const head = bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headBytes);
    const body = bytes.subarray(PREFIX_BYTES + headBytes);
    // V8 does not look: damaged code would crash.
    if (crc32(head) !== bytes.readUInt32LE(4) || crc32(body) !== bytes.readUInt32LE(8)) return undefined;
    const known = JSON.parse(head.toString());
    if (known.key !== key) return undefined;
    const pieces = new Map();
    let at = 0;
    for (const [name, length] of known.pieces) {
      pieces.set(name, body.subarray(at, at + length));
      at += length;
    }
    return { livedMs: known.livedMs, pieces };
  } catch (_noneYet) {
    return undefined;
  }
}

function writeCache(file, key, livedMs, pieces) {
  const unfinished = `${file}.${process.pid}`;
  try {
    const { crc32 } = require('node:zlib');
    const lengths = Array.from(pieces, ([name, code]) => [name, code.length]);
    const head = Buffer.from(JSON.stringify({ key, livedMs, pieces: lengths }));
    const body = Buffer.concat(Array.from(pieces.values()));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32LE(head.length, 0);
    prefix.writeUInt32LE(crc32(head), 4);
    prefix.writeUInt32LE(crc32(body), 8);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(unfinished, Buffer.concat([prefix, head, body]), { mode: 0o600 });
    fs.renameSync(unfinished, file);
  } catch (_unwritable) {
    // Only speed is lost.
    try {
      fs.unlinkSync(unfinished);
    } catch (_notEvenBegun) {}
  }
}

/**
 * @param {string} folder of the scripts
 * @param {string | undefined} cacheFile undefined: no cache
 * @returns {(name: string) => object} loads a script once and gives what it exports
 */
function scriptsIn(folder, cacheFile) {
  // V8 itself refuses code of another version of its own or under other flags, but of the source it knows the length alone. The names
  // of scripts are made of what they hold, and the first one names those that it needs.
  const key = [
    FORMAT,
    process.version,
    process.arch,
    ...process.execArgv,
    fs.readFileSync(path.join(folder, ENTRY), 'utf8'),
  ].join('\n');
  const cache = cacheFile === undefined ? undefined : readCache(cacheFile, key);
  const pieces = cache === undefined ? new Map() : cache.pieces;
  let livedMs = cache === undefined ? 0 : cache.livedMs;
  const scripts = new Map();
  const exportsOf = new Map();

  function load(name) {
    const known = exportsOf.get(name);
    if (known !== undefined) return known;
    const filename = path.join(folder, name);
    const source = fs.readFileSync(filename, 'utf8');
    const script = new vm.Script(`(function (exports, require, scriptUrl) { "use strict"; ${source}\n})`, {
      filename,
      cachedData: pieces.get(name),
    });
    if (script.cachedDataRejected) pieces.delete(name);
    scripts.set(name, script);
    const exported = {};
    exportsOf.set(name, exported);
    const demand = (wanted) =>
      wanted.startsWith('./')
        ? load(wanted.slice(2))
        : require('node:module').createRequire(filename)(wanted);
    script.runInThisContext()(exported, demand, pathToFileURL(filename).href);
    return exported;
  }

  function keep() {
    const ranMs = performance.now();
    const isLonger = ranMs < LATE_MS && ranMs >= livedMs * LONGER;
    const wanted = Array.from(scripts.keys()).filter((name) => isLonger || !pieces.has(name));
    if (wanted.length === 0) return;
    for (const name of wanted) pieces.set(name, scripts.get(name).createCachedData());
    livedMs = Math.max(livedMs, ranMs);
    writeCache(cacheFile, key, livedMs, pieces);
  }

  if (cacheFile !== undefined) {
    // Not for a line that nobody could read: a file for each word that is mistyped.
    process.once('exit', (code) => code !== 2 && keep());
    setTimeout(keep, WARM_MS).unref();
  }
  return load;
}

module.exports = { scriptsIn, ENTRY };
