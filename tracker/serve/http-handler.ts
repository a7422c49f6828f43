// One HTTP request in, one reply out (BEP 3, 23, 48): status, type and body; the server writes them.
import { utf8 } from '../../core/base/bytes.ts';
import {
  decodeAnnounceQuery,
  decodeScrapeQuery,
  encodeHttpAnnounceReply,
  encodeHttpFailure,
  encodeHttpScrapeReply,
} from '../server-http-codec.ts';
import type { TrackerService } from './tracker-service.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

const MAX_PEERS = 200;
const BENCODE_TYPE = 'text/plain';

/** @param target path and query as they stood in the request line */
export function handleHttp(service: TrackerService, target: string, ip: Uint8Array): HttpAnswer {
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const query = at < 0 ? '' : target.slice(at + 1);
  // Any folder before the word will do: people type all kinds of announce URLs.
  if (path.endsWith('/announce')) return announce(service, query, ip);
  if (path.endsWith('/scrape')) return scrape(service, query);
  if (path === '/stats') {
    return {
      status: 200,
      contentType: 'application/json',
      body: utf8(`${JSON.stringify(service.stats())}\n`),
    };
  }
  return { status: 404, contentType: 'text/plain; charset=utf-8', body: utf8('announce at /announce\n') };
}

function announce(service: TrackerService, query: string, ip: Uint8Array): HttpAnswer {
  const decoded = decodeAnnounceQuery(query);
  if (!decoded.ok) {
    service.http.malformed++;
    return bencoded(encodeHttpFailure(decoded.reason.what));
  }
  const request = decoded.value;
  const result = service.announce({
    ...request,
    protocol: 'http',
    sourceIp: ip,
    claimedIp: request.ip,
    families: [4, 6],
    maxPeers: MAX_PEERS,
  });
  if (!result.ok) return bencoded(encodeHttpFailure(result.message));
  return bencoded(
    encodeHttpAnnounceReply({
      intervalSeconds: service.intervalSeconds,
      minIntervalSeconds: service.minIntervalSeconds,
      counts: result.counts,
      peers: result.peers,
      isCompact: request.isCompact,
      withPeerIds: request.withPeerIds,
      externalIp: ip,
    }),
  );
}

function scrape(service: TrackerService, query: string): HttpAnswer {
  const decoded = decodeScrapeQuery(query);
  if (!decoded.ok) {
    service.http.malformed++;
    return bencoded(encodeHttpFailure(decoded.reason.what));
  }
  const counts = service.scrape('http', decoded.value);
  const files = decoded.value.flatMap((infoHash, i) => {
    const entry = counts[i];
    return entry === undefined ? [] : [{ infoHash, counts: entry }];
  });
  return bencoded(encodeHttpScrapeReply(files));
}

/** Refusals are 200 as well: clients read the reason only from a good reply. */
function bencoded(body: Uint8Array): HttpAnswer {
  return { status: 200, contentType: BENCODE_TYPE, body };
}
