// One end of a splice that is kept full until it ends: run on two hosts of a lab.   splice-child.ts RELAY INFO_HASH wait|call flood|listen
import { fromHex } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { encodeFrame } from '../../../core/relay/frame.ts';
import { NONCE_BYTES } from '../../../core/relay/messages.ts';
import { systemRng } from '../../../core/session/system.ts';
import { dialTcp } from '../../../core/transport/tcp.ts';
import { placeOf, RelaySpeaker, say, UNKNOWN_FACTS } from './relay-speaker.ts';

const CHUNK = new Uint8Array(16 * 1024).fill(1);
const FULL_BYTES = 1 << 20;
const AGAIN_MS = 2;
const DIAL_MS = 10_000;

const [relayText = '', infoHashText = '', role = '', manner = ''] = process.argv.slice(2);
const relay = placeOf(relayText);
const infoHash = fromHex(infoHashText);
if (infoHash === undefined) throw new Error('no info hash');

async function open(ticket: Uint8Array): Promise<void> {
  const stream = await dialTcp(relay, { timeoutMs: DIAL_MS });
  let received = 0;
  let firstMs: number | undefined;
  let lastMs = 0;
  let isClosed = false;
  stream.events = {
    onBytes: (bytes) => {
      lastMs = performance.now();
      firstMs ??= lastMs;
      received += bytes.length;
    },
    onDrain: () => {},
    onClose: () => {
      isClosed = true;
      // A splice without bytes lasts from its opening.
      const fromMs = firstMs ?? openedMs;
      say('closed', {
        received,
        flowMs: lastMs - fromMs,
        openMs: performance.now() - openedMs,
      });
    },
  };
  const openedMs = performance.now();
  stream.write(encodeFrame('splice', ticket));
  say('open');
  if (manner !== 'flood') return;
  const more = (): void => {
    if (isClosed) return;
    while (stream.queuedBytes < FULL_BYTES) stream.write(CHUNK);
    setTimeout(more, AGAIN_MS);
  };
  more();
}

const speaker = await RelaySpeaker.connect(relay);
speaker.onMessage = (message) => {
  switch (message.type) {
    case 'reserved':
      say('reserved');
      break;
    case 'called':
      speaker.send({ type: 'answer', nonce: message.nonce, way: 'splice', facts: UNKNOWN_FACTS });
      break;
    case 'ticket':
      void open(message.ticket);
      break;
    case 'refuse':
      say('refused', { of: message.of, code: message.code });
  }
};
if (role === 'wait') speaker.reserve([infoHash]);
else speaker.call(infoHash, randomBytes(systemRng, NONCE_BYTES));
