// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { decodePcm16, encodePcm16, joinBuffers } from '../pcm';
import { Framer } from './framer';

describe('Framer', () => {
  it('makes equal frames of unequal blocks, losing nothing', () => {
    const frames: number[][] = [];
    const framer = new Framer(4, (frame) => frames.push([...frame]));
    framer.push([Float32Array.from([1, 2, 3])]);
    framer.push([Float32Array.from([4, 5, 6, 7, 8, 9])]);
    expect(frames).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
  });

  it('mixes channels to one', () => {
    const frames: number[][] = [];
    const framer = new Framer(2, (frame) => frames.push([...frame]));
    framer.push([Float32Array.from([1, 0]), Float32Array.from([0, 0.5])]);
    expect(frames).toEqual([[0.5, 0.25]]);
  });
});

describe('pcm16', () => {
  it('round-trips, clips, and is little-endian', () => {
    const bytes = encodePcm16(Float32Array.from([0, 0.5, -1, 2, -3]));
    expect([...new Uint8Array(bytes).slice(0, 4)]).toEqual([0, 0, 0, 0x40]);
    const back = decodePcm16(bytes);
    expect([...back]).toEqual([0, 0.5, -1, 32767 / 32768, -1]);
  });

  it('ignores an odd last byte', () => {
    expect(decodePcm16(new ArrayBuffer(3)).length).toBe(1);
  });

  it('joins buffers in order', () => {
    const joined = joinBuffers([Uint8Array.of(1, 2).buffer, Uint8Array.of(3).buffer]);
    expect([...new Uint8Array(joined)]).toEqual([1, 2, 3]);
  });
});
