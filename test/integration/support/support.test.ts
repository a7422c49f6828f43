// The test support itself: what every other test leans on.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, sha256OfTree } from '../../support/hash.ts';
import { payloadBytes, randomUint32, writePayload, writeTree } from '../../support/payload.ts';
import { freePort } from '../../support/ports.ts';
import { run, start } from '../../support/process.ts';
import { makeTempDir } from '../../support/temp.ts';
import { FatalWaitError, waitFor } from '../../support/wait.ts';

describe('payloads', () => {
  it('are the same for the same seed, and of the size asked for', () => {
    for (const length of [0, 1, 131_071, 131_072, 131_073, 300_000]) {
      const bytes = payloadBytes(length, 'a');
      expect(bytes.length).toBe(length);
      expect(bytes.equals(payloadBytes(length, 'a'))).toBe(true);
      if (length > 1) expect(bytes.equals(payloadBytes(length, 'b'))).toBe(false);
    }
    expect(randomUint32('a')()).toBe(randomUint32('a')());
  });

  it('are the same in a file as in memory', () => {
    using dir = makeTempDir();
    writePayload(join(dir.path, 'deep', 'a.bin'), 300_001, 'a');
    writeFileSync(join(dir.path, 'b.bin'), payloadBytes(300_001, 'a'));
    expect(sha256OfTree(join(dir.path, 'deep', 'a.bin'))).toBe(sha256OfTree(join(dir.path, 'b.bin')));
  });

  it('come as trees with empty and one-byte files, summing up to the byte', async () => {
    using dir = makeTempDir();
    const [one, other] = [join(dir.path, 'one'), join(dir.path, 'other')];
    for (const root of [one, other]) writeTree(root, { fileCount: 120, totalBytes: 54_321, seed: 'tree' });
    expect(listFiles(one)).toHaveLength(120);
    expect(sha256OfTree(one)).toBe(sha256OfTree(other));
    const { statSync } = await import('node:fs');
    const sizes = listFiles(one).map((path) => statSync(join(one, path)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(54_321);
    expect(sizes).toContain(0);
    expect(sizes).toContain(1);
  });
});

describe('tree digests', () => {
  it('see names, contents and, unless told otherwise, empty files', () => {
    using dir = makeTempDir();
    const root = join(dir.path, 'root');
    mkdirSync(root);
    writeFileSync(join(root, 'a'), 'x');
    const before = sha256OfTree(root);
    writeFileSync(join(root, 'empty'), '');
    expect(sha256OfTree(root)).not.toBe(before);
    expect(sha256OfTree(root, { emptyFiles: 'ignored' })).toBe(before);
    rmSync(join(root, 'empty'));
    writeFileSync(join(root, 'a'), 'y');
    expect(sha256OfTree(root)).not.toBe(before);
  });
});

describe('processes', () => {
  it('give their output line by line and their exit code', async () => {
    const result = await run(process.execPath, [
      '-e',
      'console.log("a\\nb"); console.error("c"); process.exit(3)',
    ]);
    expect(result).toMatchObject({ code: 3, signal: null, stdout: 'a\nb', stderr: 'c' });
  });

  it('end with their children', async () => {
    const child = 'setInterval(() => {}, 1000)';
    const script = `const c = require('node:child_process').spawn(process.execPath, ['-e', '${child}']); console.log(c.pid); ${child}`;
    const program = start(process.execPath, ['-e', script]);
    const pid = Number(await program.waitForLine(/^[0-9]+$/, 10_000));
    await program.stop();
    const isGone = (): boolean => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    expect(await waitFor(isGone, { what: 'the child to end', timeoutMs: 10_000 })).toBe(true);
  });

  it('end a wait at once when they end, with their last words', async () => {
    const program = start(process.execPath, ['-e', 'console.error("last words")']);
    const waiting = program.waitFor(() => false, { what: 'nothing', timeoutMs: 60_000 });
    await expect(waiting).rejects.toThrow(FatalWaitError);
    await expect(waiting).rejects.toThrow(/last words/);
  });
});

describe('waiting', () => {
  it('takes errors as "not yet" and tells them at the deadline', async () => {
    let asked = 0;
    const ask = (): boolean => {
      if (++asked < 3) throw new Error('too early');
      return true;
    };
    expect(await waitFor(ask, { what: 'it', timeoutMs: 10_000, everyMs: 1 })).toBe(true);
    const never = waitFor(
      () => {
        throw new Error('never ready');
      },
      { what: 'it', timeoutMs: 1, everyMs: 1 },
    );
    await expect(never).rejects.toThrow(/gave up waiting for it .*never ready/);
  });
});

describe('ports', () => {
  it('are handed out once', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(new Set(ports).size).toBe(20);
  });
});
