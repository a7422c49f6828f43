// `tt explain [TORRENT]`: where the time of a download went and what it cost, from the record in the state directory.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { TransferAccount } from '../../core/account/transfer-account.ts';
import { toHex } from '../../core/base/ids.ts';
import { UsageError } from '../../core/base/result.ts';
import { sourceKindOf } from '../../core/metainfo/io/load-source.ts';
import { listAccounts, loadAccount } from '../../core/session/account-store.ts';
import { isLocked } from '../../core/storage/lock.ts';
import { resumePaths } from '../../core/storage/resume-state.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { loadOne } from '../torrent/load-sources.ts';
import { accountData, explainLines } from '../ui/account-text.ts';

/** Fewer digits of a hash are more likely part of a name. */
const LEAST_HASH_DIGITS = 4;
const HINT = 'Without an argument the last download is explained; "tt list" shows what can be resumed.';

export async function run(context: CommandContext): Promise<Outcome> {
  const { settings, output } = context;
  const account = await accountOf(context, context.args[0]);
  const isRunning = await isLocked(resumePaths(settings.stateDir, account.infoHash).lock);
  const lines = explainLines(account, isRunning, output.console.outStyle);
  return done(lines.join('\n'), { account: accountData(account), running: isRunning });
}

/** @throws UsageError when there is none, or more than one fits */
async function accountOf(context: CommandContext, text: string | undefined): Promise<TransferAccount> {
  const { stateDir } = context.settings;
  if (text === undefined) {
    const [last] = await listAccounts(stateDir);
    if (last === undefined) throw new UsageError(`no download was made yet with the state in ${stateDir}`);
    return last;
  }
  const infoHash = await infoHashOf(context, text);
  if (infoHash !== undefined) {
    const account = await loadAccount(stateDir, infoHash);
    if (account === undefined) throw new UsageError(`no download of ${text} is on record`, HINT);
    return account;
  }
  const fitting = matching(await listAccounts(stateDir), text);
  const [account] = fitting;
  if (account === undefined) throw new UsageError(`no download of "${text}" is on record`, HINT);
  if (fitting.length > 1) {
    throw new UsageError(
      `"${text}" fits ${fitting.length} downloads on record`,
      'Give more of the name, or the info hash.',
    );
  }
  return account;
}

/** undefined: it is no source, so it may be part of a name. */
async function infoHashOf(context: CommandContext, text: string): Promise<string | undefined> {
  if (sourceKindOf(text) === 'path') {
    const file = path.resolve(context.environment.cwd, text);
    // The downloaded file itself has the name of its torrent.
    const stats = await stat(file).catch(() => undefined);
    if (!text.endsWith('.torrent') || stats?.isFile() !== true) return undefined;
  }
  const loaded = await loadOne(context, text);
  return toHex('metainfo' in loaded ? loaded.metainfo.infoHash : loaded.magnet.infoHash);
}

/** By the whole name, else by the beginning of the info hash, else by a part of the name. */
function matching(accounts: readonly TransferAccount[], text: string): readonly TransferAccount[] {
  const wanted = path.basename(text).toLowerCase();
  const named = accounts.filter(({ name }) => name.toLowerCase() === wanted);
  if (named.length > 0) return named;
  const hashed = accounts.filter(
    ({ infoHash }) => wanted.length >= LEAST_HASH_DIGITS && infoHash.startsWith(wanted),
  );
  if (hashed.length > 0) return hashed;
  return accounts.filter(({ name }) => name.toLowerCase().includes(wanted));
}
