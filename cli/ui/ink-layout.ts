// Ink's layout engine, which its own package loads with a top-level `await`: scripts, as which the program is loaded
// (bin/scripts.cjs), know none. The bundle puts this in place of `yoga-layout`, and whoever mounts a screen waits for it.
import { loadYoga, type Yoga } from 'yoga-layout/load';

const layout: Partial<Yoga> = {};
export default layout;

/** To be waited for before anything is drawn. */
export async function loadLayout(): Promise<void> {
  Object.assign(layout, await loadYoga());
}
