// Whom a peer asks first to call somebody for it.
import { describe, expect, it } from 'vitest';
import { type Callee, type ClientLink, ClientLinks } from '../../../core/relay/client-links.ts';
import { ROLE } from '../../../core/relay/client-port.ts';

const TORRENT = new Uint8Array(20).fill(7);
const NAMES = ['inside', 'carrier', 'neighbour', 'relay'] as const;

function order(whom: Callee, missed: Partial<Record<(typeof NAMES)[number], number>> = {}): string[] {
  const links = new ClientLinks();
  const hosts = { inside: '192.168.1.11', carrier: '100.64.1.11', neighbour: '44.2.0.1', relay: '44.1.0.1' };
  NAMES.forEach((name, id) => {
    const neighbourOf = name === 'relay' ? undefined : TORRENT;
    const relay = { host: hosts[name], port: 6881 };
    const offer = { roles: ROLE.signal };
    links.add({ id, relay, neighbourOf, offer, missed: missed[name] ?? 0 } as unknown as ClientLink);
  });
  return links.for(TORRENT, ROLE.signal, new Set(), whom).map((id) => NAMES[id] as string);
}

describe('links are asked', () => {
  it('for a peer that was named: a neighbour, who may have told of it, before a relay', () => {
    expect(order('somebody').slice(0, 2)).toEqual(['neighbour', 'relay']);
  });
  it('for anybody: a relay before neighbours, who have told of everybody they know', () => {
    expect(order('anybody').slice(0, 2)).toEqual(['relay', 'neighbour']);
  });
  it('last inside our own network, where a crowd of neighbours must not keep us from the relay', () => {
    for (const whom of ['somebody', 'anybody'] as const)
      expect(order(whom, { relay: 1, neighbour: 2 }).slice(2)).toEqual(['inside', 'carrier']);
  });
});
