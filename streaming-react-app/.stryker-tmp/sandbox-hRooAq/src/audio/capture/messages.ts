// @ts-nocheck
export const CAPTURE_PROCESSOR = 'seamless-capture';
export const FRAME_SECONDS = 0.02;

/** 20 ms of sound on their way out. */
export interface CapturedFrame {
  pcm: ArrayBuffer;
  /** Root mean square and largest magnitude, 0..1. */
  rms: number;
  peak: number;
}
