// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { resampled } from './resample';

const tone = (hertz: number, rate: number, seconds = 0.1) =>
  Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) =>
    Math.sin((2 * Math.PI * hertz * i) / rate),
  );
const loudness = (samples: Float32Array) =>
  Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);

describe('resampled', () => {
  it.each([
    [16_000, 24_000],
    [24_000, 16_000],
    [22_050, 16_000],
  ])('keeps a tone what it is: %i to %i Hz', (from, to) => {
    const got = resampled(tone(440, from), from, to);
    const wanted = tone(440, to);
    expect(got.length).toBe(wanted.length);
    const middle = got.slice(200, -200).map((x, i) => x - (wanted[i + 200] ?? 0));
    expect(loudness(middle)).toBeLessThan(0.002);
  });

  it('takes away what the lower rate cannot carry', () => {
    expect(loudness(resampled(tone(11_000, 24_000), 24_000, 16_000))).toBeLessThan(0.05);
  });
});
