// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { automaticSize } from '../hooks/useCaptionSize';
import { runs } from './OverlayView';

describe('runs', () => {
  const line = (key: string, speakerID: string, lang: string) => ({
    key,
    speakerID,
    lang,
    text: key,
    stream: 0,
    segmentID: 0,
    pieces: [],
    freshFrom: 0,
    finished: true,
  });

  it('lets sentences of one speaker flow on, and breaks at another speaker or language', () => {
    const lines = [
      line('a', 'ann', 'spa'),
      line('b', 'ann', 'spa'),
      line('c', 'ben', 'spa'),
      line('d', 'ben', 'fra'),
    ];
    expect(runs(lines).map((run) => run.text)).toEqual(['a b', 'c', 'd']);
    expect(lines[0]?.text).toBe('a');
  });
});

describe('automaticSize', () => {
  it('grows from phone to projector within bounds', () => {
    const sizes = [320, 390, 1366, 1920, 3840, 20_000].map(automaticSize);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect([sizes[0], sizes.at(-1)]).toEqual([22, 80]);
  });
});
