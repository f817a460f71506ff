// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { Voice } from './voice';

const RATE = 16000;

function tone(seconds: number, frequency = 200): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * RATE) },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * frequency * i) / RATE),
  );
}

function pull(voice: Voice, seconds: number, block = 128): Float32Array {
  const blocks = Math.floor((seconds * RATE) / block);
  const out = new Float32Array(blocks * block);
  for (let i = 0; i < blocks; i += 1) voice.pull(out.subarray(i * block, (i + 1) * block));
  return out;
}

function crossingsPerSecond(samples: Float32Array): number {
  let count = 0;
  for (let i = 1; i < samples.length; i += 1) {
    if ((samples[i - 1] ?? 0) < 0 && (samples[i] ?? 0) >= 0) count += 1;
  }
  return count / (samples.length / RATE);
}

function largestStep(samples: Float32Array): number {
  let largest = 0;
  for (let i = 1; i < samples.length; i += 1) {
    largest = Math.max(largest, Math.abs((samples[i] ?? 0) - (samples[i - 1] ?? 0)));
  }
  return largest;
}

describe('Voice', () => {
  it('plays chunks without a gap and without changing a sample when it is in step', () => {
    const voice = new Voice(RATE);
    const whole = tone(0.6);
    for (let at = 0; at < whole.length; at += 999) voice.push(whole.slice(at, at + 999));
    const out = pull(voice, 0.576);
    expect(out).toEqual(whole.subarray(0, out.length));
    expect(voice.skipped).toBe(0);
    expect(voice.rate).toBe(1);
  });

  it('gives silence when it is empty, and counts only runs that went dry', () => {
    const voice = new Voice(RATE);
    expect(pull(voice, 0.1).every((sample) => sample === 0)).toBe(true);
    expect(voice.dryRuns).toBe(0);
    voice.push(tone(0.05));
    pull(voice, 0.2);
    expect(voice.dryRuns).toBe(1);
    expect(voice.played).toBe(800);
  });

  it('adds to what other voices wrote', () => {
    const first = new Voice(RATE);
    const second = new Voice(RATE);
    first.push(tone(0.1));
    second.push(tone(0.1));
    const out = new Float32Array(128);
    first.pull(out);
    second.pull(out);
    expect(out[20]).toBeCloseTo(2 * (tone(0.1)[20] ?? 0), 6);
  });

  it('works a backlog off at no more than 1.25 times, with the pitch kept and no clicks', () => {
    const voice = new Voice(RATE);
    voice.push(tone(8));
    const out = pull(voice, 3);
    const consumed = (voice.played + voice.skipped) / RATE;
    expect(consumed).toBeGreaterThan(3 * 1.15);
    expect(consumed).toBeLessThanOrEqual(3 * 1.26);
    expect(crossingsPerSecond(out)).toBeGreaterThan(196);
    expect(crossingsPerSecond(out)).toBeLessThan(204);
    expect(largestStep(out)).toBeLessThan(1.3 * largestStep(tone(1)));
  });

  it('returns to the normal rate once the backlog is gone, having lost nothing but jumps', () => {
    const voice = new Voice(RATE);
    const total = 5;
    voice.push(tone(total));
    pull(voice, 6);
    expect(voice.queue.length).toBe(0);
    expect(voice.rate).toBe(1);
    expect((voice.played + voice.skipped) / RATE).toBeCloseTo(total, 5);
  });

  it('skips a long silence before it quickens, and leaves a short breath', () => {
    const voice = new Voice(RATE);
    voice.push(tone(0.2));
    voice.push(new Float32Array(RATE));
    voice.push(tone(0.2));
    pull(voice, 1.4);
    const heardSilence = 1 - voice.skipped / RATE;
    expect(voice.skipped / RATE).toBeGreaterThan(0.7);
    expect(heardSilence).toBeGreaterThan(0.08);
    expect(voice.played + voice.skipped).toBe(1.4 * RATE);
  });

  it('leaves silence alone when there is no backlog', () => {
    const voice = new Voice(RATE);
    voice.push(tone(0.1));
    voice.push(new Float32Array(0.5 * RATE));
    pull(voice, 0.7);
    expect(voice.skipped).toBe(0);
  });

  it('forgets everything when it is cleared', () => {
    const voice = new Voice(RATE);
    voice.push(tone(1));
    voice.clear();
    expect(voice.backlog).toBe(0);
    expect(pull(voice, 0.1).every((sample) => sample === 0)).toBe(true);
  });
});
