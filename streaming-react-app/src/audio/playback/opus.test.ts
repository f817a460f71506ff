import { afterEach, expect, it, vi } from 'vitest';
import { OpusVoices } from './opus';

/** Gives what it decodes when it is told to: the n-th packet of this page sounds like n. */
class SlowDecoder {
  static readonly all: SlowDecoder[] = [];
  static packets = 0;
  state = 'configured';
  private waiting: number[] = [];

  constructor(private readonly handlers: { output: (sound: unknown) => void }) {
    SlowDecoder.all.push(this);
  }

  configure(): void {
    this.waiting = [];
  }

  decode(): void {
    SlowDecoder.packets += 1;
    this.waiting.push(SlowDecoder.packets);
  }

  close(): void {
    this.state = 'closed';
  }

  give(): void {
    for (const packet of this.waiting.splice(0))
      this.handlers.output({
        numberOfFrames: 1,
        sampleRate: 16_000,
        copyTo: (to: Float32Array) => to.fill(packet / 32_768),
        close: () => undefined,
      });
  }
}

afterEach(() => vi.unstubAllGlobals());

it('gives what was said in order, however quick a sentence is decoded', async () => {
  vi.stubGlobal('AudioDecoder', SlowDecoder);
  vi.stubGlobal('EncodedAudioChunk', Object);
  const voices = new OpusVoices(() => undefined);
  const heard: number[] = [];
  const hear = (preSkip: number | null, last: boolean) =>
    voices
      .decode(
        'ann spa',
        { payload: new Uint8Array([0, 1, 9]).buffer, preSkip, samples: 1, sample_rate: 16_000 },
        last,
      )
      .then((pcm16) => heard.push(...new Int16Array(pcm16)));
  const done = [hear(0, false), hear(null, true), hear(0, true)];
  const [first, second] = SlowDecoder.all;
  second?.give();
  await Promise.resolve();
  first?.give();
  await Promise.all(done);
  expect(heard).toEqual([1, 2, 3]);
});
