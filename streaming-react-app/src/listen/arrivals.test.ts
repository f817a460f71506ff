import { describe, expect, it } from 'vitest';
import { Arrivals } from './arrivals';

const piece = (segmentID: number, seq: number, offset?: number) => ({
  speakerID: 'ana',
  lang: 'spa',
  segmentID,
  seq,
  ...(offset === undefined ? {} : { offset }),
});

describe('Arrivals', () => {
  it('tells the last of each speaker, language and kind', () => {
    const arrivals = new Arrivals();
    arrivals.add('text', piece(3, 7, 0), 5);
    arrivals.add('text', piece(3, 9, 5), 4);
    arrivals.add('speech', piece(3, 8, 0), 320);
    expect(arrivals.had).toEqual([
      ['ana', 'spa', 'text', 3, 9],
      ['ana', 'spa', 'speech', 3, 8],
    ]);
  });

  it('knows what two servers both sent', () => {
    const arrivals = new Arrivals();
    expect(arrivals.add('text', piece(3, 7, 0), 5)).toBe(0);
    expect(arrivals.add('text', piece(3, 1007, 2), 6)).toBe(3);
    expect(arrivals.add('text', piece(3, 1008, 8), 2)).toBe(0);
    expect(arrivals.add('text', piece(3, 1009, 1), 3)).toBe(3);
    expect(arrivals.add('text', piece(4, 1010, 0), 3)).toBe(0);
  });

  it('believes servers that do not tell', () => {
    const arrivals = new Arrivals();
    expect(arrivals.add('text', piece(3, 7), 5)).toBe(0);
    expect(arrivals.add('text', piece(3, 9), 5)).toBe(0);
    expect(arrivals.add('speech', piece(3, 8), 5)).toBe(0);
  });
});
