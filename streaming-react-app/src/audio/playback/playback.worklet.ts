/** Mixes the voices of all speakers on the audio clock; their own are quiet under translations. */
import { Duck } from './duck';
import { PLAYBACK_PROCESSOR } from './messages';
import type { PlaybackReport, ToPlayback } from './messages';
import { Voice } from './voice';

const REPORTS_A_SECOND = 5;

class Playback extends AudioWorkletProcessor {
  private readonly voices = new Map<string, Voice>();
  private readonly originals = new Map<string, Voice>();
  private readonly duck = new Duck(sampleRate);
  private open = true;
  private untilReport = 0;
  private least = 1;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<ToPlayback>) => this.handle(event.data);
  }

  private handle(message: ToPlayback): void {
    if (message.type === 'gate') {
      this.open = message.open;
      if (!message.open) this.clear();
    } else if (message.type === 'speed') {
      this.least = message.least;
      for (const voice of this.all()) voice.least = message.least;
    } else if (message.type === 'clear') {
      this.clear();
    } else if (this.open) {
      const voices = message.under ? this.originals : this.voices;
      let voice = voices.get(message.voice);
      if (!voice) voices.set(message.voice, (voice = new Voice(sampleRate)));
      voice.least = this.least;
      voice.push(message.samples);
    }
  }

  private clear(): void {
    for (const voice of this.all()) voice.clear();
  }

  private all(): Voice[] {
    return [...this.voices.values(), ...this.originals.values()];
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const channels = outputs[0] ?? [];
    const first = channels[0];
    if (first) {
      const translated = [...this.voices.values()].some((voice) => voice.backlog > 0);
      for (const voice of this.originals.values()) voice.pull(first);
      this.duck.apply(first, translated);
      for (const voice of this.voices.values()) voice.pull(first);
      for (const channel of channels.slice(1)) channel.set(first);
      this.untilReport -= first.length;
      if (this.untilReport <= 0) {
        this.untilReport = sampleRate / REPORTS_A_SECOND;
        this.port.postMessage(this.report());
      }
    }
    return true;
  }

  private report(): PlaybackReport {
    const voices = [...this.voices.values()];
    const behind = Math.max(0, ...voices.map((voice) => voice.backlog));
    return {
      behind,
      rate: Math.max(1, ...voices.map((voice) => voice.rate)),
      played: voices.reduce((sum, voice) => sum + voice.played, 0),
      skipped: voices.reduce((sum, voice) => sum + voice.skipped, 0),
      dryRuns: voices.reduce((sum, voice) => sum + voice.dryRuns, 0),
      active: behind > 0,
    };
  }
}

registerProcessor(PLAYBACK_PROCESSOR, Playback);
