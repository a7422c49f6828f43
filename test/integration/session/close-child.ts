// A process that opens a session, gets into the thick of it, closes it, and tells what still keeps it alive after that.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { Session } from '../../../core/session/session.ts';

const [directory, port] = process.argv.slice(2) as [string, string];
const parsed = parseTorrent(readFileSync(join(directory, 'it.torrent')));
if (!parsed.ok) throw new Error(parsed.reason.what);
const session = new Session({
  portRange: [0, 0],
  bindAddresses: ['127.0.0.1'],
  stateDir: join(directory, 'state'),
  downLimit: 100_000,
  upLimit: 1,
});
await session.start();
const begun = new Promise<void>((resolve) => {
  session.subscribe((event) => event.kind === 'first-byte' && resolve());
});
await session.add({
  source: { metainfo: parsed.value },
  directory: join(directory, 'out'),
  peers: [
    { host: '127.0.0.1', port: Number(port) },
    // Nobody answers in the range for documentation.
    { host: '192.0.2.1', port: 9 },
    { host: '198.51.100.1', port: 9 },
  ],
});
await begun;
await session.close();
// What just closed tells so on the next turn.
await new Promise((resolve) => setImmediate(resolve));
console.log(`kept alive by ${JSON.stringify(process.getActiveResourcesInfo())}`);
