// The upload_only message (the changing form of BEP 21's handshake key): one byte, 0 or not.
import { accept, type Result, reject } from '../base/result.ts';

/** @param payload one byte, or it is rejected */
export function decodeUploadOnly(payload: Uint8Array): Result<boolean> {
  return payload.length === 1 ? accept(payload[0] !== 0) : reject(`upload_only of ${payload.length} bytes`);
}
