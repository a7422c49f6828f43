import { expect, it } from 'vitest';
import { AddressVotes } from '../../../core/session/address-votes.ts';

it('one liar does not outvote two honest peers, however often he speaks', () => {
  const votes = new AddressVotes();
  votes.vote('198.51.100.1', 'a');
  votes.vote('198.51.100.1', 'b');
  for (let i = 0; i < 50; i++) votes.vote('203.0.113.9', 'liar');
  votes.vote('2001:db8::1', 'a');
  votes.vote('not an address', 'c');
  expect(votes.winner(4)).toBe('198.51.100.1');
  expect(votes.winner(6)).toBe('2001:db8::1');
  expect(votes.ranked()).toHaveLength(3);
});

it('an address that changed wins as old voters are forgotten', () => {
  const votes = new AddressVotes();
  for (let i = 0; i < 100; i++) votes.vote('198.51.100.1', `old ${i}`);
  for (let i = 0; i < 60; i++) votes.vote('198.51.100.2', `new ${i}`);
  expect(votes.winner(4)).toBe('198.51.100.2');
});

it('one network has one voice, whatever the number of relays and peers in it', () => {
  const votes = new AddressVotes();
  votes.vote('198.51.100.1', '44.1.0.1');
  votes.vote('198.51.100.1', '45.1.0.1');
  for (let i = 1; i < 50; i++) votes.vote('203.0.113.9', `46.7.${i}.1`);
  expect(votes.winner(4)).toBe('198.51.100.1');
});
