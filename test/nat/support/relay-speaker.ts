// One end of tt_relay that says what a test makes it say: a control connection to a relay with nothing behind it.
import { RelayIdentity, reserveText } from '../../../core/relay/identity.ts';
import { ControlLink } from '../../../core/relay/io/control-link.ts';
import { relayIdOf, shardKey, shardOf } from '../../../core/relay/keys.ts';
import { decodeMessage, encodeMessage } from '../../../core/relay/message-codec.ts';
import type { PeerFacts, RelayMessage, ToRelay } from '../../../core/relay/messages.ts';
import { systemRng } from '../../../core/session/system.ts';
import { dialTcp } from '../../../core/transport/tcp.ts';

export const UNKNOWN_FACTS: PeerFacts = { state: 'apdm', filter: 'apdf', tcpPort: 0, udpPort: 0 };
const DIAL_MS = 10_000;

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** `host:port` of IPv4. */
export function placeOf(text: string): Place {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

export class RelaySpeaker {
  readonly identity = RelayIdentity.random(systemRng);
  readonly #relay: Place;
  readonly #link: ControlLink;
  readonly #challenge: Uint8Array;
  onMessage: (message: RelayMessage) => void = () => {};
  onClose: (reason: string) => void = () => {};

  private constructor(relay: Place, link: ControlLink, challenge: Uint8Array) {
    this.#relay = relay;
    this.#link = link;
    this.#challenge = challenge;
  }

  /** Rejects when the relay does not take the connection. */
  static async connect(relay: Place, localAddress?: string): Promise<RelaySpeaker> {
    const stream = await dialTcp(relay, {
      timeoutMs: DIAL_MS,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const id = relayIdOf(relay.host);
    if (id === undefined) throw new Error('a relay has an address');
    return new Promise((resolve, reject) => {
      let speaker: RelaySpeaker | undefined;
      const peerId = new Uint8Array(20).fill(65);
      const options = { stream, rng: systemRng, policy: 'off', peerId, client: 'speaker' } as const;
      ControlLink.outgoing(options, shardKey(shardOf(id)), {
        onReady: (link, { relay: offer }) => {
          if (offer === undefined) {
            link.close('it does not relay');
            return;
          }
          speaker = new RelaySpeaker(relay, link, offer.challenge);
          resolve(speaker);
        },
        onMessage: (_link, payload) => {
          const message = decodeMessage(payload);
          if (message.ok) speaker?.onMessage(message.value);
        },
        onClose: (_link, reason) => {
          if (speaker === undefined) reject(new Error(reason));
          else speaker.onClose(reason);
        },
      });
    });
  }

  send(message: ToRelay): void {
    this.#link.send(encodeMessage(message));
  }

  reserve(infoHashes: readonly Uint8Array[], request = 1, identity = this.identity): void {
    const terms = { key: identity.publicKey, infoHashes, proxied: [], ttlSeconds: 3600 };
    const text = reserveText(terms, this.#challenge, this.#relay.host);
    if (text === undefined) throw new Error('a relay has an address');
    this.send({ type: 'reserve', request, ...terms, signature: identity.sign(text) });
  }

  /** To anybody of the torrent. */
  call(infoHash: Uint8Array, nonce: Uint8Array): void {
    this.send({
      type: 'call',
      nonce,
      infoHash,
      key: undefined,
      endpoint: undefined,
      facts: UNKNOWN_FACTS,
      tried: [],
    });
  }

  close(): void {
    this.#link.close('done');
  }
}

/** One JSON object a line, for the test. */
export function say(event: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}
