// docs/explain.md: the definitions of core/account/causes.ts, with what is around them.
import { CAUSES } from '../../core/account/causes.ts';

export function explainMarkdown(): string {
  const rows = CAUSES.map(({ id, title, meaning }) => `| \`${id}\` | ${title} | ${meaning} |`);
  return `# Where the time of a download goes
\`tt explain\` prints it, \`tt download -v\` at its end, \`--json\` and \`--events\` hold it as \`account\` in each torrent of the result; the same numbers everywhere.
The table below is made of \`core/account/causes.ts\`; \`npm run docs\` writes this page.

## The time
The wall time is that in which tt ran for the torrent while it was not complete, over all runs. Every millisecond of it is charged to exactly one cause, so that the causes add up to it
exactly. What holds is the first of these that applies:

| \`time\` in JSON | shown as | holds when |
|---|---|---|
${rows.join('\n')}

How it is done: the engine is looked at after each twentieth of the time so far, but not more often than every 10 ms and not less often than every 100 ms, and whenever something changes at
one stroke (metadata complete, check done, a peer connected, paused, complete). What holds then is charged with the time since the last look. Nothing is added to the path of a block.
So what is shorter than the pause between two looks may go to its neighbour.

What these words cannot tell: a peer that sends slowly because *its* line, *its* limit or the path between is slow looks the same from here ("peers too slow").

## The cost
| in JSON | |
|---|---|
| \`bytes.downloaded\`, \`bytes.uploaded\` | payload; downloaded counts what was asked for, good or not |
| \`bytes.duplicate\` | payload that came a second time (endgame, a block given to another peer meanwhile) |
| \`bytes.failedHash\` | pieces that failed their hash |
| \`bytes.unrequested\` | payload nobody asked for |
| \`bytes.protocolReceived\`, \`bytes.protocolSent\` | everything else on peer connections: handshakes, messages, heads of blocks, metadata, blocks cut short. Without TCP, IP, trackers and DHT; and without transports that do not count |
| \`processor.userMs\`, \`processor.systemMs\` | of the whole tt process while the time above ran, all threads; where several torrents ran at once, shared by the payload each moved. The start of tt itself is not in it |
| \`peakMemoryBytes\` | resident memory of the process, the most there was |
| \`perGiB\` | processor time and peak memory divided by the payload downloaded; absent when there was none |

## The record
\`explain/INFOHASH.json\` in the state directory, for the newest 500 downloads. It is written every ten seconds and at the end, so a kill costs at most that. Runs are added up (\`runs\`) until the
download is complete; when files are missing again, or it goes to another folder, a new record begins. \`state\` is \`running\`, \`complete\`, \`paused\`, \`stopped\` or \`error\`; what is not complete says
why: \`lastCause\` is what it waited for in its last seconds, \`idleMs\` how long nothing had come, \`connectedPeers\`, \`knownPeers\` and \`availability\` who was there.
`;
}
