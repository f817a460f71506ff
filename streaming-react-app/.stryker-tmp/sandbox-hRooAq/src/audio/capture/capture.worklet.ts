/** Turns what it is fed into 20 ms frames of 16-bit PCM with their level. */
// @ts-nocheck

import { encodePcm16 } from '../pcm';
import { Framer } from './framer';
import { CAPTURE_PROCESSOR, FRAME_SECONDS } from './messages';
import type { CapturedFrame } from './messages';

class Capture extends AudioWorkletProcessor {
  private readonly framer = new Framer(Math.round(FRAME_SECONDS * sampleRate), (frame) => {
    let peak = 0;
    let energy = 0;
    for (const sample of frame) {
      peak = Math.max(peak, Math.abs(sample));
      energy += sample * sample;
    }
    const message: CapturedFrame = {
      pcm: encodePcm16(frame),
      rms: Math.sqrt(energy / frame.length),
      peak,
    };
    this.port.postMessage(message, [message.pcm]);
  });

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0];
    if (channels && channels.length > 0) this.framer.push(channels);
    return true;
  }
}

registerProcessor(CAPTURE_PROCESSOR, Capture);
