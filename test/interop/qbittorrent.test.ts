// tt with qbittorrent, both ways, in every combination.

import { defineMatrix } from './support/matrix.ts';
import { qbittorrent } from './support/qbittorrent.ts';

defineMatrix(qbittorrent);
