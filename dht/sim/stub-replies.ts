// Reads a query and writes the reply of a node that is not simulated in full: what ideal tables and attackers answer with.
import type { DhtAddress } from '../address.ts';
import { KrpcMessage } from '../krpc.ts';
import { Composer, literal } from '../krpc-compose.ts';
import { scanKrpc } from '../krpc-scan.ts';
import type { Id160 } from '../node-id.ts';
import { CLIENT_VERSION } from '../options.ts';
import { answerTail } from '../queries.ts';

export interface StubReply {
  readonly id: Id160;
  /** Undefined: the query does not ask for nodes. */
  readonly nodes: readonly { readonly id: Id160; readonly address: DhtAddress }[] | undefined;
  readonly peers: readonly DhtAddress[];
  /** Undefined for none. */
  readonly token: Uint8Array | undefined;
}

const NODE_BYTES = 26;
const message = new KrpcMessage();
const out = new Composer();

/** The query inside; undefined for anything else. Valid until the next call. */
export function readQuery(datagram: Uint8Array): KrpcMessage | undefined {
  return scanKrpc(datagram, message) === 'ok' && message.kind === 'query' ? message : undefined;
}

/** @returns a view, valid until the next reply */
export function writeReply(query: KrpcMessage, reply: StubReply, asker: DhtAddress): Uint8Array {
  out.begin().raw(literal('d2:ip6:')).compact(asker).raw(literal('1:rd2:id20:')).id(reply.id);
  if (reply.nodes !== undefined) {
    out.raw(literal('5:nodes')).lengthPrefix(reply.nodes.length * NODE_BYTES);
    for (const { id, address } of reply.nodes) out.id(id).compact(address);
  }
  if (reply.token !== undefined) out.raw(literal('5:token')).string(reply.token);
  if (reply.peers.length > 0) {
    out.raw(literal('6:valuesl'));
    for (const peer of reply.peers) out.raw(literal('6:')).compact(peer);
    out.raw(literal('e'));
  }
  out.raw(literal('e'));
  return answerTail(out, query, CLIENT_VERSION, 'r');
}
