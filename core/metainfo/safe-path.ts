// Turns what a torrent calls its files into paths that are safe to create below one folder, whatever the torrent says.
// Invariant: no component is empty, `.`, `..`, over 255 bytes, or holds a separator or control character; no two files of a
// torrent share a path; no file's path runs through another file (so never through a symlink of BEP 47).

/**
 * What the target's file system minds. `macos` and `windows` also tell upper from lower case nowhere; names such as `aux` or
 * `what?` are kept on `posix`, because data that other clients put there carries them.
 */
export type PathRules = 'posix' | 'macos' | 'windows';

/** @param platform as in `process.platform` */
export function pathRulesFor(platform: string): PathRules {
  if (platform === 'win32') return 'windows';
  return platform === 'darwin' ? 'macos' : 'posix';
}

/** NAME_MAX nearly everywhere. */
const MAX_COMPONENT_BYTES = 255;
/** A longer "extension" is part of the name. */
const MAX_EXTENSION_BYTES = 20;
const REPLACEMENT = '_';

// Separators of any system; C0, DEL and C1 controls; line and paragraph separators; bidi overrides and isolates that make
// `gpj.exe` look like a picture; what undecodable bytes became; lone surrogates and non-characters.
const NEVER_ALLOWED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
  /[/\\\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd\ufffe\uffff]|\p{Surrogate}/gu;
const WINDOWS_FORBIDDEN = /[<>:"|?*]/g;
const WINDOWS_TRAILING = /[. ]+$/;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)/i;

/** One component that can be created anywhere below a folder. Never empty; already safe text comes back unchanged. */
export function safeComponent(text: string, rules: PathRules = 'posix'): string {
  if (text === '' || text === '.' || text === '..') return REPLACEMENT;
  let safe = text.replace(NEVER_ALLOWED, REPLACEMENT);
  if (rules === 'macos') safe = safe.replaceAll(':', REPLACEMENT);
  if (rules === 'windows') {
    safe = safe.replace(WINDOWS_FORBIDDEN, REPLACEMENT);
    safe = safe.replace(WINDOWS_TRAILING, (tail) => REPLACEMENT.repeat(tail.length));
    if (WINDOWS_DEVICE.test(safe)) safe = REPLACEMENT + safe;
  }
  return shortened(safe, '');
}

/** A whole path: components that say nothing (empty, `.`) go, the rest are made safe. At least one remains. */
export function safeComponents(parts: readonly string[], rules: PathRules = 'posix'): string[] {
  const safe = parts.filter((part) => part !== '' && part !== '.').map((part) => safeComponent(part, rules));
  return safe.length > 0 ? safe : [REPLACEMENT];
}

/** Whether `component` is what safeComponent would leave alone. */
export function isSafeComponent(component: string, rules: PathRules = 'posix'): boolean {
  return safeComponent(component, rules) === component;
}

/** `stem` + `suffix` + extension in at most MAX_COMPONENT_BYTES of UTF-8, cut between code points. */
function shortened(name: string, suffix: string): string {
  if (suffix === '' && byteLength(name) <= MAX_COMPONENT_BYTES) return name;
  const dot = name.lastIndexOf('.');
  const hasExtension = dot > 0 && byteLength(name.slice(dot)) <= MAX_EXTENSION_BYTES;
  const extension = hasExtension ? name.slice(dot) : '';
  const stem = hasExtension ? name.slice(0, dot) : name;
  return (
    truncated(stem, MAX_COMPONENT_BYTES - byteLength(suffix) - byteLength(extension)) + suffix + extension
  );
}

function truncated(text: string, maxBytes: number): string {
  // Every UTF-16 unit is at least one byte of UTF-8.
  let kept = '';
  let bytes = 0;
  for (const point of text) {
    bytes += byteLength(point);
    if (bytes > maxBytes) break;
    kept += point;
  }
  return kept;
}

/** Bytes of the text in UTF-8: file systems and limits count those. */
export function byteLength(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** A folder of the tree under construction; a file is a child without children. */
interface Folder {
  readonly children: Map<string, Folder | null>;
  /** Next number to try for a name that was taken: many equal names cost linear time. */
  nextNumber: Map<string, number> | undefined;
}

/**
 * Gives every file a path of its own: a second file of the same name, or a file where another one needs a folder,
 * becomes `name (2).ext`. Same input, same output.
 * @param wanted safe components of each file, in the torrent's order
 */
export function assignPaths(
  wanted: readonly (readonly string[])[],
  rules: PathRules = 'posix',
): readonly (readonly string[])[] {
  const root = newFolder();
  const parents = wanted.map((path) => {
    let folder = root;
    for (let i = 0; i < path.length - 1; i++) {
      const key = foldName(path[i] as string, rules);
      let next = folder.children.get(key);
      if (next === undefined || next === null) {
        next = newFolder();
        folder.children.set(key, next);
      }
      folder = next;
    }
    return folder;
  });
  return wanted.map((path, i) => {
    const folder = parents[i] as Folder;
    const name = path[path.length - 1] as string;
    const free = freeName(folder, name, rules);
    folder.children.set(foldName(free, rules), null);
    return free === name ? path : [...path.slice(0, -1), free];
  });
}

function newFolder(): Folder {
  return { children: new Map(), nextNumber: undefined };
}

function freeName(folder: Folder, name: string, rules: PathRules): string {
  const key = foldName(name, rules);
  if (!folder.children.has(key)) return name;
  for (let number = folder.nextNumber?.get(key) ?? 2; ; number++) {
    const candidate = shortened(name, ` (${number})`);
    if (folder.children.has(foldName(candidate, rules))) continue;
    folder.nextNumber ??= new Map();
    folder.nextNumber.set(key, number + 1);
    return candidate;
  }
}

/** Equal for names that one file system takes for the same. Merging too much only renames a file needlessly. */
function foldName(name: string, rules: PathRules): string {
  return rules === 'posix' ? name : name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}
