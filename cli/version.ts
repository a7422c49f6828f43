// The version from package.json, wherever we run from: the sources or dist.
import { readFileSync } from 'node:fs';

/** `../package.json` from cli/, `../../package.json` from dist/program/. */
const CANDIDATES = ['../package.json', '../../package.json'];

export function ttVersion(): string {
  for (const candidate of CANDIDATES) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(candidate, import.meta.url), 'utf8')) as {
        readonly version?: unknown;
      };
      if (typeof manifest.version === 'string') return manifest.version;
    } catch {
      // The next one.
    }
  }
  return 'unknown';
}
