// What is said at once and what waits for company.
import { expect, test } from 'vitest';
import { type ComposerSink, FrameComposer } from '../../../core/wire/frame-composer.ts';
import { MessageId } from '../../../core/wire/messages.ts';

const HAVE_BYTES = 9;
const REQUEST_BYTES = 17;

function setup(sinkCanWait = true) {
  const said: string[] = [];
  const sink: ComposerSink = {
    write: (bytes) => said.push(`write ${bytes.length}`),
    onPending: () => said.push('now'),
    ...(sinkCanWait ? { onPendingLater: () => said.push('later') } : {}),
  };
  const composer = new FrameComposer(sink);
  return {
    said,
    composer,
    have: () => composer.frame1(MessageId.have, 7),
    request: () => composer.frame3(MessageId.request, 1, 2, 3),
  };
}

test('haves are announced once, for later, and leave with whatever leaves first', () => {
  const { said, composer, have, request } = setup();
  have();
  have();
  expect(said).toEqual(['later']);
  request();
  request();
  have();
  expect(said).toEqual(['later', 'now']);
  composer.flush();
  expect(said.at(-1)).toBe(`write ${3 * HAVE_BYTES + 2 * REQUEST_BYTES}`);
  // The flush that was promised for later finds nothing, and the next have is announced anew.
  composer.flush();
  have();
  expect(said).toHaveLength(4);
  expect(said.at(-1)).toBe('later');
});

test('a packet full of haves does not wait', () => {
  const { said, have } = setup();
  for (let i = 0; i < 155; i++) have();
  expect(said).toEqual(['later']);
  have();
  expect(said).toEqual(['later', 'now']);
});

test('a sink that cannot wait is told at once', () => {
  const { said, have } = setup(false);
  have();
  have();
  expect(said).toEqual(['now']);
});
