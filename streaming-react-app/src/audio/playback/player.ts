/** The page's loudspeaker: an audio context with the playback worklet and a volume. */
import { decodePcm16 } from '../pcm';
import { resampled } from '../resample';
import { PLAYBACK_PROCESSOR } from './messages';
import type { PlaybackReport, ToPlayback } from './messages';
import workletUrl from './playback.worklet.ts?worker&url';

/** The rate of the models' speech; the browser resamples it to the device's. */
const USUAL_RATE = 16000;

const LIMITER = { threshold: -3, knee: 0, ratio: 20, attack: 0.001, release: 0.1 };

/** Newer than the types of the DOM know. */
type Routable = AudioContext & { setSinkId?: (id: string) => Promise<void> };

export const canChooseOutput = (): boolean =>
  typeof AudioContext === 'function' && 'setSinkId' in AudioContext.prototype;

export class Player {
  onReport: (report: PlaybackReport) => void = () => undefined;
  onState: (running: boolean) => void = () => undefined;

  private context: AudioContext | null = null;
  private node: AudioWorkletNode | null = null;
  private gain: GainNode | null = null;
  private limiter: DynamicsCompressorNode | null = null;
  private opening: Promise<void> | null = null;
  private rate = USUAL_RATE;
  private volume = 1;
  private least = 1;
  private device: string | null = null;
  private open = true;
  /** Speech is queued or sounds. */
  private sounding = false;

  get sampleRate(): number {
    return this.rate;
  }

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
    node.port.onmessage = (event: MessageEvent<PlaybackReport>) => {
      this.sounding = event.data.active || event.data.behind > 0;
      this.onReport(event.data);
    };
    this.gain = new GainNode(context, { gain: this.volume });
    this.limiter = new DynamicsCompressorNode(context, LIMITER);
    this.limiter.connect(context.destination);
    node.connect(this.gain);
    this.limit();
    this.node = node;
    this.route();
    this.post({ type: 'speed', least: this.least });
    this.post({ type: 'gate', open: this.open });
    this.onState(context.state === 'running');
  }

  /** Queues speech of one speaker. */
  async play(voice: string, pcm16: ArrayBuffer, rate: number): Promise<void> {
    if (!this.open) return;
    // A voice may change its rate in mid-sentence: only while nothing sounds the context may go.
    if (rate !== this.rate && !this.sounding) await this.changeRate(rate);
    await this.unlock();
    this.push(voice, pcm16, rate, false);
  }

  /** A speaker's own voice, which is quiet while a translation sounds. */
  async playUnder(voice: string, pcm16: ArrayBuffer, rate: number): Promise<void> {
    if (!this.open) return;
    await this.unlock();
    this.push(voice, pcm16, rate, true);
  }

  private push(voice: string, pcm16: ArrayBuffer, rate: number, under: boolean): void {
    if (this.context?.state !== 'running') return;
    const samples = resampled(decodePcm16(pcm16), rate, this.rate);
    if (!under) this.sounding = true;
    this.post({ type: 'push', voice, samples, under }, [samples.buffer]);
  }

  private async changeRate(rate: number): Promise<void> {
    const old = this.context;
    this.rate = rate;
    this.context = null;
    this.opening = null;
    this.sounding = false;
    await old?.close();
  }

  private post(message: ToPlayback, transfer: Transferable[] = []): void {
    this.node?.port.postMessage(message, transfer);
  }

  /** Amplified speech would clip: a limiter holds its peaks. Other speech comes out as it came. */
  private limit(): void {
    const { context, gain, limiter } = this;
    if (!context || !gain || !limiter) return;
    gain.disconnect();
    gain.connect(this.volume > 1 ? limiter : context.destination);
  }

  setVolume(volume: number): void {
    const amplified = this.volume > 1;
    this.volume = volume;
    if (volume > 1 !== amplified) this.limit();
    if (this.gain && this.context) {
      this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
    }
  }

  /** Plays at least this fast, with the pitch kept. */
  setSpeed(least: number): void {
    this.least = least;
    this.post({ type: 'speed', least });
  }

  /** A loudspeaker by its device ID; null is the system's choice. */
  setDevice(device: string | null): void {
    this.device = device;
    this.route();
  }

  private route(): void {
    const context = this.context as Routable | null;
    // A device that is gone leaves the sound where it is.
    void context?.setSinkId?.(this.device ?? '').catch(() => undefined);
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
    this.limiter = null;
    this.opening = null;
    await context?.close();
  }
}
