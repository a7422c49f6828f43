// Everything that a stranger may try with a relay, from one host of a lab.   hostile-client-child.ts RELAY ATTACK COUNT [ARGUMENT]
// Says `done` with what came of it, and keeps its connections until it is stopped.
//   reservations   COUNT connections, each reserves with a key of its own      tickets   COUNT splices with tickets out of the air
//   silent         COUNT connections that say nothing                          nonces    COUNT calls of torrent ARGUMENT with one nonce
//   calls          COUNT calls of torrent ARGUMENT, each with another nonce    pushes    COUNT calls left for the key ARGUMENT
import net from 'node:net';
import { fromHex } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { encodeFrame } from '../../../core/relay/frame.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { NONCE_BYTES, type RelayMessage } from '../../../core/relay/messages.ts';
import { encodeItem } from '../../../core/relay/queue-item.ts';
import { systemRng } from '../../../core/session/system.ts';
import { placeOf, RelaySpeaker, say, UNKNOWN_FACTS } from './relay-speaker.ts';

const AT_ONCE = 20;
const ANSWER_MS = 5_000;
/** Before the relay takes a link for a flood of messages. */
const MESSAGES_A_LINK = 100;
const TORRENT = new Uint8Array(20).fill(9);

const [relayText = '', attack = '', countText = '', argumentText = ''] = process.argv.slice(2);
const relay = placeOf(relayText);
const count = Number(countText);
const argument = fromHex(argumentText) ?? new Uint8Array(0);
const results: Record<string, number> = {};
const note = (what: string): void => {
  results[what] = (results[what] ?? 0) + 1;
};

/** `work` for each number below `count`, some at a time. */
async function forAll(work: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++).catch(() => note('not connected'));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The next message of one of these types, or why there is none. */
function answer(speaker: RelaySpeaker, types: readonly RelayMessage['type'][]): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(() => resolve('silence'), ANSWER_MS);
    speaker.onClose = () => resolve('closed');
    speaker.onMessage = (message) => {
      if (!types.includes(message.type)) return;
      resolve(message.type === 'refuse' ? `refused: ${message.code}` : message.type);
    };
  });
}

async function reservations(): Promise<void> {
  await forAll(async () => {
    const speaker = await RelaySpeaker.connect(relay);
    const answered = answer(speaker, ['reserved', 'refuse']);
    speaker.reserve([TORRENT]);
    note(await answered);
  });
}

/** @param first bytes of each connection; it is kept until the relay hangs up */
async function connections(first: () => Uint8Array): Promise<void> {
  await forAll(
    () =>
      new Promise((resolve, reject) => {
        const socket = net.connect(relay.port, relay.host, () => {
          socket.write(first());
          if (attack === 'silent') resolve();
        });
        socket.on('error', reject);
        socket.on('close', () => {
          note('hung up');
          resolve();
        });
        socket.resume();
      }),
  );
}

/** One message after the other, over as many connections as that takes. */
async function messages(send: (speaker: RelaySpeaker) => void): Promise<void> {
  for (let sent = 0; sent < count; sent += MESSAGES_A_LINK) {
    const speaker = await RelaySpeaker.connect(relay).catch(() => undefined);
    if (speaker === undefined) {
      note('not connected');
      continue;
    }
    let isOpen = true;
    speaker.onClose = () => {
      isOpen = false;
      note('closed');
    };
    const beaten = new Promise<void>((resolve) => {
      setTimeout(resolve, ANSWER_MS);
      speaker.onMessage = (message) => {
        if (message.type === 'refuse') note(`refused: ${message.code}`);
        else if (message.type === 'beat') resolve();
        else note(message.type);
      };
    });
    for (let i = 0; i < MESSAGES_A_LINK && isOpen; i++) send(speaker);
    // What comes back after all others.
    speaker.send({ type: 'beat', count: 1, isEcho: false });
    await beaten;
  }
}

function push(speaker: RelaySpeaker): void {
  const identity = RelayIdentity.random(systemRng);
  const item = encodeItem(
    {
      target: argument,
      infoHash: TORRENT,
      nonce: randomBytes(systemRng, NONCE_BYTES),
      facts: UNKNOWN_FACTS,
      timeMs: Date.now(),
      ttlSeconds: 600,
    },
    identity,
  );
  speaker.send({ type: 'push', request: 1, key: argument, item });
}

const sameNonce = randomBytes(systemRng, NONCE_BYTES);
const attacks: Readonly<Record<string, () => Promise<void>>> = {
  reservations,
  tickets: () => connections(() => encodeFrame('splice', randomBytes(systemRng, NONCE_BYTES))),
  silent: () => connections(() => new Uint8Array(0)),
  nonces: () => messages((speaker) => speaker.call(argument, sameNonce)),
  calls: () => messages((speaker) => speaker.call(argument, randomBytes(systemRng, NONCE_BYTES))),
  pushes: () => messages(push),
};
await attacks[attack]?.();
say('done', results);
// Whatever is held is held on to.
setInterval(() => undefined, 60_000);
