// Imports of Node's own modules, in a bundled file, become looks at the module itself. An `import` of one makes a facade that reads
// every export there is, and some are made when they are first read: `node:http` loads a whole HTTP client for its WebSocket, 30 ms
// that nobody asked for.
const IMPORT = /^import (?:(?:\* as )?([\w$]+)|(?:([\w$]+), )?\{([^}]*)\}) from "node:([\w/]+)";$/gm;

/** @param {string} code as esbuild prints it @returns {string} */
export function withoutFacades(code) {
  return code.replace(IMPORT, (_, whole, main, names = '', module) => {
    const from = `process.getBuiltinModule("node:${module}")`;
    const parts = names.split(',').map((part) => part.trim().replace(' as ', ': '));
    const list = parts.filter((part) => part !== '').join(', ');
    const object = whole ?? main;
    return [
      ...(object === undefined ? [] : [`const ${object} = ${from};`]),
      ...(list === '' ? [] : [`const { ${list} } = ${from};`]),
    ].join(' ');
  });
}
