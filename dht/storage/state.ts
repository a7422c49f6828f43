// The bytes of the state file: our ids and the nodes of the tables, bencoded, compact as on the wire. Read with the same
// suspicion as a datagram.
import { decodeBencode, isDict } from '../../core/base/bencode.ts';
import { encodeBencode } from '../../core/base/bencode-encode.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import { compactBytes, DhtAddress, type Family } from '../base/address.ts';
import type { DhtContact, DhtState } from '../base/results.ts';

const FORMAT = 1;
/** More than any table holds. */
const MAX_CONTACTS = 2_000;
const FAMILIES: readonly Family[] = [4, 6];

/** Bencode: ids and the contacts of each family, of which what is more than any table holds is left out. */
export function encodeState(state: DhtState): Uint8Array {
  const idOf = (family: Family): Uint8Array | undefined => state.ids.find((one) => one.family === family)?.id;
  return encodeBencode({
    format: FORMAT,
    id: idOf(4),
    id6: idOf(6),
    nodes: compactNodes(state.contacts, 4),
    nodes6: compactNodes(state.contacts, 6),
  });
}

/** Rejects what is not a state file; skips single contacts that make no sense. */
export function decodeState(bytes: Uint8Array): Result<DhtState> {
  const decoded = decodeBencode(bytes);
  if (!decoded.ok) return decoded;
  const { value } = decoded.value;
  if (!isDict(value)) return reject('DHT state is not a dictionary');
  if (value.integer('format') !== FORMAT) return reject('DHT state of another format');
  const ids: DhtState['ids'][number][] = [];
  const contacts: DhtContact[] = [];
  for (const family of FAMILIES) {
    const suffix = family === 4 ? '' : '6';
    const id = value.bytes(`id${suffix}`);
    if (id?.length === ID_BYTES) ids.push({ family, id: id.slice() });
    const nodes = value.bytes(`nodes${suffix}`) ?? new Uint8Array(0);
    const entryBytes = ID_BYTES + compactBytes(family);
    for (let at = 0; at + entryBytes <= nodes.length && contacts.length < MAX_CONTACTS; at += entryBytes) {
      const address = DhtAddress.fromCompact(family, nodes, at + ID_BYTES);
      if (address.port === 0 || address.scope === 'unusable') continue;
      contacts.push({ id: nodes.slice(at, at + ID_BYTES), address });
    }
  }
  return accept({ ids, contacts });
}

function compactNodes(contacts: readonly DhtContact[], family: Family): Uint8Array {
  const chosen = contacts.filter((contact) => contact.address.family === family).slice(0, MAX_CONTACTS);
  const entryBytes = ID_BYTES + compactBytes(family);
  const bytes = new Uint8Array(chosen.length * entryBytes);
  chosen.forEach((contact, i) => {
    bytes.set(contact.id, i * entryBytes);
    contact.address.writeCompact(bytes, i * entryBytes + ID_BYTES);
  });
  return bytes;
}
