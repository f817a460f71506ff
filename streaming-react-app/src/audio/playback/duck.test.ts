import { describe, expect, it } from 'vitest';
import { Duck } from './duck';

const RATE = 16000;
const ones = (seconds: number) => new Float32Array(seconds * RATE).fill(1);

function through(duck: Duck, seconds: number, down: boolean): Float32Array {
  const samples = ones(seconds);
  duck.apply(samples, down);
  return samples;
}

describe('Duck', () => {
  it('leaves alone what nothing sounds above', () => {
    expect(through(new Duck(RATE), 0.5, false)).toEqual(ones(0.5));
  });

  it('is quiet while something sounds, and comes back without a click', () => {
    const duck = new Duck(RATE);
    const down = through(duck, 0.5, true);
    const up = through(duck, 1, false);
    expect(down.at(-1)).toBeCloseTo(0.2);
    expect(up.at(-1)).toBe(1);
    const all = [1, ...down, ...up];
    const steps = all.slice(1).map((sample, i) => Math.abs(sample - (all[i] ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(0.001);
  });
});
