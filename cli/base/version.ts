// The version from package.json, wherever we run from: the sources or dist.
import { readFileSync } from 'node:fs';

/** The same way up from cli/base/ and from dist/program/. */
const MANIFEST = '../../package.json';

export function ttVersion(): string {
  try {
    const manifest = JSON.parse(readFileSync(new URL(MANIFEST, import.meta.url), 'utf8')) as {
      readonly version?: unknown;
    };
    return typeof manifest.version === 'string' ? manifest.version : 'unknown';
  } catch {
    return 'unknown';
  }
}
