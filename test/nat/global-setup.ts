// Once for all files: are we where networks may be made?
import { assertInside } from './requirements.ts';

export default function setup(): void {
  assertInside();
}
