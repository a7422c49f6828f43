// tt with aria2, both ways, in every combination.
import { aria2 } from './support/aria2.ts';
import { defineMatrix } from './support/matrix.ts';

defineMatrix(aria2);
