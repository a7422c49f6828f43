import { expect, it } from 'vitest';
import { SessionNat, type SessionNatOptions } from '../../../core/session/reach/session-nat.ts';

it('says its own ports of itself before anything is known: most NATs keep them, and nobody can be met at none', () => {
  const options = { families: [4], tcpPort: () => 6881, udpPort: () => 6882 };
  const nat = new SessionNat(options as unknown as SessionNatOptions);
  expect(nat.facts()).toEqual({ state: 'unknown', filter: 'unknown', tcpPort: 6881, udpPort: 6882 });
});
