/**
 * One speaker's translated speech, played without gaps, and faster when it falls behind.
 *
 * In step, samples are copied as they came. With a backlog it first skips silences, then plays up to
 * 1.25 times as fast with the pitch kept: every so often it jumps ahead by a stretch that resembles
 * itself (found by normalised cross-correlation, as in WSOLA, Verhelst & Roelands 1993) and fades
 * across the joint.
 */
// @ts-nocheck

import { SampleQueue } from './sampleQueue';

export interface CatchUpOptions {
  /** Seconds of backlog from which silences are skipped; it stops at half of that. */
  skipSilenceAbove: number;
  /** Seconds of backlog from which playback quickens; it stops at half of that. */
  quickenAbove: number;
  /** Seconds of backlog at which the full rate is reached. */
  fullRateAt: number;
  maxRate: number;
}

export const DEFAULT_CATCH_UP: CatchUpOptions = {
  skipSilenceAbove: 0.8,
  quickenAbove: 1.6,
  fullRateAt: 4,
  maxRate: 1.25,
};

const SILENCE_FRAME_SECONDS = 0.02;
/** Silence that is left to hear, so that words do not run together. */
const SILENCE_KEPT_SECONDS = 0.1;
/** Root mean square below which a frame counts as silent (-46 dBFS). */
const SILENCE_RMS = 0.005;
const FADE_SECONDS = 0.01;
const SHORTEST_JUMP_SECONDS = 0.004;
const LONGEST_JUMP_SECONDS = 0.016;
/** Heard as it is before the first jump. */
const FIRST_JUMP_SECONDS = 0.05;

export class Voice {
  readonly queue = new SampleQueue();
  /** Samples given out that came from the queue. */
  played = 0;
  /** Samples that were jumped over. */
  skipped = 0;
  /** Times that the queue ran dry in the middle of something. */
  dryRuns = 0;
  rate = 1;
  /** Chosen by the listener: never slower than this. */
  least = 1;

  private skipping = false;
  private quickening = false;
  private silentFor = 0;
  private untilJump = 0;
  private fading: Float32Array | null = null;
  private fadeAt = 0;
  private wasPlaying = false;
  private readonly fade: number;
  private readonly frame: Float32Array;

  constructor(
    private readonly sampleRate: number,
    private readonly options: CatchUpOptions = DEFAULT_CATCH_UP,
  ) {
    this.fade = Math.round(FADE_SECONDS * sampleRate);
    this.frame = new Float32Array(Math.round(SILENCE_FRAME_SECONDS * sampleRate));
  }

  push(samples: Float32Array): void {
    this.queue.push(samples);
  }

  /** Seconds that wait to be heard. */
  get backlog(): number {
    return this.queue.length / this.sampleRate;
  }

  clear(): void {
    this.queue.clear();
    this.fading = null;
    this.wasPlaying = false;
  }

  /** Adds the next samples onto `output` (mixing with what other voices wrote there). */
  pull(output: Float32Array): void {
    this.decide();
    let at = 0;
    while (at < output.length) {
      if (this.fading === null) {
        if (this.skipping) this.skipSilence();
        if (this.quickening && this.untilJump <= 0) this.jump();
      }
      const want = Math.min(output.length - at, this.stretch());
      const part = new Float32Array(want);
      const got = this.queue.peek(part);
      this.queue.drop(got);
      for (let i = 0; i < got; i += 1)
        output[at + i] = (output[at + i] ?? 0) + this.blended(part, i);
      this.played += got;
      this.untilJump -= got;
      this.countSilence(part.subarray(0, got));
      at += got;
      if (got < want) {
        if (this.wasPlaying) this.dryRuns += 1;
        this.wasPlaying = false;
        return;
      }
      this.wasPlaying = true;
    }
  }

  private decide(): void {
    const { skipSilenceAbove, quickenAbove, fullRateAt, maxRate } = this.options;
    const { backlog } = this;
    if (backlog > skipSilenceAbove) this.skipping = true;
    else if (backlog < skipSilenceAbove / 2) this.skipping = false;
    const hurry = this.least > 1 || backlog > quickenAbove;
    if (hurry && !this.quickening) {
      this.quickening = true;
      this.untilJump = FIRST_JUMP_SECONDS * this.sampleRate;
    } else if (this.least <= 1 && backlog < quickenAbove / 2) this.quickening = false;
    const share = Math.min(
      1,
      Math.max(0.2, (backlog - quickenAbove) / (fullRateAt - quickenAbove)),
    );
    const catching = backlog > quickenAbove / 2 ? 1 + (maxRate - 1) * share : 1;
    this.rate = this.quickening ? Math.max(this.least, catching) : 1;
  }

  /** Samples to copy before the next decision: a silence frame, or less when a jump is due. */
  private stretch(): number {
    const due = this.quickening ? Math.max(1, this.untilJump) : Infinity;
    return Math.min(this.frame.length, Math.ceil(due));
  }

  /** While a joint is being faded, the old continuation's share of this sample. */
  private blended(part: Float32Array, index: number): number {
    const sample = part[index] ?? 0;
    if (this.fading === null) return sample;
    const share = (this.fadeAt + 1) / (this.fade + 1);
    const mixed = (this.fading[this.fadeAt] ?? 0) * (1 - share) + sample * share;
    this.fadeAt += 1;
    if (this.fadeAt >= this.fading.length) this.fading = null;
    return mixed;
  }

  private leap(distance: number): void {
    this.fading = new Float32Array(this.fade);
    this.queue.peek(this.fading);
    this.fadeAt = 0;
    this.skipped += this.queue.drop(distance);
  }

  private countSilence(samples: Float32Array): void {
    this.silentFor = rms(samples) < SILENCE_RMS ? this.silentFor + samples.length : 0;
  }

  /** Jumps to the end of a silence that has been heard for long enough. */
  private skipSilence(): void {
    if (this.silentFor < SILENCE_KEPT_SECONDS * this.sampleRate) return;
    let ahead = 0;
    while (
      this.queue.peek(this.frame, ahead) === this.frame.length &&
      rms(this.frame) < SILENCE_RMS
    ) {
      ahead += this.frame.length;
    }
    // A frame stays in front of what comes, and the fade needs room.
    const distance = ahead - this.frame.length - this.fade;
    if (distance > 0) this.leap(distance);
  }

  private jump(): void {
    const shortest = Math.round(SHORTEST_JUMP_SECONDS * this.sampleRate);
    const longest = Math.round(LONGEST_JUMP_SECONDS * this.sampleRate);
    const window = new Float32Array(longest + this.fade);
    if (this.queue.peek(window) < window.length) return;
    const distance = bestMatch(window, this.fade, shortest, longest);
    this.leap(distance);
    this.untilJump = distance / (this.rate - 1);
  }
}

function rms(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

/** The shift within [shortest, longest] at which the window best resembles its own beginning. */
export function bestMatch(
  window: Float32Array,
  length: number,
  shortest: number,
  longest: number,
): number {
  let best = shortest;
  let bestScore = -Infinity;
  for (let shift = shortest; shift <= longest; shift += 1) {
    let product = 0;
    let energy = 1e-9;
    for (let i = 0; i < length; i += 1) {
      const shifted = window[shift + i] ?? 0;
      product += (window[i] ?? 0) * shifted;
      energy += shifted * shifted;
    }
    const score = product / Math.sqrt(energy);
    if (score > bestScore) {
      bestScore = score;
      best = shift;
    }
  }
  return best;
}
