// Modules of the bundle as scripts: only of a script can V8 be asked, after it ran, for the code that it compiled on the way
// (bin/scripts.cjs). Imports are taken once, when a script is loaded: names that are assigned later would be missed.

const STATIC_IMPORT = /^import (?:([\w$]+) from )?(?:\{([^}]*)\} from )?"([^"]+)";$/gm;
const LATE_IMPORT = /\bimport\("([^"]+)"\)/g;
const EXPORT = /^export \{([^}]*)\};$/gm;
const IMPORT_META_URL = /\bimport\.meta\.url\b/g;

function namesIn(list) {
  const names = list.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '').map((name) => name.split(' as '));
}

/**
 * @param {string} code a module as esbuild prints it
 * @returns {string} the body of a function of (exports, require, scriptUrl)
 */
export function asScript(code) {
  return code
    .replace(STATIC_IMPORT, (_, main, list, from) => {
      const parts = namesIn(list ?? '').map(([theirs, ours = theirs]) =>
        theirs === ours ? ours : `${theirs}: ${ours}`,
      );
      const target = main ?? (parts.length === 0 ? undefined : `{ ${parts.join(', ')} }`);
      return `${target === undefined ? '' : `const ${target} = `}require("${from}");`;
    })
    .replace(LATE_IMPORT, (_, from) => `Promise.resolve().then(() => require("${from}"))`)
    .replace(EXPORT, (_, list) => {
      const parts = namesIn(list).map(([ours, theirs = ours]) => `${theirs}: ${ours}`);
      return `Object.assign(exports, { ${parts.join(', ')} });`;
    })
    .replace(IMPORT_META_URL, 'scriptUrl');
}

/**
 * @param {string} script
 * @returns {string[]} exported variables that are assigned to again after their first value
 */
export function changingExports(script) {
  const list = /^Object\.assign\(exports, \{ (.*) \}\);$/m.exec(script)?.[1] ?? '';
  const names = list.split(', ').map((part) => part.split(': ')[1] ?? '');
  return names.filter((name) => {
    const word = `(?<![\\w$.#])${name.replaceAll('$', '\\$')}(?![\\w$])`;
    const declared = new RegExp(`^(?:var|let) ${word}( =)?`, 'm').exec(script);
    const assigned = new RegExp(
      `${word}\\s*(?:[^\\s\\w=!<>]{1,3}|<<|>>>?)?=(?![=>])|${word}(?:\\+\\+|--)|(?:\\+\\+|--)${word}`,
      'g',
    );
    if (name === '' || declared === null) return false;
    return (script.match(assigned)?.length ?? 0) > (declared[1] === undefined ? 0 : 1);
  });
}
