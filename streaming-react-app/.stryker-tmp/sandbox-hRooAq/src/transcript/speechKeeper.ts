/** Keeps the translated speech for a download, up to a bound (the oldest goes first). */
// @ts-nocheck

import { decodePcm16, encodePcm16 } from '../audio/pcm';
import { resampled } from '../audio/resample';

interface Part {
  pcm16: ArrayBuffer;
  rate: number;
}

const lengthOf = ({ pcm16, rate }: Part) => pcm16.byteLength / 2 / rate;

export class SpeechKeeper {
  private parts: Part[] = [];
  private length = 0;

  constructor(private readonly maxSeconds = 2 * 3600) {}

  add(pcm16: ArrayBuffer, rate: number): void {
    if (pcm16.byteLength === 0) return;
    this.parts.push({ pcm16, rate });
    this.length += pcm16.byteLength / 2 / rate;
    while (this.length > this.maxSeconds) {
      const oldest = this.parts.shift();
      if (oldest) this.length -= lengthOf(oldest);
    }
  }

  get seconds(): number {
    return this.length;
  }

  /** All of it at one rate, the highest that came: a voice may change its rate while it speaks. */
  whole(): { chunks: ArrayBuffer[]; rate: number } {
    const rate = Math.max(0, ...this.parts.map((part) => part.rate));
    const chunks = this.parts.map((part) =>
      part.rate === rate
        ? part.pcm16
        : encodePcm16(resampled(decodePcm16(part.pcm16), part.rate, rate)),
    );
    return { chunks, rate };
  }

  clear(): void {
    this.parts = [];
    this.length = 0;
  }
}
