/** The page's loudspeaker: an audio context with the playback worklet and a volume. */
import { decodePcm16 } from '../pcm';
import { PLAYBACK_PROCESSOR } from './messages';
import type { PlaybackReport, ToPlayback } from './messages';
import workletUrl from './playback.worklet.ts?worker&url';

/** The rate of the models' speech; the browser resamples it to the device's. */
const USUAL_RATE = 16000;

export class Player {
  onReport: (report: PlaybackReport) => void = () => undefined;
  onState: (running: boolean) => void = () => undefined;

  private context: AudioContext | null = null;
  private node: AudioWorkletNode | null = null;
  private gain: GainNode | null = null;
  private opening: Promise<void> | null = null;
  private rate = USUAL_RATE;
  private volume = 1;
  private open = true;

  /** Makes the context and lets it sound. Call it from a click: browsers want a gesture. */
  async unlock(): Promise<void> {
    this.opening ??= this.build();
    // A blocked context stays suspended for ever: do not wait for it.
    void this.context?.resume().catch(() => undefined);
    await this.opening;
  }

  private async build(): Promise<void> {
    const context = new AudioContext({ sampleRate: this.rate, latencyHint: 'interactive' });
    this.context = context;
    context.onstatechange = () => this.onState(context.state === 'running');
    await context.audioWorklet.addModule(workletUrl);
    const node = new AudioWorkletNode(context, PLAYBACK_PROCESSOR, {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    node.port.onmessage = (event: MessageEvent<PlaybackReport>) => this.onReport(event.data);
    this.gain = new GainNode(context, { gain: this.volume });
    node.connect(this.gain).connect(context.destination);
    this.node = node;
    this.post({ type: 'gate', open: this.open });
    this.onState(context.state === 'running');
  }

  /** Queues speech of one speaker. */
  async play(voice: string, pcm16: ArrayBuffer, rate: number): Promise<void> {
    if (!this.open) return;
    if (rate !== this.rate) await this.changeRate(rate);
    await this.unlock();
    if (this.context?.state !== 'running') return;
    const samples = decodePcm16(pcm16);
    this.post({ type: 'push', voice, samples }, [samples.buffer]);
  }

  private async changeRate(rate: number): Promise<void> {
    const old = this.context;
    this.rate = rate;
    this.context = null;
    this.opening = null;
    await old?.close();
  }

  private post(message: ToPlayback, transfer: Transferable[] = []): void {
    this.node?.port.postMessage(message, transfer);
  }

  setVolume(volume: number): void {
    this.volume = volume;
    if (this.gain && this.context) {
      this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
    }
  }

  /** A closed gate silences what is queued and drops what comes: the echo guard. */
  setGate(open: boolean): void {
    if (open === this.open) return;
    this.open = open;
    this.post({ type: 'gate', open });
  }

  clear(): void {
    this.post({ type: 'clear' });
  }

  async close(): Promise<void> {
    const { context } = this;
    this.context = null;
    this.node = null;
    this.gain = null;
    this.opening = null;
    await context?.close();
  }
}
