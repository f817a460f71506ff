/** Records a few seconds of the microphone and plays them back: what the server would hear. */
// @ts-nocheck

import { openLiveSource, requestMicrophone } from '../audio/capture/liveSource';
import type { MicrophoneSettings } from '../audio/capture/liveSource';
import { CaptureError } from '../audio/capture/problems';
import type { CaptureProblem } from '../audio/capture/problems';
import { decodePcm16, joinBuffers } from '../audio/pcm';
import { values } from '../state/store';
import type { Level } from './state';

export const TEST_SECONDS = 5;
/** Below this nothing but the room's noise was there (-50 dBFS). */
const NOTHING_PEAK = 0.003;

export interface TestState {
  phase: 'idle' | 'listening' | 'playing' | 'heard' | 'nothing';
  /** Seconds left. */
  left: number;
  problem: CaptureProblem | null;
}

export class MicrophoneTest {
  readonly state = values<TestState>({ phase: 'idle', left: TEST_SECONDS, problem: null });
  readonly level = values<Level>({ rms: 0, peak: 0 });
  private end: (() => void) | null = null;

  async run(settings: MicrophoneSettings): Promise<void> {
    this.stop();
    const parts: ArrayBuffer[] = [];
    let peak = 0;
    this.state.setState({ phase: 'listening', left: TEST_SECONDS, problem: null });
    try {
      const stream = await requestMicrophone(settings);
      const source = await openLiveSource(
        stream,
        {
          onFrame: (frame) => {
            parts.push(frame.pcm);
            peak = Math.max(peak, frame.peak);
            this.level.setState({ rms: frame.rms, peak: frame.peak });
          },
          onEnd: () => undefined,
          onProblem: () => undefined,
        },
        { neverSilent: false },
      );
      const whole = await this.countDown();
      await source.stop();
      this.level.setState({ rms: 0, peak: 0 });
      if (!whole) return;
      if (peak < NOTHING_PEAK) {
        this.state.setState({ phase: 'nothing' });
        return;
      }
      await this.play(decodePcm16(joinBuffers(parts)), source.rate);
    } catch (error) {
      const problem = error instanceof CaptureError ? error.problem : 'unknown';
      this.state.setState({ phase: 'idle', problem });
    }
  }

  stop(): void {
    this.end?.();
    this.end = null;
    this.state.setState({ phase: 'idle', problem: null });
  }

  /** False when it was stopped before. */
  private countDown(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const left = this.state.getState().left - 1;
        this.state.setState({ left });
        if (left > 0) return;
        clearInterval(timer);
        this.end = null;
        resolve(true);
      }, 1000);
      this.end = () => {
        clearInterval(timer);
        resolve(false);
      };
    });
  }

  private async play(samples: Float32Array<ArrayBuffer>, rate: number): Promise<void> {
    this.state.setState({ phase: 'playing' });
    const context = new AudioContext();
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(context, { buffer });
    node.connect(context.destination);
    await new Promise<void>((resolve) => {
      node.onended = () => resolve();
      this.end = () => node.stop();
      node.start();
    });
    this.end = null;
    await context.close();
    if (this.state.getState().phase === 'playing') this.state.setState({ phase: 'heard' });
  }
}
