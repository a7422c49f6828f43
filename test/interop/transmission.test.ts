// tt with transmission, both ways, in every combination.

import { defineMatrix } from './support/matrix.ts';
import { transmission } from './support/transmission.ts';

defineMatrix(transmission);
