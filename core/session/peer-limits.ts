// Every number that bounds peers, in one place (see the "Peers" table of the design's engine page).

/** Connections of a session and of a torrent. */
export const MAX_PEERS = 200;
export const MAX_PEERS_PER_TORRENT = 80;
/** Both lower than what a slow link and a busy peer need together, higher than what a dead one deserves. */
export const DIAL_TIMEOUT_MS = 10_000;
/** uTP with somebody of whom nobody said that he speaks it: three SYNs, as others send. */
export const UTP_TRY_MS = 4_000;
/** Whoever introduces us may name a victim: two SYNs of TCP (Linux and macOS repeat them after a second), two of uTP. */
export const INTRODUCED_DIAL_MS = 1_700;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A peer that does not know encryption mostly hangs up at once; one that just waits is asked again in the clear. */
const NEGOTIATION_TIMEOUT_MS = 4_000;
/** Through a relay: the other end has yet to come to it, perhaps by a long way, and hangs up by itself where it knows no encryption. */
const SPLICED_NEGOTIATION_TIMEOUT_MS = 8_000;
/** Connections that came in and have not shaken hands: more are dropped at once. */
export const MAX_PENDING_INCOMING = 100;
/** Said and not taken by the kernel: above what an upload may queue, below what a crowd of peers that never read could cost us. */
export const MAX_UNREAD_BYTES = 3 << 20;
/** Metadata is refused (BEP 9) to a peer that has so much to read already. */
export const MAX_UNREAD_FOR_METADATA_BYTES = 1 << 20;
/** BEP 3 says two minutes; 100 s leaves room for delay. */
export const KEEP_ALIVE_MS = 100_000;
/** Silent for so long: gone. */
export const SILENCE_MS = 180_000;
/** What should come does not: the way may be dead (a gateway restarted, a relay was cut off). Then the peer is dialled once more. */
export const STALLED_MS = 6_000;
/** Between two such dials; doubles after the fourth: the peer may just be slow. */
export const FIND_AGAIN_MS = 4_000;
export const FIND_AGAIN_TIMES = 4;
export const FIND_AGAIN_MAX_MS = 120_000;
/** So long the former connection stays beside the new one: the peer may not want two. */
export const FOUND_AGAIN_MS = 5_000;
/** A connection that lasted so long was worth having, payload or not. */
export const USEFUL_AFTER_MS = 60_000;
/** How often slow matters are looked at: keep-alives, silence, PEX. */
export const TICK_MS = 1_000;
/** Near the limit, every 5 minutes the worst 4 % make room for somebody new (libtorrent peer_turnover). */
export const TURNOVER_INTERVAL_MS = 5 * 60_000;
export const TURNOVER_SHARE = 0.04;
export const TURNOVER_ABOVE = 0.9;
/**
 * What may wait (`have`) waits for company so long: a packet of nine bytes costs both ends as much as one of many. A peer
 * that hears of a piece this much later has its pipeline full of others meanwhile.
 */
export const HAVE_DELAY_MS = 50;

/** So long the encryption may take to be agreed upon, from the stream on. */
export function negotiationTimeoutMs(isSpliced: boolean): number {
  return isSpliced ? SPLICED_NEGOTIATION_TIMEOUT_MS : NEGOTIATION_TIMEOUT_MS;
}
