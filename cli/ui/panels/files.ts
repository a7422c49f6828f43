// The files, how far each is and how much it is wanted.
import type { FilePriority, FileSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { shareBar } from '../../terminal/charts.ts';
import { safeText } from '../../terminal/text.ts';
import { formatBytes, formatShare } from '../../terminal/units.ts';
import type { Line } from '../styled.ts';
import { type Column, tableLines } from '../table.ts';

const BAR_COLUMNS = 16;

const PRIORITY_NAMES: Readonly<Record<FilePriority, string>> = {
  0: 'skip',
  1: '1 last',
  2: '2',
  3: '3',
  4: '4 normal',
  5: '5',
  6: '6',
  7: '7 first',
};

const share = ({ verifiedBytes, length }: FileSnapshot): string => formatShare(verifiedBytes, length);

const COLUMNS: readonly Column<FileSnapshot>[] = [
  { title: '#', width: 5, align: 'right', text: (file) => String(file.index + 1) },
  {
    title: 'Priority',
    width: 8,
    text: (file) => PRIORITY_NAMES[file.priority],
    tone: (file) => (file.priority === 0 ? 'dim' : undefined),
  },
  { title: 'Done', width: 6, align: 'right', text: share },
  {
    title: '',
    width: BAR_COLUMNS,
    fromColumns: 100,
    text: (file) => shareBar(file.length === 0 ? 1 : file.verifiedBytes / file.length, BAR_COLUMNS),
    tone: () => 'good',
  },
  { title: 'Size', width: 9, align: 'right', text: (file) => formatBytes(file.length) },
  { title: 'Name', width: 0, text: (file) => safeText(file.path) },
];

export function fileLines(torrent: TorrentSnapshot, width: number, height: number, cursor: number): Line[] {
  return tableLines({
    columns: COLUMNS,
    rows: torrent.files,
    cursor,
    width,
    height,
    empty: 'the files are not known before the metadata is there',
  });
}
