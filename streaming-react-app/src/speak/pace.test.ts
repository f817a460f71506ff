import { describe, expect, it } from 'vitest';
import { Pace } from './pace';

describe('Pace', () => {
  it('is 1 for a server that keeps up, and less for one that does not', () => {
    const good = new Pace();
    const slow = new Pace();
    const at = (pace: Pace, share: number) =>
      [0, 500, 1000, 1500, 2000].map((time) => pace.add(time * share, time)).at(-1);
    expect(at(good, 1)).toBeCloseTo(1);
    expect(at(slow, 0.5)).toBeCloseTo(0.5);
  });

  it('forgets what was long ago', () => {
    const pace = new Pace();
    for (let time = 0; time <= 6000; time += 500) pace.add(0, time);
    let last: number | null = null;
    for (let time = 6500; time <= 13_000; time += 500) last = pace.add(time - 6000, time);
    expect(last).toBeCloseTo(1);
  });

  it('says nothing at first', () => {
    expect(new Pace().add(10, 0)).toBeNull();
  });
});
