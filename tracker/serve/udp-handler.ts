// One datagram in, at most one out (BEP 15). Invariant: to a sender that has not shown a valid connection id no reply is
// larger than its request, so a forged address gains nothing.
import type { ConnectionIds } from '../connection-ids.ts';
import {
  decodeUdpRequest,
  encodeAnnounceReply,
  encodeConnectReply,
  encodeErrorReply,
  encodeScrapeReply,
} from '../server-udp-codec.ts';
import type { TrackerService } from './tracker-service.ts';

/** What fits an unfragmented datagram beside the head: 200 IPv4 peers (1220 bytes), 74 IPv6 peers (1352 bytes). */
const MAX_V4_PEERS = 200;
const MAX_V6_PEERS = 74;

/** @returns the reply to send back, or undefined when the packet deserves none */
export function handleDatagram(
  service: TrackerService,
  ids: ConnectionIds,
  packet: Uint8Array,
  ip: Uint8Array,
): Uint8Array | undefined {
  const decoded = decodeUdpRequest(packet);
  if (!decoded.ok) {
    service.udp.malformed++;
    return undefined;
  }
  const request = decoded.value;
  const { transactionId } = request;
  const nowMs = service.clock.nowMs();
  if (request.action === 'connect') {
    service.udp.connects++;
    return encodeConnectReply(transactionId, ids.issue(ip, nowMs));
  }
  if (!ids.isValid(request.connectionId, ip, nowMs)) {
    service.udp.refused++;
    const reply = encodeErrorReply(transactionId, 'unknown connection id');
    return reply.length <= packet.length ? reply : undefined;
  }
  if (request.action === 'scrape') {
    return encodeScrapeReply(transactionId, service.scrape('udp', request.infoHashes));
  }
  const family = ip.length === 4 ? 4 : 6;
  const result = service.announce({
    protocol: 'udp',
    infoHash: request.infoHash,
    peerId: request.peerId,
    key: request.key,
    sourceIp: ip,
    // The field holds IPv4 only; in a packet over IPv6 it says nothing.
    claimedIp: family === 4 && request.ip.some((byte) => byte !== 0) ? request.ip : undefined,
    port: request.port,
    left: request.left,
    event: request.event,
    numwant: request.numwant,
    families: [family],
    maxPeers: family === 4 ? MAX_V4_PEERS : MAX_V6_PEERS,
  });
  if (!result.ok) return encodeErrorReply(transactionId, result.message);
  return encodeAnnounceReply(transactionId, {
    intervalSeconds: service.intervalSeconds,
    counts: result.counts,
    peers: result.peers,
  });
}
