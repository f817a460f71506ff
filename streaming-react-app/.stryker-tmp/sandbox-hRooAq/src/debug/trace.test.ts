// @ts-nocheck
import { expect, it } from 'vitest';
import { decodePcm16, encodePcm16 } from '../audio/pcm';
import { Trace, withGaps } from './trace';

const RATE = 1000;
const ones = (count: number) => encodePcm16(new Float32Array(count).fill(0.5));

it('keeps the gaps between pieces, and none where one follows the other', () => {
  const { pcm16, rate } = withGaps([
    { at: 10_000, pcm16: ones(100), rate: RATE },
    { at: 10_110, pcm16: ones(100), rate: RATE },
    { at: 11_000, pcm16: ones(50), rate: RATE },
  ]);
  const samples = [...decodePcm16(pcm16)].map((sample) => (sample === 0 ? '.' : '#')).join('');
  expect(rate).toBe(RATE);
  expect(samples).toBe(`${'#'.repeat(200)}${'.'.repeat(800)}${'#'.repeat(50)}`);
});

it('never puts one piece over another', () => {
  const pieces = [0, 10, 20].map((at) => ({ at, pcm16: ones(100), rate: RATE }));
  expect(withGaps(pieces).pcm16.byteLength).toBe(2 * 300);
});

it('tells when sound was sent, received and played; sound is kept for those who look', () => {
  const trace = new Trace();
  trace.hear('input', ones(200), RATE, 1000);
  trace.keep();
  trace.hear('output', ones(300), RATE, 2000);
  trace.heard(100, RATE, 2500);
  trace.heard(100, RATE, 2600);
  expect(trace.since(0)).toEqual([
    { lane: 'sent', from: 800, to: 1000 },
    { lane: 'speech', from: 2000, to: 2000 },
    { lane: 'played', from: 2400, to: 2500 },
  ]);
  expect(trace.whole('input').pcm16.byteLength).toBe(0);
  expect(trace.whole('output').pcm16.byteLength).toBe(600);
});
