// Once for a whole run of tests (vitest's globalSetup): one folder for all that the tests and the programs they start leave behind in the
// folder for temporary files, gone when the run ends. Workers that were killed, and programs of others, remove nothing themselves.
import { makeTempDir, ROOT_VARIABLE, type TempDir } from './temp.ts';

/** Gone with this process at the latest, however that ends. */
export function makeRunFolder(): TempDir {
  return makeTempDir('tt-run-');
}

/** For whatever shall leave its files there. */
export function runEnvironment({ path }: TempDir): Readonly<Record<string, string>> {
  return { [ROOT_VARIABLE]: path, TMPDIR: path };
}

export default function setup(): () => void {
  const dir = makeRunFolder();
  const own = runEnvironment(dir);
  const before = Object.keys(own).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, own);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    dir.remove();
  };
}
