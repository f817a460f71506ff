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

export async function tapLoudspeaker(page: Page): Promise<void> {
  await page.addInitScript(() => {
    window.tapped = { heard: 0, samples: [] };

    const connect = AudioNode.prototype.connect as (this: AudioNode, to: AudioNode) => AudioNode;
    AudioNode.prototype.connect = function (this: AudioNode, to: AudioNode) {
      if (to instanceof AudioDestinationNode && to.context instanceof AudioContext) {
        const tap = to.context.createScriptProcessor(1024, 1, 1);
        tap.onaudioprocess = ({ inputBuffer }) => {
          const samples = inputBuffer.getChannelData(0).slice();
          window.tapped.samples.push(samples);
          for (const sample of samples) if (sample !== 0) window.tapped.heard += 1;
        };
        connect.call(this, tap);
        connect.call(tap, to);
      }
      return connect.call(this, to);
    } as AudioNode['connect'];
  });
}

export function heardSamples(page: Page): Promise<number> {
  return page.evaluate(() => window.tapped.heard);
}

/** The first sounding samples that were heard in a row, as 16-bit numbers. */
export function firstHeard(page: Page, count: number): Promise<number[]> {
  return page.evaluate((wanted) => {
    const all = window.tapped.samples.flatMap((block) => [...block]);
    const start = all.findIndex((sample) => sample !== 0);
    return all.slice(start, start + wanted).map((sample) => Math.round(sample * 32768));
  }, count);
}
