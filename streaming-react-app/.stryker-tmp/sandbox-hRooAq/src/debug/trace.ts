/** Moments of this page for the debug panel: what came and went when, and its sound with its gaps. */
// @ts-nocheck

import { encodePcm16, decodePcm16 } from '../audio/pcm';
import { resampled } from '../audio/resample';

export const LANES = ['sent', 'speech', 'played', 'text', 'rendered'] as const;
export type Lane = (typeof LANES)[number];

export interface Moment {
  lane: Lane;
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
}

interface Piece {
  at: number;
  pcm16: ArrayBuffer;
  rate: number;
}

const MOST_MOMENTS = 4000;
/** Pieces nearer than this follow each other without a gap. */
const TOUCHING_MS = 60;

/**
 * Sound as it came, with silence where nothing came, as one run of samples: a piece begins at its
 * arrival, or when the one before it ends.
 */
export function withGaps(pieces: readonly Piece[]): { pcm16: ArrayBuffer; rate: number } {
  const rate = Math.max(0, ...pieces.map((piece) => piece.rate));
  const zero = pieces[0]?.at ?? 0;
  const placed: { start: number; samples: Float32Array }[] = [];
  let end = 0;
  for (const { at, pcm16, rate: own } of pieces) {
    const samples = resampled(decodePcm16(pcm16), own, rate);
    const arrived = Math.round(((at - zero) / 1000) * rate);
    const start = arrived - end > (TOUCHING_MS / 1000) * rate ? arrived : end;
    placed.push({ start, samples });
    end = start + samples.length;
  }
  const whole = new Float32Array(end);
  for (const { start, samples } of placed) whole.set(samples, start);
  return { pcm16: encodePcm16(whole), rate };
}

export class Trace {
  private readonly moments: Moment[] = [];
  private readonly sound: Record<'input' | 'output', Piece[]> = { input: [], output: [] };
  private played = 0;
  private keeps = false;

  /** From now on sound is kept, for those who look. */
  keep(): void {
    this.keeps = true;
  }

  add(lane: Lane, milliseconds = 0, now = Date.now()): void {
    this.moments.push({ lane, from: now - milliseconds, to: now });
    if (this.moments.length > MOST_MOMENTS) this.moments.shift();
  }

  /** A piece of sound that was sent or received. */
  hear(which: 'input' | 'output', pcm16: ArrayBuffer, rate: number, now = Date.now()): void {
    const milliseconds = (pcm16.byteLength / 2 / rate) * 1000;
    // What was captured has passed when it is sent; what was made is to come.
    if (which === 'input') this.add('sent', milliseconds, now);
    else this.add('speech', 0, now);
    if (!this.keeps) return;
    const at = which === 'input' ? now - milliseconds : now;
    this.sound[which].push({ at, pcm16, rate });
  }

  /** The loudspeaker has played so many samples by now. */
  heard(played: number, rate: number, now = Date.now()): void {
    if (played > this.played) this.add('played', ((played - this.played) / rate) * 1000, now);
    this.played = played;
  }

  since(time: number): readonly Moment[] {
    return this.moments.filter((moment) => moment.to >= time);
  }

  whole(which: 'input' | 'output') {
    return withGaps(this.sound[which]);
  }
}
