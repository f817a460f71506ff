/** Hears what a page plays: taps everything that goes to an audio context's destination. */
import type { Page } from '@playwright/test';

interface Tapped {
  /** Samples that were not silent. */
  heard: number;
  samples: Float32Array[];
}

declare global {
  interface Window {
    tapped: Tapped;
  }
}

// On the audio clock, as a busy page loses nothing there.
const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples);
    return true;
  }
});`;

export async function tapLoudspeaker(page: Page): Promise<void> {
  await page.addInitScript((source) => {
    window.tapped = { heard: 0, samples: [] };

    const tap = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const addModule = AudioWorklet.prototype.addModule as (url: string) => Promise<void>;
    AudioWorklet.prototype.addModule = async function (this: AudioWorklet, url: string) {
      await addModule.call(this, tap);
      await addModule.call(this, url);
    };

    const connect = AudioNode.prototype.connect as (this: AudioNode, to: AudioNode) => AudioNode;
    AudioNode.prototype.connect = function (this: AudioNode, to: AudioNode) {
      if (to instanceof AudioDestinationNode && to.context instanceof AudioContext) {
        const node = new AudioWorkletNode(to.context, 'tap');
        node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
          window.tapped.samples.push(data);
          for (const sample of data) if (sample !== 0) window.tapped.heard += 1;
        };
        connect.call(this, node);
        connect.call(node, to);
      }
      return connect.call(this, to);
    } as AudioNode['connect'];
  }, TAP);
}

export function heardSamples(page: Page): Promise<number> {
  return page.evaluate(() => window.tapped.heard);
}

/** Pieces of what was heard that sounded, each so many samples in a row, as 16-bit PCM. */
export async function heardPieces(page: Page, length: number): Promise<Buffer[]> {
  const all = Int16Array.from(
    await page.evaluate(() =>
      window.tapped.samples.flatMap((block) => [...block].map((x) => Math.round(x * 32768))),
    ),
  );
  const pieces: Buffer[] = [];
  for (let at = 0; at + length <= all.length; at += 40) {
    const piece = all.slice(at, at + length);
    if (piece.some((sample) => Math.abs(sample) > 1600)) pieces.push(Buffer.from(piece.buffer));
  }
  return pieces;
}
