// Feeds a DHT machine mutated datagrams: queries and replies of every kind, cut, flipped, spliced, with lengths gone wrong,
// some with the transaction ids that the machine is waiting for. Same seed, same run.
import { decodeBencode } from '../../core/base/bencode.ts';
import { latin1, utf8 } from '../../core/base/bytes.ts';
import { type Rng, randomBytes, randomInt, seededRng } from '../../core/base/clock.ts';
import { InvariantError } from '../../core/base/result.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import type { LimitPolicy } from '../../dht/base/options.ts';
import { DhtMachine } from '../../dht/machine.ts';
import { immutableTarget, signItem } from '../../dht/storage/items.ts';

const MAX_REPLY_BYTES = 1024;
/** Addresses that the datagrams come from: few enough that state builds up, many enough that limits matter. */
const SENDERS = 4096;
const COMMAND_EVERY = 997;
const NUMBERS = ['-1', '0', '-0', '00', '65536', '99999999999', '9223372036854775807', '9223372036854775808'];

export interface FuzzReport {
  readonly datagrams: number;
  readonly sent: number;
  readonly largestReply: number;
  readonly storedPeers: number;
  readonly storedHashes: number;
  readonly tableNodes: number;
  readonly outstanding: number;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly count: number;
  readonly limits?: Partial<LimitPolicy>;
  /** Called every so often, for progress and memory. */
  readonly onProgress?: (done: number) => void;
}

/** Messages that are good before they are spoilt. */
function corpus(rng: Rng): { readonly messages: string[]; readonly nodes: string } {
  const id = (): string => `20:${latin1(randomBytes(rng, 20))}`;
  // One hash for everything, so that tokens given for it are of use.
  const hash = id();
  const item = signItem({ seed: randomBytes(rng, 32), v: utf8('5:hello'), seq: 5n });
  const mutable =
    item.kind === 'mutable' ? `1:k32:${latin1(item.publicKey)}3:seqi5e3:sig64:${latin1(item.signature)}` : '';
  const nodes = latin1(randomBytes(rng, 26 * 8));
  const nodes6 = latin1(randomBytes(rng, 38 * 4));
  const values = Array.from({ length: 10 }, () => `6:${latin1(randomBytes(rng, 6))}`).join('');
  const filter = latin1(randomBytes(rng, 256));
  const query = (body: string, name: string): string =>
    `d1:ad2:id${id()}${body}e1:q${name.length}:${name}1:t2:aa1:v4:LT\x01\x021:y1:qe`;
  const reply = (body: string): string =>
    `d2:ip6:${latin1(randomBytes(rng, 6))}1:rd2:id20:IDIDIDIDIDIDIDIDIDID${body}e1:t4:TTTT1:y1:re`;
  const messages = [
    query('', 'ping'),
    query(`6:target${id()}4:wantl2:n42:n6e`, 'find_node'),
    query(`9:info_hash${hash}6:noseedi1e6:scrapei1e`, 'get_peers'),
    query(`12:implied_porti1e9:info_hash${hash}4:porti6881e4:seedi1e5:token8:TOKENTOK`, 'announce_peer'),
    query(`6:target${id()}`, 'sample_infohashes'),
    query(`3:seqi4e6:target20:${latin1(item.target)}`, 'get'),
    query(`6:target20:${latin1(immutableTarget(utf8('5:hello')))}`, 'get'),
    query('5:token8:TOKENTOK1:v5:hello', 'put'),
    query(`${mutable}5:token8:TOKENTOK1:v5:hello`, 'put'),
    query(`3:casi4e${mutable.replace('3:seq', '4:salt4:salt3:seq')}5:token8:TOKENTOK1:vd1:ali1ei2eee`, 'put'),
    query(`6:target${id()}`, 'vote'),
    reply(''),
    reply(`5:nodes208:${nodes}6:nodes6152:${nodes6}5:token8:TOKENTOK`),
    reply(`5:nodes208:${nodes}5:token8:TOKENTOK6:valuesl${values}18:${latin1(randomBytes(rng, 18))}e`),
    reply(`4:BFpe256:${filter}4:BFsd256:${filter}5:nodes208:${nodes}`),
    reply(`8:intervali21600e5:nodes208:${nodes}3:numi44e7:samples60:${latin1(randomBytes(rng, 60))}`),
    reply(`${mutable}5:token8:TOKENTOK1:v5:hello`),
    'd1:eli203e9:Bad tokene1:t4:TTTT1:y1:ee',
    'd1:rd2:id20:mnopqrstuvwxyz123456e1:t4:TTTT1:y1:re',
    'dl-3:e',
  ];
  return { messages, nodes };
}

class Mutator {
  readonly #rng: Rng;
  readonly #seeds: readonly string[];
  /** The contacts that replies name: 26 bytes each. */
  readonly nodes: string;

  constructor(rng: Rng) {
    this.#rng = rng;
    const { messages, nodes } = corpus(rng);
    this.#seeds = messages;
    this.nodes = nodes;
  }

  /** @param tid a transaction id that the machine waits for, from the node with this `id` @param token one that it gave */
  next(tid: string, id: string, token: string): Uint8Array {
    const rng = this.#rng;
    let text = this.#seeds[randomInt(rng, this.#seeds.length)] as string;
    if (rng.next() < 0.7) text = text.replace('TTTT', () => tid).replace('TOKENTOK', () => token);
    text = text.replace('IDIDIDIDIDIDIDIDIDID', () => id);
    const rounds = rng.next() < 0.25 ? 0 : 1 + randomInt(rng, 4);
    for (let i = 0; i < rounds; i++) text = this.#spoil(text);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  #spoil(text: string): string {
    const rng = this.#rng;
    const at = randomInt(rng, text.length + 1);
    const other = this.#seeds[randomInt(rng, this.#seeds.length)] as string;
    switch (randomInt(rng, 9)) {
      case 0:
        return text.slice(0, at) + String.fromCharCode(randomInt(rng, 256)) + text.slice(at + 1);
      case 1:
        return text.slice(0, at);
      case 2:
        return text.slice(0, at) + text.slice(at + randomInt(rng, 8));
      case 3:
        return text.slice(0, at) + latin1(randomBytes(rng, randomInt(rng, 8))) + text.slice(at);
      case 4:
        return text.slice(0, at) + other.slice(randomInt(rng, other.length));
      case 5:
        // A length or an integer becomes another one.
        return text.replace(/\d+/, () => NUMBERS[randomInt(rng, NUMBERS.length)] as string);
      case 6:
        return text.replace(
          /i\d+e/,
          () => ['le', 'de', '0:', 'i5e', '20:abcdefghij0123456789'][randomInt(rng, 5)] as string,
        );
      case 7:
        return (
          text.slice(0, at) +
          ['l', 'd', 'i', 'e', 'd1:a'][randomInt(rng, 5)]?.repeat(1 + randomInt(rng, 60)) +
          text.slice(at)
        );
      default: {
        const from = randomInt(rng, text.length + 1);
        return text.slice(0, at) + text.slice(from, from + 40) + text.slice(at);
      }
    }
  }
}

/** @throws whatever the machine throws, and InvariantError on a reply that is too long or not bencode */
export function fuzzDht(options: FuzzOptions): FuzzReport {
  const rng = seededRng(options.seed);
  const mutator = new Mutator(rng);
  let tid = 'aaaa';
  let token = 'TOKENTOK';
  let to: DhtAddress | undefined;
  const idOf = new Map<string, string>();
  for (let at = 0; at < mutator.nodes.length; at += 26) {
    const compact = Uint8Array.from(mutator.nodes.slice(at + 20, at + 26), (char) => char.charCodeAt(0));
    idOf.set(DhtAddress.fromCompact(4, compact, 0).host, mutator.nodes.slice(at, at + 20));
  }
  let sent = 0;
  let largestReply = 0;
  const machine = new DhtMachine(
    { rng, families: [4, 6], ...(options.limits === undefined ? {} : { limits: options.limits }) },
    {
      send: (datagram, address) => {
        sent++;
        largestReply = Math.max(largestReply, datagram.length);
        if (datagram.length > MAX_REPLY_BYTES)
          throw new InvariantError(`${datagram.length} bytes to ${address.host}`);
        const decoded = decodeBencode(datagram);
        if (!decoded.ok) throw new InvariantError(`sent what is not bencode: ${latin1(datagram)}`);
        const text = latin1(datagram);
        if (text.endsWith('1:y1:qe')) {
          tid = text.slice(text.lastIndexOf('1:t4:') + 5, text.lastIndexOf('1:t4:') + 9);
          to = address;
        } else {
          const at = text.indexOf('5:token8:');
          if (at < 0) return;
          token = text.slice(at + 9, at + 17);
          to = address;
        }
      },
    },
    0,
  );
  let nowMs = 1_000_000;
  for (let i = 0; i < options.count; i++) {
    if (i % COMMAND_EVERY === 0) {
      const target = Id160.random(rng).toBytes();
      const nodes = Array.from({ length: 4 }, () => ({ id: randomBytes(rng, 20), address: sender(rng) }));
      for (const node of nodes) idOf.set(node.address.host, latin1(node.id));
      const which = Math.floor(i / COMMAND_EVERY) % 6;
      if (which === 0) machine.findNode(target, { startFrom: nodes }, nowMs);
      else if (which === 1) machine.announce(target, { port: 5, startFrom: nodes }, nowMs);
      else if (which === 2) machine.getItem(target, { startFrom: nodes }, nowMs);
      else if (which === 3) machine.scrape(target, { startFrom: nodes }, nowMs);
      else if (which === 4) machine.sample(target, { startFrom: nodes }, nowMs);
      else machine.bootstrap({ nodes, routers: [sender(rng)] }, nowMs);
      options.onProgress?.(i);
    }
    const from = to !== undefined && rng.next() < 0.5 ? to : sender(rng);
    machine.handleDatagram(
      mutator.next(tid, idOf.get(from.host) ?? 'ABCDEFGHIJ0123456789', token),
      from,
      nowMs,
    );
    if (rng.next() < 0.05) nowMs += randomInt(rng, 300);
    if (machine.nextTimeoutMs() <= nowMs) machine.handleTimeout(nowMs);
  }
  const { families, storedHashes, storedPeers, outstanding } = machine.snapshot(nowMs);
  const tableNodes = families.reduce((sum, family) => sum + family.nodes + family.spares, 0);
  return { datagrams: options.count, sent, largestReply, storedPeers, storedHashes, tableNodes, outstanding };
}

function sender(rng: Rng): DhtAddress {
  const which = randomInt(rng, SENDERS);
  return which % 4 === 0
    ? DhtAddress.v6(0x20010db8, which << 8, 0, 1, 6881)
    : DhtAddress.v4((50 << 24) | (which << 6), 6881);
}
