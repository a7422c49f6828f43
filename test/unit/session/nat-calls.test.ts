// Which relays are asked for a peer, and when asking is over.
import { describe, expect, it } from 'vitest';
import { UNKNOWN_REACH } from '../../../core/nat/ladder-reach.ts';
import type { CallOptions } from '../../../core/relay/client-calls.ts';
import { type CallResult, type IncomingCall, ROLE } from '../../../core/relay/client-port.ts';
import type { Way } from '../../../core/relay/messages.ts';
import { NatCalls } from '../../../core/session/reach/nat-calls.ts';
import type { SessionShared } from '../../../core/session/shared.ts';

const NEIGHBOUR = 1;
const RELAY = 2;

/** Connections to relays that are opened before there is a ticket. */
function fakeLines() {
  const lines = { opened: 0, closed: 0, connectToRelay };
  async function connectToRelay(): Promise<object> {
    lines.opened++;
    return { destroy: () => lines.closed++ };
  }
  return lines;
}

/** @param order of the links @param codes what each refuses with */
function callsOf(order: readonly number[], codes: Readonly<Record<number, string>>, canFollow = true) {
  const asked: number[] = [];
  const lines = fakeLines();
  const said: (readonly Way[] | undefined)[] = [];
  const nat = {
    canFollow: () => canFollow,
    relays: {
      relayOf: (link: number) => (link === RELAY ? endpoint : undefined),
      linksFor: (_infoHash: Uint8Array, role: number = ROLE.signal) =>
        role === ROLE.signal ? order : order.filter((link) => link === RELAY),
      call: (link: number, { tried }: CallOptions, onResult: (result: CallResult) => void) => {
        asked.push(link);
        said.push(tried);
        onResult({ kind: 'refused', code: codes[link] } as CallResult);
      },
    },
    stats: { handleIntroduction: () => {} },
    punchPorts: undefined,
  };
  const { connectToRelay } = lines;
  const shared = { nat, connectToRelay, clock: { nowMs: () => 0 } } as unknown as SessionShared;
  return { asked, said, lines, calls: new NatCalls(shared, new Uint8Array(20)) };
}

const never = new AbortController().signal;
const endpoint = { host: '44.1.1.1', port: 6881 };

describe('a call', () => {
  it.each([
    // The neighbour passes no bytes on: it may have refused that, and not the peer.
    ['policy', 'policy', [NEIGHBOUR, RELAY]],
    ['unknown', 'policy', [NEIGHBOUR, RELAY]],
    // We may not follow: the next relay would change nothing.
    ['rules', 'policy', [NEIGHBOUR]],
  ])(
    'refused by a neighbour with %s goes to the relay behind it where that can help',
    async (first, second, expected) => {
      const { asked, calls } = callsOf([NEIGHBOUR, RELAY], { [NEIGHBOUR]: first, [RELAY]: second });
      await expect(calls.call({ endpoint }, 'punch', [], () => {}, never)).rejects.toThrow('no relay calls');
      expect(asked).toEqual(expected);
    },
  );

  it('that a relay with all it takes has brought an answer to is over', async () => {
    const { asked, calls } = callsOf([RELAY, NEIGHBOUR], { [RELAY]: 'policy', [NEIGHBOUR]: 'policy' });
    await expect(calls.call({ endpoint }, 'punch', [], () => {}, never)).rejects.toThrow('policy');
    expect(asked).toEqual([RELAY]);
  });
});

describe('a call for a splice', () => {
  it('opens the connection to a relay that offers one while it is on its way, and drops it when none comes of it', async () => {
    const { lines, calls } = callsOf([RELAY], { [RELAY]: 'quota' });
    await expect(calls.call({ endpoint }, 'splice', [], () => {}, never)).rejects.toThrow('quota');
    await expect(calls.call({ endpoint }, 'punch', [], () => {}, never)).rejects.toThrow('quota');
    await Promise.resolve();
    expect([lines.opened, lines.closed]).toEqual([1, 1]);
  });
});

describe('towards whom no more introductions are followed for a while', () => {
  it('no hole is asked for, and another way without one: it would be dug from the other side alone', async () => {
    const { asked, said, calls } = callsOf([RELAY], { [RELAY]: 'unknown' }, false);
    await expect(calls.call({ endpoint }, 'punch', [], () => {}, never)).rejects.toThrow('rules');
    expect(asked).toEqual([]);
    await expect(calls.call({ endpoint }, 'splice', ['direct'], () => {}, never)).rejects.toThrow('unknown');
    expect([asked, said]).toEqual([[RELAY], [['direct', 'punch']]]);
  });
});

describe('being called', () => {
  let canFollow = true;
  const nat = { reach: () => UNKNOWN_REACH, hasUtp: true, punchPorts: undefined, canFollow: () => canFollow };
  let nowMs = 0;
  const lines = fakeLines();
  const { connectToRelay } = lines;
  const shared = { nat, connectToRelay, clock: { nowMs: () => nowMs } } as unknown as SessionShared;
  const callOf = (udpPort: number) => {
    const caller = { state: 'unknown', filter: 'unknown', host: '44.1.1.1', sourcePort: 40_000, udpPort };
    const call = { caller, tried: [], relay: endpoint, roles: ROLE.signal | ROLE.splice };
    return call as unknown as IncomingCall;
  };

  it.each([
    [6881, 'punch'],
    // Nobody knows where packets for it would have to go.
    [0, 'splice'],
  ])('by a peer whose UDP port is %i is answered with %s', (udpPort, way) => {
    const calls = new NatCalls(shared, new Uint8Array(20));
    expect(calls.decide(callOf(udpPort), false)).toBe(way);
    calls.close();
  });

  it('and answered with a splice opens the connection at once, where that relay offers one', () => {
    const calls = new NatCalls(shared, new Uint8Array(20));
    const before = lines.opened;
    expect(calls.decide({ ...callOf(0), roles: ROLE.signal }, false)).toBe('splice');
    expect(calls.decide(callOf(6881), false)).toBe('punch');
    expect(lines.opened).toBe(before);
    expect(calls.decide(callOf(0), true)).toBe('splice');
    expect(lines.opened).toBe(before + 1);
    calls.close();
  });

  it('while nothing more is followed to there is answered with a splice, and afterwards as if for the first time', () => {
    const calls = new NatCalls(shared, new Uint8Array(20));
    canFollow = false;
    expect([false, true].map((isSpliced) => calls.decide(callOf(6881), isSpliced))).toEqual([
      'splice',
      'splice',
    ]);
    canFollow = true;
    expect(calls.decide(callOf(6881), false)).toBe('punch');
  });

  it('again soon after is answered with the next way; beside a splice, which may be dead, as if for the first time', () => {
    const calls = new NatCalls(shared, new Uint8Array(20));
    const answers = [false, false, true, true].map((isSpliced) => {
      // Longer than one hole may take.
      nowMs += 2_500;
      return calls.decide(callOf(6881), isSpliced);
    });
    expect(answers).toEqual(['punch', 'splice', 'punch', 'punch']);
    expect(calls.decide({ ...callOf(6881), tried: ['punch'] }, true)).toBe('splice');
  });

  it('once more within two seconds is the same hole; later, or when it says so, it has failed', () => {
    nowMs = 0;
    const calls = new NatCalls(shared, new Uint8Array(20));
    const decide = (sourcePort: number, tried: readonly string[] = []): string => {
      const caller = { state: 'unknown', filter: 'unknown', host: '44.1.1.1', sourcePort, udpPort: 6881 };
      const call = { caller, tried, relay: endpoint, roles: ROLE.signal | ROLE.splice };
      return calls.decide(call as unknown as IncomingCall, false);
    };
    expect(decide(1)).toBe('punch');
    nowMs = 1_900;
    expect(decide(1)).toBe('punch');
    nowMs = 2_000;
    expect(decide(1)).toBe('splice');
    expect([decide(2), decide(2, ['punch'])]).toEqual(['punch', 'splice']);
  });
});
