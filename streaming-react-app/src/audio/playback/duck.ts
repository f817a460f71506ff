/** Makes what lies under speech quiet while that sounds, without a click. */

/** -14 dB: the translation is understood, and the speaker's manner still heard. */
const QUIET = 0.2;
const DOWN_SECONDS = 0.08;
/** Slower: between two words of a translation it stays down. */
const UP_SECONDS = 0.6;

export class Duck {
  private gain = 1;

  constructor(private readonly sampleRate: number) {}

  /** Scales the samples in place; `down` says whether something sounds above them. */
  apply(samples: Float32Array, down: boolean): void {
    const seconds = down ? -DOWN_SECONDS : UP_SECONDS;
    const step = (1 - QUIET) / (seconds * this.sampleRate);
    for (let i = 0; i < samples.length; i += 1) {
      this.gain = Math.min(1, Math.max(QUIET, this.gain + step));
      samples[i] = (samples[i] ?? 0) * this.gain;
    }
  }
}
