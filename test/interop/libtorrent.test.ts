// tt with libtorrent, both ways, in every combination.
import { libtorrent } from './support/libtorrent.ts';
import { defineMatrix } from './support/matrix.ts';

defineMatrix(libtorrent);
