// A file that a person named and that cannot be opened: one line that says which, and what is in the way.
import { OperationError } from '../../core/base/result.ts';
import { diskOperationError } from '../../core/storage/disk-error.ts';

/** @throws `error` itself when it is not of the disk's making */
function fileTrouble(error: unknown, action: string, file: string, absent: string): OperationError {
  const said = diskOperationError(error, action, file);
  if (said.code !== 'ENOENT') return said;
  return new OperationError('disk', `cannot ${action} ${file}: ${absent}`, { code: said.code, cause: error });
}

export function cannotRead(error: unknown, file: string): OperationError {
  return fileTrouble(error, 'read', file, 'there is no such file');
}

export function cannotWrite(error: unknown, file: string): OperationError {
  return fileTrouble(error, 'write to', file, 'there is no such folder');
}
