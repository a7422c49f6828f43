import { describe, expect, it } from 'vitest';
import { FailureNotes } from '../../../tracker/failure-notes.ts';

describe('failures of trackers', () => {
  it('of a few are told by name, once in a row, and again after an answer', () => {
    const notes = new FailureNotes();
    expect(notes.handleFailure('a', 'no answer')).toBe('warn');
    expect(notes.handleFailure('a', 'no answer')).toBe('debug');
    expect(notes.handleFailure('a', 'connection refused')).toBe('warn');
    notes.handleAnswer('a');
    expect(notes.handleFailure('a', 'connection refused')).toBe('warn');
    expect(notes.owesSum).toBe(false);
    expect(notes.pollSum(1)).toBeUndefined();
  });

  it('of 200 are five lines and one', () => {
    const notes = new FailureNotes();
    const levels = Array.from({ length: 200 }, (_, i) => notes.handleFailure(`t${i}`, 'no answer'));
    expect(levels.filter((level) => level === 'warn')).toHaveLength(5);
    expect(levels.filter((level) => level === 'info')).toHaveLength(195);
    expect(notes.owesSum).toBe(true);
    expect(notes.pollSum(200)).toBe('195 more of 200 trackers have trouble; -v names each');
    expect(notes.owesSum).toBe(false);
    // What comes in the next round is no news.
    expect(notes.handleFailure('t100', 'no answer')).toBe('debug');
    expect(notes.handleFailure('t100', 'another')).toBe('info');
    expect(notes.pollSum(200)).toBeUndefined();
  });
});
