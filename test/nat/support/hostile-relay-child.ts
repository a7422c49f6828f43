// A relay and a neighbour that want their peers to attack somebody: run on a host in the open.
//   hostile-relay-child.ts ADDRESS RELAY_PORT PEER_PORT INFO_HASH COUNT TARGET [TARGET ...]      (targets are host:port of IPv4)
// Whoever reserves here is told of COUNT callers, and of COUNT calls that were left for him, at the targets in turn; whoever calls is led to the
// first; whoever connects as a peer of the torrent gets COUNT `connect` of BEP 55. Says `reserved`, `joined`, `answers`, `sent`.
import net from 'node:net';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { ROLE } from '../../../core/relay/client-port.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { ControlLink } from '../../../core/relay/io/control-link.ts';
import { allShardKeys } from '../../../core/relay/keys.ts';
import { decodeMessage, encodeMessage } from '../../../core/relay/message-codec.ts';
import {
  CHALLENGE_BYTES,
  NONCE_BYTES,
  type PeerRecord,
  type ReserveMessage,
  type ToPeer,
} from '../../../core/relay/messages.ts';
import { encodeItem } from '../../../core/relay/queue-item.ts';
import { systemRng } from '../../../core/session/system.ts';
import { listenTcp } from '../../../core/transport/tcp.ts';
import { encodeHolepunch } from '../../../core/wire/ut-holepunch.ts';
import { frame, handshakeBytes, RawPeer } from '../../integration/session/raw-peer.ts';
import { type Place, placeOf, say } from './relay-speaker.ts';

const EXTENDED = 20;
/** BEP 10, and nothing else that would be answered. */
const RESERVED_BITS = Uint8Array.of(0, 0, 0, 0, 0, 0x10, 0, 0);
/** Whole bursts, a little apart: what a peer has to read at once stays small. */
const BURST = 50;
const BURST_MS = 40;
/** The test keeps so many lines only. */
const ANSWERS_A_LINE = 100;

const [address = '', relayPort = '', peerPort = '', infoHashText = '', countText = '', ...targetTexts] =
  process.argv.slice(2);
const infoHash = fromHex(infoHashText) ?? new Uint8Array(20);
const count = Number(countText);
const targets = targetTexts.map(placeOf);
const shardKeys = allShardKeys();
const targetOf = (i: number): Place => targets[i % targets.length] as Place;
const random = (bytes: number): Uint8Array => randomBytes(systemRng, bytes);

function inBursts(send: (i: number) => void): void {
  let sent = 0;
  const burst = (): void => {
    for (let i = 0; i < BURST && sent < count; i++) send(sent++);
    if (sent < count) setTimeout(burst, BURST_MS);
    else say('sent');
  };
  burst();
}

// --- a relay

/** Open ones are dialled, others punched to: both ways are tried. */
function recordOf(i: number): PeerRecord {
  const { host, port } = targetOf(i);
  return {
    host,
    tcpPort: port,
    udpPort: port,
    sourcePort: port,
    isUtp: true,
    key: random(32),
    state: i % 2 === 0 ? 'open' : 'eim',
    filter: 'apdf',
  };
}

function attack(link: ControlLink, { key }: ReserveMessage): void {
  const send = (message: ToPeer): void => link.send(encodeMessage(message));
  const callers = new Map<string, PeerRecord>();
  answersTo = (nonce, way) => {
    const peer = callers.get(toHex(nonce));
    if (peer !== undefined && way !== 'none') send({ type: 'go', nonce, way, peer, delayMs: 0 });
  };
  inBursts((i) => {
    const nonce = random(NONCE_BYTES);
    const caller = recordOf(i);
    callers.set(toHex(nonce), caller);
    send({ type: 'called', nonce, infoHash, caller, tried: [], rttMs: 10 });
    const { state, filter, tcpPort, udpPort } = caller;
    const item = encodeItem(
      {
        target: key,
        infoHash,
        nonce: random(NONCE_BYTES),
        facts: { state, filter, tcpPort, udpPort },
        timeMs: Date.now(),
        ttlSeconds: 600,
      },
      RelayIdentity.random(systemRng),
    );
    send({ type: 'items', request: 0, entries: [{ item, from: targetOf(i) }], hasMore: false });
    // Not asked for by anybody.
    send({ type: 'go', nonce: random(NONCE_BYTES), way: 'punch', peer: caller, delayMs: 0 });
  });
}

let answersTo: (nonce: Uint8Array, way: ToPeerWay) => void = () => {};
type ToPeerWay = Extract<ToPeer, { type: 'go' }>['way'];
let answers = 0;
let calls = 0;

await listenTcp(address, Number(relayPort), (stream) => {
  const roles = ROLE.signal | ROLE.splice | ROLE.queue;
  const offer = { version: 1, roles, free: 100, challenge: random(CHALLENGE_BYTES) };
  const options = {
    stream,
    rng: systemRng,
    policy: 'prefer',
    peerId: random(20),
    client: 'hostile',
    offer,
  } as const;
  const names = new Set(shardKeys.map(toHex));
  const known = { has: (key: Uint8Array) => names.has(toHex(key)), findBySkey: () => undefined };
  ControlLink.incoming(options, known, {
    onReady: () => {},
    onClose: () => {},
    onMessage: (link, payload) => {
      const message = decodeMessage(payload);
      if (!message.ok) return;
      if (message.value.type === 'beat' && !message.value.isEcho)
        link.send(encodeMessage({ ...message.value, isEcho: true }));
      if (message.value.type === 'answer') {
        if (++answers % ANSWERS_A_LINE === 0) say('answers', { count: answers });
        answersTo(message.value.nonce, message.value.way);
      }
      // Whoever calls is led to the victim, to dial it and to punch to it in turn.
      if (message.value.type === 'call') {
        const way = calls++ % 2 === 0 ? 'direct' : 'punch';
        const { nonce } = message.value;
        link.send(encodeMessage({ type: 'go', nonce, way, peer: recordOf(0), delayMs: 0 }));
      }
      if (message.value.type !== 'reserve') return;
      const { request, ttlSeconds } = message.value;
      const limits = { bytes: 1 << 20, seconds: 60, bytesPerSec: 0 };
      const reserved: ToPeer = {
        type: 'reserved',
        request,
        relayId: random(20),
        ttlSeconds,
        observed: stream.remote,
        limits,
        proxyPort: 0,
        proxied: [],
      };
      link.send(encodeMessage(reserved));
      if (ttlSeconds === 0 || message.value.infoHashes.length === 0) return;
      say('reserved');
      attack(link, message.value);
    },
  });
});

// --- a neighbour

async function serve(peer: RawPeer): Promise<void> {
  await peer.take(68);
  peer.send(
    handshakeBytes(infoHash, { reserved: RESERVED_BITS }),
    frame(EXTENDED, Uint8Array.of(0), encodeBencode({ m: { ut_holepunch: 1, ut_pex: 2 }, v: 'hostile' })),
  );
  for (;;) {
    const body = await peer.frameWithId(EXTENDED);
    if (body[0] !== 0) continue;
    const id = /12:ut_holepunchi(\d+)e/.exec(Buffer.from(body).toString('latin1'))?.[1];
    say('joined', { holepunch: id !== undefined, relay: Buffer.from(body).includes('tt_relay') });
    // A private torrent offers no such thing: sent all the same.
    const message = Uint8Array.of(Number(id ?? 1));
    inBursts((i) => peer.send(frame(EXTENDED, message, encodeHolepunch('connect', targetOf(i)))));
    break;
  }
  await peer.closed();
}

net
  .createServer((socket) => void serve(new RawPeer(socket)).catch(() => undefined))
  .listen(Number(peerPort), address, () => say('ready'));
