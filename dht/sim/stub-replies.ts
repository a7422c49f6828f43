// Reads a query and writes the reply of a node that is not simulated in full: what ideal tables and attackers answer with.
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import { CLIENT_VERSION } from '../base/options.ts';
import { KrpcMessage } from '../krpc/krpc.ts';
import { Composer, literal } from '../krpc/krpc-compose.ts';
import { scanKrpc } from '../krpc/krpc-scan.ts';
import { answerTail } from '../krpc/queries.ts';

export interface StubReply {
  readonly id: Id160;
  /** Undefined: the query does not ask for nodes. */
  readonly nodes: readonly { readonly id: Id160; readonly address: DhtAddress }[] | undefined;
  readonly peers: readonly DhtAddress[];
  /** Undefined for none. */
  readonly token: Uint8Array | undefined;
}

const NODE_BYTES = 26;
const HEAD = literal('d2:ip6:');
const OWN_ID = literal('1:rd2:id20:');
const NODES = literal('5:nodes');
const TOKEN = literal('5:token');
const VALUES = literal('6:valuesl');
const PEER = literal('6:');
const END = literal('e');
const message = new KrpcMessage();
const out = new Composer();

/** The query inside; undefined for anything else. Valid until the next call. */
export function readQuery(datagram: Uint8Array): KrpcMessage | undefined {
  return scanKrpc(datagram, message) === 'ok' && message.kind === 'query' ? message : undefined;
}

/** @returns a view, valid until the next reply */
export function writeReply(query: KrpcMessage, reply: StubReply, asker: DhtAddress): Uint8Array {
  out.begin().text(HEAD).compact(asker).text(OWN_ID).id(reply.id);
  if (reply.nodes !== undefined) {
    out.text(NODES).lengthPrefix(reply.nodes.length * NODE_BYTES);
    for (const { id, address } of reply.nodes) out.id(id).compact(address);
  }
  if (reply.token !== undefined) out.text(TOKEN).string(reply.token);
  if (reply.peers.length > 0) {
    out.text(VALUES);
    for (const peer of reply.peers) out.text(PEER).compact(peer);
    out.text(END);
  }
  out.text(END);
  return answerTail(out, query, CLIENT_VERSION, 'r');
}
