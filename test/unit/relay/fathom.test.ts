// How many hops open our own gateways: what is said about it, and what follows from what came.
import { describe, expect, it } from 'vitest';
import {
  encodeFathomEcho,
  encodeFathomPorts,
  FATHOM_PORTS,
  FATHOM_TTLS,
  hopsOf,
  KNOCK,
  portOfEcho,
  portsInFathom,
} from '../../../core/relay/fathom.ts';
import { decodeFrame, encodeFrame, type RelayFrame, SENDER_BYTES } from '../../../core/relay/frame.ts';

const TOKEN = new Uint8Array(16).fill(3);
const read = (bytes: Uint8Array): RelayFrame => decodeFrame(bytes) as RelayFrame;

describe('what follows from the ports whose datagrams came', () => {
  it('the lowest hop limit that opened a way', () => {
    expect(hopsOf(new Set([1, 2, 3, 4, 5, 6, KNOCK]))).toBe(2);
    expect(hopsOf(new Set([2, 3, 4, 5, 6, KNOCK]))).toBe(3);
    expect(hopsOf(new Set([6, KNOCK]))).toBe(7);
    // One that was lost on the way costs a hop.
    expect(hopsOf(new Set([3, 5, 6, KNOCK]))).toBe(4);
  });

  it('nothing, where strangers get in, where each remote sees another port, or where there are more gateways', () => {
    expect(hopsOf(new Set([0, 1, 2, 3, 4, 5, 6, KNOCK]))).toBeUndefined();
    expect(hopsOf(new Set([0, 3, KNOCK]))).toBeUndefined();
    expect(hopsOf(new Set([KNOCK]))).toBeUndefined();
    expect(hopsOf(new Set())).toBeUndefined();
  });
});

describe('the frames', () => {
  it('carry the ports and the echoes', () => {
    const ports = Array.from({ length: FATHOM_PORTS }, (_, i) => 60_000 + i);
    const frame = read(encodeFathomPorts(TOKEN, ports));
    expect([portsInFathom(frame), frame.token]).toEqual([ports, TOKEN]);
    for (let port = 0; port < FATHOM_PORTS; port++)
      expect(portOfEcho(read(encodeFathomEcho(TOKEN, port)))).toBe(port);
    expect(FATHOM_TTLS).toHaveLength(KNOCK);
  });

  it('are refused when they say nothing of use', () => {
    expect(portsInFathom(read(encodeFathomPorts(TOKEN, [1, 2, 3])))).toBeUndefined();
    expect(portsInFathom(read(encodeFathomPorts(TOKEN, Array(FATHOM_PORTS).fill(0))))).toBeUndefined();
    const sender = new Uint8Array(SENDER_BYTES).fill(1);
    expect(portsInFathom(read(encodeFrame('mirror', TOKEN, sender)))).toBeUndefined();
    expect(portOfEcho(read(encodeFrame('test', TOKEN, sender)))).toBeUndefined();
    expect(portOfEcho(read(encodeFathomEcho(TOKEN, FATHOM_PORTS)))).toBeUndefined();
    expect(portOfEcho(read(encodeFrame('fathom', TOKEN)))).toBeUndefined();
  });
});
