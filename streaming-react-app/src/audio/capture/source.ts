/** A running source of sound: frames come out until it is stopped or ends by itself. */
import { CAPTURE_PROCESSOR } from './messages';
import type { CapturedFrame } from './messages';
import { OPUS_RATE, canEncodeOpus } from './opus';
import type { CaptureProblem } from './problems';
import workletUrl from './capture.worklet.ts?worker&url';

export interface CaptureHandlers {
  onFrame: (frame: CapturedFrame) => void;
  /** The source ended by itself: a file's end, a tab that stopped sharing. */
  onEnd: () => void;
  /** Something went wrong or, with null, is well again. */
  onProblem: (problem: CaptureProblem | null) => void;
}

/** At a rate that Opus knows, where the browser encodes it and brings the sound to that rate. */
async function contextFor(stream: MediaStream | null): Promise<AudioContext> {
  if (await canEncodeOpus(OPUS_RATE)) {
    const context = new AudioContext({ latencyHint: 'interactive', sampleRate: OPUS_RATE });
    try {
      if (stream) context.createMediaStreamSource(stream);
      return context;
    } catch {
      // Firefox connects only what has the same rate.
      await context.close();
    }
  }
  return new AudioContext({ latencyHint: 'interactive' });
}

/** An audio context with the capture worklet; sources connect their node to `input`. */
export class CaptureGraph {
  private constructor(
    readonly context: AudioContext,
    readonly input: AudioWorkletNode,
    private readonly monitor: GainNode,
  ) {}

  /** @param stream What is to be captured, if it goes on by itself. */
  static async open(
    onFrame: (frame: CapturedFrame) => void,
    stream: MediaStream | null = null,
  ): Promise<CaptureGraph> {
    const context = await contextFor(stream);
    await context.audioWorklet.addModule(workletUrl);
    const input = new AudioWorkletNode(context, CAPTURE_PROCESSOR, { outputChannelCount: [1] });
    input.port.onmessage = (event: MessageEvent<CapturedFrame>) => onFrame(event.data);
    // A node that leads nowhere is not run: its (silent) output goes to the loudspeaker.
    input.connect(context.destination);
    const monitor = new GainNode(context, { gain: 0 });
    monitor.connect(context.destination);
    await context.resume();
    return new CaptureGraph(context, input, monitor);
  }

  get rate(): number {
    return this.context.sampleRate;
  }

  connect(node: AudioNode, audible = false): void {
    node.connect(this.input);
    if (audible) node.connect(this.monitor);
  }

  /** How loud the source itself is heard, 0 to 1 (files and clips only). */
  setMonitor(gain: number): void {
    this.monitor.gain.setTargetAtTime(gain, this.context.currentTime, 0.02);
  }

  async close(): Promise<void> {
    this.input.port.onmessage = null;
    if (this.context.state !== 'closed') await this.context.close();
  }
}

export interface RunningSource {
  readonly rate: number;
  readonly label: string;
  /** Whether the source can wait (a file) or goes on regardless (a microphone). */
  readonly patient: boolean;
  /** Seconds, for sources with an end. */
  readonly duration: number | null;
  pause(): Promise<void>;
  resume(): Promise<void>;
  setMonitor(gain: number): void;
  stop(): Promise<void>;
}
